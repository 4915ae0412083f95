//! Where does a test make its groups, and how does it wait for them?

use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use oci_spec::runtime::LinuxResources;
use outrigger_runtime::cgroup::{Cgroup, CgroupError, Layout, Level, Mode};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A place of its own for one test, gone when the test is over, or the test fails.
pub(crate) struct Place {
    pub(crate) layout: Layout,
    pub(crate) top: String,
}

impl Place {
    pub(crate) fn new() -> Option<Place> {
        Place::with(|_| true)
    }

    /// A place in the trees whose line of the mount table passes.
    pub(crate) fn with(keep: impl Fn(&str) -> bool) -> Option<Place> {
        if !rustix::process::geteuid().is_root() {
            let reason = "SKIPPED: control groups are root's to make";
            assert!(
                std::env::var_os("OUTRIGGER_SKIPS_FAIL").is_none(),
                "{reason}"
            );
            eprintln!("{reason}");
            return None;
        }
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let table: String = table
            .lines()
            .filter(|line| keep(line))
            .map(|line| format!("{line}\n"))
            .collect();
        let Ok(layout) = Layout::from_mountinfo(&table) else {
            eprintln!(
                "NOT APPLICABLE: this machine has no trees of the kind that the test is about"
            );
            return None;
        };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Some(Place {
            layout,
            top: format!("/outrigger-dev-cg-{}-{number}", std::process::id()),
        })
    }

    pub(crate) fn create(
        &self,
        below: &str,
        json: &str,
        level: Level,
    ) -> Result<Cgroup, CgroupError> {
        let resources: LinuxResources = serde_json::from_str(json).unwrap();
        self.layout
            .create(&format!("{}{below}", self.top), &resources, level)
    }

    pub(crate) fn directories(&self) -> Vec<PathBuf> {
        let mounts = self
            .layout
            .unified_mount()
            .into_iter()
            .chain(self.layout.v1_mounts());
        mounts
            .map(|mount| mount.join(self.top.trim_start_matches('/')))
            .filter(|path| path.exists())
            .collect()
    }

    /// The text of a file that is in exactly one of the trees.
    pub(crate) fn read(&self, below: &str, file: &str) -> Option<String> {
        let mut paths = self
            .directories()
            .into_iter()
            .map(|path| path.join(below.trim_start_matches('/')).join(file));
        let path = paths.find(|path| path.exists())?;
        Some(fs::read_to_string(path).unwrap().trim().to_owned())
    }

    pub(crate) fn v2(&self) -> bool {
        self.layout.mode() == Mode::V2
    }
}

/// A child that has joined a group by v1's way, which v2 knows too.
pub(crate) fn inside(group: &Cgroup, script: &str) -> Child {
    let join = group.join().unwrap();
    let mut line = String::new();
    for procs in &join.procs {
        line.push_str(&format!(
            "echo $$ > /proc/{}/fd/{}; ",
            std::process::id(),
            procs.as_raw_fd()
        ));
    }
    if let Some(unified) = &join.unified {
        let directory = format!("/proc/{}/fd/{}", std::process::id(), unified.as_raw_fd());
        line.push_str(&format!("echo $$ > {directory}/cgroup.procs; "));
    }
    let mut child = Command::new("/bin/sh")
        .args(["-c", &format!("{line} echo joined; {script}")])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0_u8; 7];
    rustix::io::read(child.stdout.as_mut().unwrap().as_fd(), &mut said).unwrap();
    assert_eq!(&said, b"joined\n");
    child
}

pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{what} did not come to pass"
        );
        std::thread::yield_now();
    }
}

/// Clears up after a test that failed. One that passed has left nothing.
impl Drop for Place {
    fn drop(&mut self) {
        if let Ok(top) = self.layout.open(&self.top, Level::Pod) {
            let ended = top.kill_all().map_err(|error| error.to_string());
            let removed = ended.and_then(|()| top.remove().map_err(|error| error.to_string()));
            eprintln!("clearing up {}: {removed:?}", self.top);
        }
    }
}

/// Removes the group that holds a test's groups, through a Pod that comes and goes.
pub(crate) fn remove_top(place: &Place) {
    for below in ["/b/pod1", "/gone"] {
        place
            .create(below, "{}", Level::Pod)
            .unwrap()
            .remove()
            .unwrap();
    }
}
