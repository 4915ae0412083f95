//! How does a group go, with what is below it and, at the end, its empty parents?

use std::io;
use std::thread;
use std::time::Duration;

use rustix::fs::{AtFlags, unlinkat};
use rustix::io::Errno;

use super::create::Level;
use super::error::Leftover;
use super::group::{Cgroup, Member};
use super::{file, make};

/// Pauses between attempts at a busy group. A killed process leaves its groups a little after its
/// parent has heard of its end; nothing tells when on v1, and on v2 the notice comes up to 15 ms late.
const PAUSES_MS: [u64; 7] = [1, 1, 2, 4, 8, 16, 32];

impl Cgroup {
    /// Removes the group and the groups below it. With a Pod's group its parents go too, up to the
    /// first part of the path, as far as they are empty. Nothing is killed: what still has a process
    /// is left and named.
    ///
    /// # Errors
    /// The directories that are left, after a tenth of a second of trying.
    pub fn remove(&self) -> Result<(), Leftover> {
        let mut pauses = PAUSES_MS.iter();
        let mut groups = Vec::new();
        for member in self.members.iter().filter(|member| member.own) {
            if let Err(error) = remove_patiently(member, &mut pauses) {
                groups.push((member.object(""), error));
            }
        }
        if !groups.is_empty() {
            return Err(Leftover { groups });
        }
        if self.level != Level::Container {
            for member in &self.members {
                remove_parents(member).map_err(|group| Leftover {
                    groups: vec![group],
                })?;
            }
        }
        Ok(())
    }
}

fn remove_patiently<'a>(
    member: &Member,
    pauses: &mut impl Iterator<Item = &'a u64>,
) -> io::Result<()> {
    loop {
        match rmdir(member, &member.path) {
            Ok(()) => return Ok(()),
            Err(Errno::BUSY | Errno::NOTEMPTY) => {}
            Err(errno) => return Err(errno.into()),
        }
        // A group below that stays makes this one busy again, and is reported with it.
        let mut busy_below = false;
        for below in file::groups_below(&member.dir)? {
            busy_below |= rmdir(member, &format!("{}/{below}", member.path)).is_err();
        }
        if !busy_below && rmdir(member, &member.path).is_ok() {
            return Ok(());
        }
        match pauses.next() {
            Some(pause_ms) => thread::sleep(Duration::from_millis(*pause_ms)),
            None => return Err(Errno::BUSY.into()),
        }
    }
}

/// Removes the parents that are empty, from below. One that is in use ends the walk.
fn remove_parents(member: &Member) -> Result<(), (String, io::Error)> {
    for parent in make::parents(&member.path).rev() {
        match rmdir(member, parent) {
            Ok(()) => {}
            Err(Errno::BUSY | Errno::NOTEMPTY) => return Ok(()),
            Err(errno) => {
                return Err((
                    member.tree.mount.join(parent).display().to_string(),
                    errno.into(),
                ));
            }
        }
    }
    Ok(())
}

fn rmdir(member: &Member, path: &str) -> Result<(), Errno> {
    match unlinkat(&member.tree.root, path, AtFlags::REMOVEDIR) {
        Err(Errno::NOENT) => Ok(()),
        result => result,
    }
}
