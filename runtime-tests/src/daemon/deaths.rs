//! How does a daemon die, in all ways but the good one?

use std::process::Child;

use nix::sys::signal::{Signal, kill};

use super::Daemon;
use crate::replay::replay_all;
use crate::{Failure, Verdict, failed};

impl Daemon {
    /// Kills it as no program can hear, waits until it is gone, and replays what it has recorded.
    ///
    /// # Errors
    /// If it does not run, or has ended by itself before.
    pub fn kill(&mut self) -> Verdict {
        self.cut_off()?;
        replay_all(&self.root).map(drop)
    }

    /// Kills it as no program can hear, and waits until it is gone, whatever has become of its files.
    ///
    /// # Errors
    /// If it does not run, or has ended by itself before.
    pub fn cut_off(&mut self) -> Verdict {
        self.end_by(Signal::SIGKILL)
    }

    /// Has it end as a program does that aborts.
    ///
    /// # Errors
    /// If it does not run, or has ended by itself before.
    pub fn crash(&mut self) -> Verdict {
        self.end_by(Signal::SIGABRT)
    }

    fn end_by(&mut self, signal: Signal) -> Verdict {
        let pid = self.pid()?;
        if let Some(mut child) = self.process.take() {
            if let Some(ended) = child.try_wait()? {
                return Err(failed(format!(
                    "the daemon had ended by itself, with {ended}:\n{}",
                    self.log_end()
                )));
            }
            kill(pid, signal)?;
            child.wait()?;
        }
        // Its last words must not be taken for those of the next one.
        let mut letter = [0; 4096];
        self.words.set_nonblocking(true)?;
        while self.words.recv(&mut letter).is_ok() {}
        self.words.set_nonblocking(false)?;
        Ok(())
    }

    /// Waits until it is ready, or has refused to start.
    ///
    /// # Errors
    /// If neither comes.
    pub fn ready_or_refused(&mut self) -> Result<bool, Failure> {
        match self.until_told("READY=1") {
            Ok(()) => Ok(true),
            Err(failure) => match self.process.as_mut().map(Child::try_wait) {
                Some(Ok(Some(ended))) => {
                    self.process = None;
                    crate::ensure!(ended.code() == Some(1), "its end: {ended}: {failure}");
                    Ok(false)
                }
                _ => Err(failure),
            },
        }
    }
}
