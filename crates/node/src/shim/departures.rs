//! When is a shim gone that has released its Pod? A little after it has said so: the kernel still takes its
//! namespaces apart. Nobody waits for that but a node that ends itself, which leaves nothing half gone.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::awaited::readable;
use crate::shim::Home;

/// How long a shim may take to go. Then its group is left to the next daemon.
const GOES_WITHIN: Duration = Duration::from_secs(10);

/// The shims that are about to go.
#[derive(Debug, Default)]
pub(crate) struct Departures(Mutex<JoinSet<()>>);

impl Departures {
    /// Keeps in mind that a shim goes, and removes the shims' home behind it if it was the last one there;
    /// `shim` is its process, if it was still there to be asked.
    pub(crate) fn see_off(&self, shim: Option<OwnedFd>, home: Option<&Home>) {
        let home = home.cloned();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while all.try_join_next().is_some() {}
        all.spawn(async move {
            if let Some(shim) = shim {
                tokio::time::timeout(GOES_WITHIN, ended(shim)).await.ok();
            }
            if let Some(home) = home {
                // The group that is left by one that broke off is found again by the next.
                tokio::task::spawn_blocking(move || home.tidy()).await.ok();
            }
        });
    }

    /// Waits until all of them are gone.
    pub(crate) async fn seen_off(&self) {
        let mut all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        while all.join_next().await.is_some() {}
    }
}

/// Waits for the end of a process; a descriptor that cannot be watched is taken for one that has ended.
async fn ended(process: OwnedFd) {
    if let Ok(process) = readable(process) {
        process.readable().await.ok();
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::*;
    use crate::scratch::Scratch;

    #[tokio::test]
    async fn the_home_stays_until_the_shim_has_ended() {
        let scratch = Scratch::new();
        let home = Home::below(scratch.path.clone(), "a");
        drop(home.claim().unwrap());
        let mut shim = Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let process = pidfd_open(Pid::from_child(&shim), PidfdFlags::empty()).unwrap();
        let departures = Departures::default();
        departures.see_off(Some(process), Some(&home));
        tokio::task::yield_now().await;
        assert!(home.directory().exists());
        drop(shim.stdin.take());
        departures.seen_off().await;
        assert!(!home.directory().exists());
        shim.wait().unwrap();
    }
}
