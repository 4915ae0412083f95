//! How does a test drive `outrigger daemon`? In the test's own world it is started, awaited, killed, started
//! again and stopped, and in between asked by kubectl, over its unix socket and by files in its folder.

mod asking;
mod client;
mod deaths;
mod http;
mod spoken;

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub use asking::{ask, until};
pub use client::Kubectl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
pub use spoken::{Said, Speaking, spoken};

use crate::replay::replay_all;
use crate::{Failure, Verdict, World, failed, stage};

/// The port in the test's own network namespace.
pub const PORT: u16 = 6553;

/// A daemon of a test, running or not.
#[derive(Debug)]
pub struct Daemon {
    /// The folder of static manifests.
    pub manifests: PathBuf,
    /// The kubeconfig that it writes.
    pub kubeconfig: PathBuf,
    /// What it writes to its standard error, of all its lives one after the other.
    pub log: PathBuf,
    /// Set in its environment at the next start.
    pub environment: Vec<(String, String)>,
    /// Added to its command line at the next start.
    pub flags: Vec<String>,
    /// A command that becomes the daemon at the next start, with the daemon's own behind it.
    pub before: Vec<String>,
    /// `--root`.
    pub root: PathBuf,
    /// `--state`.
    pub state: PathBuf,
    /// `--logs`.
    pub logs: PathBuf,
    listen: String,
    notify: PathBuf,
    work: PathBuf,
    cgroup: String,
    words: UnixDatagram,
    told: Vec<String>,
    process: Option<Child>,
}

impl Daemon {
    /// One that has not been started.
    ///
    /// # Errors
    /// If its folders cannot be made.
    pub fn prepared(world: &World) -> Result<Daemon, Failure> {
        Daemon::one_of(world, "")
    }

    /// One of several that have not been started, each with folders of its own.
    ///
    /// # Errors
    /// If its folders cannot be made.
    pub fn one_of(world: &World, name: &str) -> Result<Daemon, Failure> {
        let work = world.work.clone();
        let manifests = work.join(format!("manifests{name}"));
        std::fs::create_dir_all(&manifests)?;
        std::fs::create_dir_all(work.join("home"))?;
        let notify = work.join(format!("notify{name}"));
        let words = UnixDatagram::bind(&notify)?;
        let below = |folder: &Path| match name {
            "" => folder.to_path_buf(),
            name => folder.with_file_name(format!("{name}.{}", file_name(folder))),
        };
        let port = if name.is_empty() { PORT } else { 0 };
        words.set_read_timeout(Some(Duration::from_millis(20)))?;
        Ok(Daemon {
            manifests,
            kubeconfig: work.join(format!("kubeconfig{name}")),
            log: work.join(format!("daemon{name}.log")),
            environment: Vec::new(),
            flags: Vec::new(),
            before: Vec::new(),
            root: below(&world.root),
            state: below(&world.state),
            logs: below(&world.logs),
            listen: format!("127.0.0.1:{port}"),
            notify,
            work,
            cgroup: below(Path::new(&world.cgroup)).display().to_string(),
            words,
            told: Vec::new(),
            process: None,
        })
    }

