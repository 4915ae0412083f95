//! How does a shim's process come to be, and who waits for it?

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

use crate::directories::PodDirectories;
use crate::shim::{Home, SpawnError};

/// What is executed to get a shim: a program and its first arguments.
#[derive(Debug, Clone)]
pub struct Program {
    /// The file.
    pub path: PathBuf,
    /// Its first arguments.
    pub args: Vec<OsString>,
    /// Where shims stand that outlive who starts them.
    pub(crate) home: Option<Home>,
}

impl Program {
    /// This program itself, in its role as a shim.
    #[must_use]
    pub fn this() -> Program {
        Program {
            path: PathBuf::from("/proc/self/exe"),
            args: vec![OsString::from("shim")],
            home: None,
        }
    }
}

/// How long a process that was killed is waited for.
const GOES_WITHIN: Duration = Duration::from_secs(2);

/// Starts a shim and waits until its socket can be connected to. Nothing is forked: without a
/// `pre_exec` the standard library spawns, whatever this process' size. One that is not ready within
/// that time is killed.
pub(super) async fn spawn(
    program: &Program,
    dirs: &PodDirectories,
    within: Duration,
) -> Result<(), SpawnError> {
    let failed = |error| SpawnError::Start {
        program: program.path.clone(),
        error,
    };
    let errors = crate::directories::create(&dirs.shim_errors()).map_err(failed)?;
    let mut command = Command::new(&program.path);
    command.args(&program.args);
    let _claim = program.home.as_ref().and_then(|home| {
        let claim = home.claim().inspect_err(|error| {
            let directory = home.directory().display();
            tracing::warn!(%directory, %error, "cannot be made: a shim stands in the daemon's own cgroup");
        });
        command.arg("--home").arg(home.directory());
        claim.ok()
    });
    command.arg("--socket").arg(dirs.socket());
    command.arg("--ledger").arg(dirs.ledger());
    let mut child = command
        .env_clear()
        // Its allocator would keep a few pieces of each size for itself, and with each a page.
        .env("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors)
        .spawn()
        .map_err(failed)?;
    let Some(mut ready) = child.stdout.take() else {
        return Err(failed(std::io::Error::other(
            "its readiness pipe is missing",
        )));
    };
    let mut byte = [0; 1];
    let Ok(read) = tokio::time::timeout(within, ready.read(&mut byte)).await else {
        return Err(give_up(child, within).await);
    };
    if matches!(read, Ok(1)) {
        // The shim outlives whoever waits for it; this task only keeps it from staying a zombie.
        tokio::spawn(async move { child.wait().await.ok() });
        return Ok(());
    }
    // Without its readiness pipe it is on its way out, or never will be.
    let Ok(status) = tokio::time::timeout(within, child.wait()).await else {
        return Err(give_up(child, within).await);
    };
    let status = status.map_err(failed)?;
    let said = std::fs::read_to_string(dirs.shim_errors()).unwrap_or_default();
    let said = said.trim();
    Err(SpawnError::Ended(if said.is_empty() {
        status.to_string()
    } else {
        said.to_owned()
    }))
}

/// Kills a process of ours that took too long.
async fn give_up(mut child: Child, within: Duration) -> SpawnError {
    let pid = child.id().unwrap_or(0);
    // It has not been waited for, so the number is still its own.
    let killed = child.start_kill();
    if tokio::time::timeout(GOES_WITHIN, child.wait())
        .await
        .is_err()
    {
        tokio::spawn(async move { child.wait().await.ok() });
    }
    SpawnError::Late {
        pid,
        within_s: within.as_secs(),
        and: killed.err().map_or_else(
            || "was killed".to_owned(),
            |error| format!("could not be killed: {error}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[tokio::test]
    async fn a_shim_that_is_never_ready_is_given_up_and_killed() {
        let scratch = Scratch::new();
        let dirs = PodDirectories {
            state: scratch.path.clone(),
            root: scratch.path.join("root"),
            logs: scratch.path.join("logs"),
        };
        // The second one closes its readiness pipe and stays all the same.
        for script in ["exec sleep 1000", "exec sleep 1000 >&-"] {
            let program = Program {
                path: PathBuf::from("/bin/sh"),
                args: vec!["-c".into(), script.into()],
                home: None,
            };
            let spawned = spawn(&program, &dirs, Duration::from_millis(200)).await;
            let Err(SpawnError::Late { pid, and, .. }) = spawned else {
                panic!("{script}: {spawned:?}");
            };
            assert_eq!(and, "was killed");
            assert!(pid > 0 && !PathBuf::from(format!("/proc/{pid}")).exists());
        }
    }
}
