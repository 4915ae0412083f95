//! How does a shim's process come to be, and who waits for it?

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::AsyncReadExt;
use tokio::process::Command;

use crate::directories::PodDirectories;
use crate::shim::SpawnError;

/// What is executed to get a shim: a program and its first arguments.
#[derive(Debug, Clone)]
pub struct Program {
    /// The file.
    pub path: PathBuf,
    /// Its first arguments.
    pub args: Vec<OsString>,
}

impl Program {
    /// This program itself, in its role as a shim.
    #[must_use]
    pub fn this() -> Program {
        Program {
            path: PathBuf::from("/proc/self/exe"),
            args: vec![OsString::from("shim")],
        }
    }
}

/// Starts a shim and waits until its socket can be connected to. Nothing is forked: without a
/// `pre_exec` the standard library spawns, whatever this process' size.
pub(super) async fn spawn(program: &Program, dirs: &PodDirectories) -> Result<(), SpawnError> {
    let failed = |error| SpawnError::Start {
        program: program.path.clone(),
        error,
    };
    let errors = std::fs::File::create(dirs.shim_errors()).map_err(failed)?;
    let mut child = Command::new(&program.path)
        .args(&program.args)
        .arg("--socket")
        .arg(dirs.socket())
        .arg("--ledger")
        .arg(dirs.ledger())
        .env_clear()
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
    let came_up = matches!(ready.read(&mut byte).await, Ok(1));
    if came_up {
        // The shim outlives whoever waits for it; this task only keeps it from staying a zombie.
        tokio::spawn(async move { child.wait().await.ok() });
        return Ok(());
    }
    let status = child.wait().await.map_err(failed)?;
    let said = std::fs::read_to_string(dirs.shim_errors()).unwrap_or_default();
    let said = said.trim();
    Err(SpawnError::Ended(if said.is_empty() {
        status.to_string()
    } else {
        said.to_owned()
    }))
}