    /// One that runs and says that it is ready.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(world: &World) -> Result<Daemon, Failure> {
        let mut daemon = Daemon::prepared(world)?;
        daemon.up()?;
        Ok(daemon)
    }

    /// Starts it and waits until it says that it is ready.
    ///
    /// # Errors
    /// If it ends before, or takes too long.
    pub fn up(&mut self) -> Verdict {
        self.launch()?;
        self.until_told("READY=1")
    }

    /// Starts it and does not wait.
    ///
    /// # Errors
    /// If it runs already or cannot be started.
    pub fn launch(&mut self) -> Verdict {
        crate::ensure!(self.process.is_none(), "the daemon runs already");
        self.told.clear();
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&self.log)?;
        let child = self
            .command(&self.before, &["daemon"])
            .arg("--manifests")
            .arg(&self.manifests)
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(["--listen", &self.listen])
            .args(&self.flags)
            .envs(self.environment.iter().cloned())
            .env("NOTIFY_SOCKET", &self.notify)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.process = Some(child);
        Ok(())
    }

    /// The program under test in this daemon's world, for its commands over the socket.
    #[must_use]
    pub fn outrigger(&self, arguments: &[&str]) -> Command {
        self.command(&[], arguments)
    }

    fn command(&self, before: &[String], arguments: &[&str]) -> Command {
        let program = stage::program_under_test().unwrap_or_else(|_| "outrigger".into());
        let mut command = match before {
            [] => Command::new(program),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        command
            .arg("--root")
            .arg(&self.root)
            .arg("--state")
            .arg(&self.state)
            .arg("--logs")
            .arg(&self.logs)
            .args(arguments)
            .env("OUTRIGGER_CGROUP", &self.cgroup)
            .env("NO_COLOR", "1")
            .current_dir(&self.work);
        command
    }

    /// Its process id.
    ///
    /// # Errors
    /// If it does not run.
    pub fn pid(&self) -> Result<Pid, Failure> {
        let child = self.process.as_ref();
        let child = child.ok_or_else(|| failed("the daemon does not run"))?;
        Ok(Pid::from_raw(i32::try_from(child.id())?))
    }

    /// Waits until it has said this to its service manager since it was started.
    ///
    /// # Errors
    /// If it ends before, or takes too long; with its log.
    pub fn until_told(&mut self, word: &str) -> Verdict {
        let deadline = Instant::now() + crate::at_most_s(30.0);
        let mut letter = [0; 4096];
        while !self.told.iter().any(|line| line == word) {
            if let Ok(length) = self.words.recv(&mut letter) {
                let text = String::from_utf8_lossy(&letter[..length]);
                self.told.extend(text.lines().map(str::to_owned));
                continue;
            }
            let ended = match &mut self.process {
                Some(child) => child.try_wait()?,
                None => return Err(failed("the daemon does not run")),
            };
            if ended.is_some() || Instant::now() > deadline {
                return Err(failed(format!(
                    "the daemon did not say {word:?}; it said {:?}, its end: {ended:?}\n{}",
                    self.told,
                    self.log_text()
                )));
            }
        }
        Ok(())
    }

    /// What it has said to its service manager so far.
    #[must_use]
    pub fn told(&self) -> &[String] {
        &self.told
    }

    /// Sends SIGTERM and waits for its end.
    ///
    /// # Errors
    /// If it takes too long, or ends otherwise than with success.
    pub fn stop(&mut self) -> Verdict {
        kill(self.pid()?, Signal::SIGTERM)?;
        let deadline = Instant::now() + crate::at_most_s(15.0);
        let ended = loop {
            let ended = match &mut self.process {
                Some(child) => child.try_wait()?,
                None => None,
            };
            if let Some(status) = ended {
                break status;
            }
            crate::ensure!(
                Instant::now() < deadline,
                "the daemon did not end on SIGTERM:\n{}",
                self.log_text()
            );
            std::thread::sleep(Duration::from_millis(2));
        };
        self.process = None;
        crate::ensure!(ended.success(), "its end: {ended}\n{}", self.log_text());
        let mut letter = [0; 4096];
        self.words.set_nonblocking(true)?;
        while let Ok(length) = self.words.recv(&mut letter) {
            let text = String::from_utf8_lossy(&letter[..length]);
            self.told.extend(text.lines().map(str::to_owned));
        }
        self.words.set_nonblocking(false)?;
        replay_all(&self.root).map(drop)
    }

    /// Everything it has written.
    #[must_use]
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The last lines that it has written.
    #[must_use]
    pub fn log_end(&self) -> String {
        const LINES: usize = 60;
        let text = self.log_text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    /// Where it listens for commands on this machine.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.state.join("api.sock")
    }

    /// Deletes all Pods, waits until nothing of them is left, stops the daemon, and removes what it keeps
    /// by design. The leak check after the test finds everything else.
    ///
    /// # Errors
    /// If something is left, or the daemon does not do as it is told.
    pub fn finish(mut self) -> Verdict {
        for entry in std::fs::read_dir(&self.manifests)?.flatten() {
            std::fs::remove_file(entry.path())?;
        }
        let mut left = Vec::new();
        let gone = until(30.0, || {
            left = self.delete_all()?;
            Ok(left.is_empty() && !has_entries(&self.root.join("lives")))
        })?;
        crate::ensure!(
            gone,
            "Pods that are not deleted: {left:?}\n{}",
            self.log_text()
        );
        self.stop()?;
        for file in ["daemon.lock", "objects.redb"] {
            std::fs::remove_file(self.root.join(file))?;
        }
        // It is there if there was room for it.
        std::fs::remove_file(self.root.join("reserve")).ok();
        let pki = self.root.join("pki");
        for entry in std::fs::read_dir(&pki)?.flatten() {
            std::fs::remove_file(entry.path())?;
        }
        for folder in [&pki, &self.root.join("lives"), &self.state] {
            remove_if_empty(folder);
        }
        remove_if_empty(&self.root);
        remove_if_empty(&self.logs);
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Both do nothing if it has been waited for; the leak check tells of what they leave.
        if let Some(child) = &mut self.process {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn has_entries(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

/// A folder that is not empty stays, and the leak check names what is in it.
fn remove_if_empty(folder: &Path) {
    std::fs::remove_dir(folder).ok();
}
