//! What does a client's command say, at once or in the course of time?

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::{Failure, Verdict, failed};

/// What a command said until its end.
#[derive(Debug, Clone)]
pub struct Said {
    /// Its exit code; -1 if a signal ended it.
    pub code: i32,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
    /// What was run, for the text of a failure.
    pub command: String,
}

impl Said {
    /// Its standard output, if it ended with this code.
    ///
    /// # Errors
    /// If it did not; with all it said.
    pub fn ended(self, code: i32) -> Result<String, Failure> {
        crate::ensure!(self.code == code, "{code} was expected: {}", self.shown());
        Ok(self.out)
    }

    /// Fails unless one of its outputs has this in it.
    ///
    /// # Errors
    /// If neither does; with all it said.
    pub fn says(&self, text: &str) -> Verdict {
        crate::ensure!(
            self.out.contains(text) || self.err.contains(text),
            "{text:?} was expected: {}",
            self.shown()
        );
        Ok(())
    }

    /// All of it.
    #[must_use]
    pub fn shown(&self) -> String {
        format!(
            "{}\nexit code {}\n--- out\n{}\n--- err\n{}",
            self.command, self.code, self.out, self.err
        )
    }
}

/// Runs a command to its end, which must come within the usual bound.
///
/// # Errors
/// If it cannot be started or hangs.
pub fn spoken(command: &mut Command, stdin: Option<&str>) -> Result<Said, Failure> {
    let mut speaking = Speaking::start(command)?;
    if let Some(text) = stdin {
        speaking.write(text)?;
    }
    speaking.close_stdin();
    speaking.finish()
}

/// A command that is running.
#[derive(Debug)]
pub struct Speaking {
    child: Child,
    stdin: Option<ChildStdin>,
    heard: Arc<Heard>,
    listeners: Vec<JoinHandle<()>>,
    command: String,
}

#[derive(Debug, Default)]
struct Heard {
    text: Mutex<[Vec<u8>; 2]>,
    more: Condvar,
}

impl Speaking {
    /// Starts it with pipes to all three of its streams.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(command: &mut Command) -> Result<Speaking, Failure> {
        let shown = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| failed(format!("{shown}: {error}")))?;
        let heard = Arc::new(Heard::default());
        let out = child.stdout.take().map(|pipe| listen(pipe, 0, &heard));
        let err = child.stderr.take().map(|pipe| listen(pipe, 1, &heard));
        Ok(Speaking {
            stdin: child.stdin.take(),
            child,
            heard,
            listeners: out.into_iter().chain(err).collect(),
            command: shown,
        })
    }

    /// Writes to its standard input.
    ///
    /// # Errors
    /// If it does not read any more.
    pub fn write(&mut self, text: &str) -> Verdict {
        let pipe = self.stdin.as_mut();
        let pipe = pipe.ok_or_else(|| failed("its standard input is closed"))?;
        pipe.write_all(text.as_bytes())
            .and_then(|()| pipe.flush())
            .map_err(|error| failed(format!("write to {}: {error}", self.command)))
    }

    /// Ends its standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far.
    #[must_use]
    pub fn so_far(&self) -> Said {
        let text = self.heard.text.lock();
        let [out, err] = text.map(|text| text.clone()).unwrap_or_default();
        self.said(-1, &[out, err])
    }

    fn said(&self, code: i32, text: &[Vec<u8>; 2]) -> Said {
        let [out, err] = text.each_ref().map(|part| String::from_utf8_lossy(part));
        Said {
            code,
            out: out.into_owned(),
            err: err.into_owned(),
            command: self.command.clone(),
        }
    }

    /// Waits until its standard output satisfies the predicate.
    ///
    /// # Errors
    /// If that does not happen in time, or it ends before; with all it said.
    pub fn until(&mut self, what: &str, holds: impl Fn(&str) -> bool) -> Verdict {
        let deadline = Instant::now() + crate::at_most_s(20.0);
        loop {
            let ended = self.listeners.iter().all(JoinHandle::is_finished);
            let said = self.so_far();
            if holds(&said.out) {
                return Ok(());
            }
            crate::ensure!(
                !ended && Instant::now() < deadline,
                "{what} did not happen: {}",
                said.shown()
            );
            let text = self.heard.text.lock();
            let text = text.map_err(|_| failed("a thread of the harness panicked"))?;
            // What came since it was asked is seen at the latest after this moment.
            let moment = std::time::Duration::from_millis(20);
            drop(self.heard.more.wait_timeout(text, moment));
        }
    }

    /// Ends it, when a test has seen enough of it.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub fn end(mut self) -> Result<Said, Failure> {
        self.child.kill()?;
        self.finish()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// If it takes too long; it is killed then.
    pub fn finish(mut self) -> Result<Said, Failure> {
        let deadline = Instant::now() + crate::at_most_s(40.0);
        let code = loop {
            if let Some(status) = self.child.try_wait()? {
                break status.code().unwrap_or(-1);
            }
            crate::ensure!(
                Instant::now() < deadline,
                "it hung and was killed: {}",
                self.so_far().shown()
            );
            std::thread::sleep(std::time::Duration::from_millis(2));
        };
        // A child of the command that holds its outputs is found by the leak check.
        let patience = Instant::now() + std::time::Duration::from_secs(1);
        while !self.listeners.iter().all(JoinHandle::is_finished) && Instant::now() < patience {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        let said = self.so_far();
        Ok(Said { code, ..said })
    }
}

impl Drop for Speaking {
    fn drop(&mut self) {
        // Both do nothing if it has been waited for.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn listen(
    mut pipe: impl Read + Send + 'static,
    which: usize,
    heard: &Arc<Heard>,
) -> JoinHandle<()> {
    let heard = Arc::clone(heard);
    std::thread::spawn(move || {
        let mut bytes = [0; 65536];
        while let Ok(length) = pipe.read(&mut bytes) {
            if length == 0 {
                break;
            }
            if let Ok(mut text) = heard.text.lock() {
                text[which].extend(&bytes[..length]);
            }
            heard.more.notify_all();
        }
        heard.more.notify_all();
    })
}
