//! How is the program started, watched, signalled and, if it hangs, ended?

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::capture::Capture;
use crate::output::show;
use crate::{Failure, Line, Output, Source, World, failed, stage};

/// What is to be started.
#[derive(Debug)]
pub struct Launch {
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    stdin: Option<String>,
    logs: PathBuf,
    status_file: Option<PathBuf>,
    limit_s: f64,
}

impl Launch {
    pub(crate) fn new(world: &World, arguments: &[&str]) -> Launch {
        let mut all = Vec::new();
        for (flag, folder) in [
            ("--root", &world.root),
            ("--state", &world.state),
            ("--logs", &world.logs),
        ] {
            all.extend([flag.to_string(), folder.display().to_string()]);
        }
        all.extend(arguments.iter().map(ToString::to_string));
        Launch {
            arguments: all,
            environment: vec![("OUTRIGGER_CGROUP".into(), world.cgroup.clone())],
            stdin: None,
            logs: world.logs.clone(),
            status_file: None,
            limit_s: 30.0,
        }
    }

    /// Asks for a status file and reads it at the end.
    #[must_use]
    pub fn with_status(mut self, world: &World) -> Launch {
        let path = world.work.join("status.json");
        self.arguments
            .extend(["--status-file".into(), path.display().to_string()]);
        self.status_file = Some(path);
        self
    }

    /// What it reads from its standard input; nothing if this is not called.
    #[must_use]
    pub fn stdin(mut self, text: &str) -> Launch {
        self.stdin = Some(text.to_string());
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Launch {
        self.environment.push((name.to_string(), value.to_string()));
        self
    }

    /// How long it may take before it is killed and the test fails; 30 s if this is not called.
    #[must_use]
    pub fn limit_s(mut self, seconds: f64) -> Launch {
        self.limit_s = seconds;
        self
    }

    /// Starts it and waits for its end.
    ///
    /// # Errors
    /// If it cannot be started, or takes longer than its limit.
    pub fn finish(self) -> Result<Output, Failure> {
        self.start()?.finish()
    }

    /// Starts it.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(self) -> Result<Running, Failure> {
        let program = stage::program_under_test()?;
        let mut command = Command::new(&program);
        command
            .args(&self.arguments)
            .envs(self.environment)
            .env("NO_COLOR", "1");
        command.stdin(if self.stdin.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let capture = Capture::start(&self.logs);
        let began = Instant::now();
        let began_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
        let mut child = command
            .spawn()
            .map_err(|error| failed(format!("{}: {error}", program.display())))?;
        let seen = Arc::new(Seen::default());
        let out = child
            .stdout
            .take()
            .map(|pipe| follow(pipe, Source::Out, began, &seen));
        let err = child
            .stderr
            .take()
            .map(|pipe| follow(pipe, Source::Err, began, &seen));
        if let (Some(text), Some(mut pipe)) = (self.stdin, child.stdin.take()) {
            pipe.write_all(text.as_bytes())?;
        }
        Ok(Running {
            process: Process(child),
            followers: out.into_iter().chain(err).collect(),
            seen,
            capture,
            began,
            began_s,
            status_file: self.status_file,
            limit: crate::at_most_s(self.limit_s),
        })
    }
}

/// The lines so far, and who waits for the next one.
#[derive(Debug, Default)]
struct Seen {
    lines: Mutex<Vec<Line>>,
    more: Condvar,
}

fn follow(
    pipe: impl Read + Send + 'static,
    source: Source,
    began: Instant,
    seen: &Arc<Seen>,
) -> JoinHandle<()> {
    let seen = Arc::clone(seen);
    std::thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut bytes = Vec::new();
        while reader
            .read_until(b'\n', &mut bytes)
            .is_ok_and(|count| count > 0)
        {
            let text = String::from_utf8_lossy(&bytes)
                .trim_end_matches('\n')
                .to_string();
            if let Ok(mut lines) = seen.lines.lock() {
                lines.push(Line {
                    source,
                    at: began.elapsed(),
                    text,
                });
            }
            seen.more.notify_all();
            bytes.clear();
        }
    })
}

/// The program's process. A test that gives up on it must not leave it running.
#[derive(Debug)]
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Both do nothing if it has been waited for, and there is nobody to tell if they fail: what
        // is left then, the leak check finds.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The program while it runs.
#[derive(Debug)]
pub struct Running {
    process: Process,
    followers: Vec<JoinHandle<()>>,
    seen: Arc<Seen>,
    capture: Capture,
    began: Instant,
    began_s: f64,
    status_file: Option<PathBuf>,
    limit: Duration,
}

impl Running {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Waits until the lines so far satisfy the predicate.
    ///
    /// # Errors
    /// If that does not happen in time; the error shows the lines.
    pub fn wait_until(&self, what: &str, holds: impl Fn(&[Line]) -> bool) -> Result<(), Failure> {
        let poisoned = |_| failed("a thread of the harness panicked");
        let mut lines = self.seen.lines.lock().map_err(poisoned)?;
        while !holds(&lines) {
            let Some(left) = self.limit.checked_sub(self.began.elapsed()) else {
                return Err(failed(format!(
                    "{what} did not happen in time:\n{}",
                    show(&lines)
                )));
            };
            let ended = self.followers.iter().all(JoinHandle::is_finished);
            crate::ensure!(
                !ended,
                "it ended before this happened: {what}\n{}",
                show(&lines)
            );
            let nap = left.min(Duration::from_millis(50));
            let waited = self.seen.more.wait_timeout(lines, nap);
            lines = waited
                .map_err(|_| failed("a thread of the harness panicked"))?
                .0;
        }
        Ok(())
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// If it is gone.
    pub fn signal(&self, signal: Signal) -> Result<(), Failure> {
        let pid = i32::try_from(self.process.0.id())?;
        Ok(kill(Pid::from_raw(pid), signal)?)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// If it takes longer than its limit; it is killed then.
    pub fn finish(mut self) -> Result<Output, Failure> {
        let code = loop {
            if let Some(status) = self.process.0.try_wait()? {
                break status.code();
            }
            if self.began.elapsed() > self.limit {
                let lines = self
                    .seen
                    .lines
                    .lock()
                    .map(|lines| show(&lines))
                    .unwrap_or_default();
                return Err(failed(format!(
                    "it hung for {:?} and was killed:\n{lines}",
                    self.limit
                )));
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let took = self.began.elapsed();
        // A process that it left behind may hold its outputs open for ever; the leak check tells.
        let patience = Instant::now() + Duration::from_secs(1);
        while self
            .followers
            .iter()
            .any(|follower| !follower.is_finished())
            && Instant::now() < patience
        {
            std::thread::sleep(Duration::from_millis(2));
        }
        let status = match self.status_file {
            Some(path) if path.exists() => Some(serde_json::from_slice(&std::fs::read(path)?)?),
            _ => None,
        };
        let lines = self
            .seen
            .lines
            .lock()
            .map(|lines| lines.clone())
            .unwrap_or_default();
        Ok(Output {
            code,
            lines,
            took,
            began_s: self.began_s,
            logs: self.capture.finish(),
            status,
        })
    }
}
