//! How is it a good service? One daemon a root, and the service manager is told how things stand.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use outrigger_api::{Resource, Store};
use rustix::io::Errno;
use sd_notify::NotifyState;
use serde_json::Value;

use crate::lock::{lock_alone, open_lock};

/// The right to be the daemon of a root directory; it ends with the process.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes it.
    ///
    /// # Errors
    /// If another daemon has it.
    pub(crate) fn take(root: &Path) -> Result<Lock, String> {
        let path = root.join("daemon.lock");
        let failed = |error: std::io::Error| format!("lock {}: {error}", path.display());
        let mut file = open_lock(&path, true).map_err(failed)?;
        match lock_alone(&file) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut pid = String::new();
                file.read_to_string(&mut pid).map_err(failed)?;
                return Err(format!(
                    "another outrigger daemon works in {} (process {}); stop it, or choose another --root. \
                     If there is none, `fuser {}` names who has its lock",
                    root.display(),
                    pid.trim(),
                    path.display()
                ));
            }
            Err(errno) => return Err(failed(errno.into())),
        }
        let pid = format!("{}\n", std::process::id());
        // Over what is there, whose blocks a full disk has already.
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.write_all(pid.as_bytes()))
            .and_then(|()| file.set_len(pid.len() as u64))
            .map_err(failed)?;
        Ok(Lock { _file: file })
    }
}

/// The word with the service manager. Without one everything is said to nobody.
pub(crate) struct Service {
    /// How often it wants to hear of us.
    watchdog: Option<Duration>,
}

impl Service {
    /// Says that the daemon is up.
    pub(crate) fn ready(listen: &SocketAddr) -> Service {
        tracing::info!(%listen, "ready");
        let status = format!("ready; the API listens on {listen}");
        tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
        Service {
            watchdog: sd_notify::watchdog_enabled(),
        }
    }

    /// Says that the daemon is about to end.
    pub(crate) fn stopping() {
        tracing::info!("stopping; pods go on running");
        tell(&[
            NotifyState::Stopping,
            NotifyState::Status("stopping; pods go on running"),
        ]);
    }

    /// Says again and again that the daemon lives, if somebody wants to know. It runs on the loop's own
    /// thread, so that silence means that the loop does not turn.
    pub(crate) async fn keep_alive(self, store: Store) {
        let Some(watchdog) = self.watchdog else {
            return std::future::pending().await;
        };
        loop {
            let pods = store.list(Resource::Pods, None).items;
            let running = pods
                .iter()
                .filter(|pod| pod.object["status"]["phase"] == "Running");
            let mut status = format!("{} pods, {} of them running", pods.len(), running.count());
            let silent = pods.iter().filter(|pod| is_silent(&pod.object)).count();
            if silent > 0 {
                status.push_str(&format!("; the shims of {silent} do not answer"));
            }
            tell(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
            tokio::time::sleep(watchdog / 2).await;
        }
    }
}

/// Whether nobody can tell how a Pod is, as its shim does not answer.
fn is_silent(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|one| one["type"] == "Ready" && one["reason"] == "ShimUnresponsive")
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("tell the service manager: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_root_has_one_daemon_and_the_second_is_told_who_it_is() {
        let scratch = Scratch::new();
        let lock = Lock::take(&scratch.path).unwrap();
        let refused = Lock::take(&scratch.path).err().unwrap();
        assert!(
            refused.contains(&format!("(process {})", std::process::id())),
            "{refused}"
        );
        drop(lock);
        assert!(Lock::take(&scratch.path).is_ok());
    }
}
