//! How is the real `outrigger` driven as root without being able to hurt the machine?
//!
//! Each test runs in a process of its own, inside new mount, network, process and IPC namespaces
//! in which everything but a few tmpfs's is read-only ([`stage`]). It gets a [`World`]: folders,
//! a cgroup subtree and the means to start the binary ([`Launch`]). When the test is over, what
//! is left of it is compared with what was there before ([`leaks`]); anything left fails the test.
//!
//! Test binaries have `harness = false` and call [`run`] from `main`: threads would forbid the
//! change of namespaces, and a test must not be able to see another one's processes.

mod capture;
pub mod cast;
pub mod chance;
pub mod daemon;
pub mod expect;
pub mod hanging;
mod launch;
pub mod leaks;
pub mod life;
pub mod loops;
mod output;
pub mod records;
pub mod replay;
mod runner;
pub mod stage;
pub mod status;
pub mod stories;
pub mod told;
mod verdict;
mod world;

pub use capture::LogLine;
pub use launch::{Launch, Running};
pub use output::{Line, Output, Source};
pub use runner::{Test, run};
pub use verdict::{Failure, Verdict, failed};
pub use world::{World, pod_of};

use std::path::PathBuf;
use std::time::Duration;

/// The folder of this repository, from which manifests are read.
#[must_use]
pub fn repository() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

/// How much slower than the reference machine this one is, by `OUTRIGGER_TIME_SCALE`: upper
/// bounds are stretched by it, lower ones never.
#[must_use]
pub fn time_scale() -> f64 {
    std::env::var("OUTRIGGER_TIME_SCALE")
        .ok()
        .and_then(|text| text.parse().ok())
        .filter(|scale: &f64| *scale >= 1.0)
        .unwrap_or(1.0)
}

/// An upper bound in seconds, stretched by [`time_scale`].
#[must_use]
pub fn at_most_s(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds * time_scale())
}
