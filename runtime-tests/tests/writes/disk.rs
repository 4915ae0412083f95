//! A disk in trouble: which of the daemon's writes fail, and for how long?

use std::path::{Path, PathBuf};

use runtime_tests::{Failure, World};

/// Stands before the daemon.
const INJECT: &str = include_str!("inject.py");

/// What befalls the disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trouble {
    mode: &'static str,
    error: &'static str,
}

impl Trouble {
    /// `once` or `full`, and the error's name.
    pub(crate) fn new(mode: &'static str, error: &'static str) -> Trouble {
        Trouble { mode, error }
    }
}

/// The disk of one life.
pub(crate) struct Disk {
    notes: PathBuf,
    script: PathBuf,
    trouble: Trouble,
    number: u32,
}

impl Disk {
    pub(crate) fn new(world: &World, trouble: Trouble, number: u32) -> Result<Disk, Failure> {
        let notes = world.work.join("notes");
        if notes.exists() {
            std::fs::remove_dir_all(&notes)?;
        }
        std::fs::create_dir(&notes)?;
        Ok(Disk {
            notes,
            script: world.file("inject.py", INJECT)?,
            trouble,
            number,
        })
    }

    /// What the daemon is started with, so that its writes below these folders fail.
    pub(crate) fn before(&self, folders: [&Path; 2]) -> Vec<String> {
        let number = self.number.to_string();
        let own = [self.trouble.mode, &number, self.trouble.error];
        let mut words = vec!["/usr/bin/python3".to_owned()];
        words.push(self.script.display().to_string());
        words.extend(own.map(str::to_owned));
        let folders = folders.map(|folder| folder.display().to_string());
        words.push(self.notes.display().to_string());
        words.extend(folders);
        words.push("--".to_owned());
        words
    }

    /// Whether it fails until there is room, and not once.
    pub(crate) fn stays_full(&self) -> bool {
        self.trouble.mode == "full"
    }

    /// Whether a write has failed.
    pub(crate) fn is_hit(&self) -> bool {
        self.notes.join("hit").exists()
    }

    /// Nothing fails any more.
    pub(crate) fn make_room(&self) -> Result<(), Failure> {
        Ok(std::fs::write(self.notes.join("room"), "")?)
    }

    fn trace(&self) -> String {
        std::fs::read_to_string(self.notes.join("trace")).unwrap_or_default()
    }

    /// How many writes there were.
    pub(crate) fn count(&self) -> Result<u32, Failure> {
        Ok(u32::try_from(self.trace().lines().count())?)
    }

    /// The first that failed, and how many did.
    pub(crate) fn what_failed(&self) -> String {
        let trace = self.trace();
        let mut failed = trace.lines().filter(|line| line.ends_with("FAILS"));
        match failed.next() {
            Some(first) => format!("{first}, and {} more", failed.count()),
            None => "none failed".to_owned(),
        }
    }
}
