//! Where does a test's Pod live? In a mount namespace in which everything is read-only but a tmpfs
//! of its own, and in a cgroup of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicU32, Ordering};

use outrigger_sys::mount::{Change, Propagation, attr, set_attributes};
use outrigger_sys::namespace::unshare;
use outrigger_wire::{
    Lease, LogFile, PodCgroup, Prepare, Reply, Request, RootFs, SharedNamespaces, Start, Stdio,
};
use rustix::fs::CWD;
use rustix::mount::MountFlags;
use serde_json::json;

use super::client::{Client, program, spawn};

/// A tmpfs in the test's own mount namespace covers it.
pub(crate) const ROOM: &str = "/media";

/// Tells why a test does not run; CI turns that into a failure.
pub(crate) fn may_run() -> bool {
    if rustix::process::geteuid().is_root() {
        return true;
    }
    eprintln!("SKIPPED: root is needed to make namespaces");
    assert!(
        std::env::var_os("OUTRIGGER_SKIPS_FAIL").is_none(),
        "skipped"
    );
    false
}

/// A shim with its Pod.
pub(crate) struct Pod {
    pub(crate) shim: Child,
    pub(crate) state: PathBuf,
    pub(crate) cgroup: String,
}

impl Pod {
    /// A shim without a Pod, in a room of its own for the calling thread.
    pub(crate) fn new() -> Pod {
        Pod::with_program(&program())
    }

    /// The same with another program.
    pub(crate) fn with_program(program: &Path) -> Pod {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        enter_room();
        let state = Path::new(ROOM).join("state");
        fs::create_dir(&state).unwrap();
        fs::set_permissions(&state, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let shim = spawn(program, &state);
        Pod {
            shim,
            state,
            cgroup: format!("/outrigger-dev-shim-{}-{number}/pod", std::process::id()),
        }
    }

    /// Greets and prepares.
    pub(crate) fn prepare(&self, lease: Lease) -> Client {
        self.prepare_as(lease, |_| {})
    }

    /// The same with changes.
    pub(crate) fn prepare_as(&self, lease: Lease, change: impl FnOnce(&mut Prepare)) -> Client {
        let (mut client, prepared) = Client::hello(&self.state, 0);
        assert!(!prepared);
        let mut prepare = self.request(lease);
        change(&mut prepare);
        client.ask(Request::Prepare(Box::new(prepare)));
        client
    }

    /// What it is prepared with.
    pub(crate) fn request(&self, lease: Lease) -> Prepare {
        Prepare {
            hostname: Some("a-pod".to_owned()),
            namespaces: SharedNamespaces {
                net: true,
                ipc: true,
                uts: true,
                pid: false,
            },
            cgroup: PodCgroup {
                path: self.cgroup.clone(),
                resources: json!({}),
            },
            tmpfs: Vec::new(),
            sysctls: Vec::new(),
            lease,
            lent: None,
            filters: None,
        }
    }

    /// A container of this command.
    pub(crate) fn container(&self, id: &str, args: &[&str]) -> Start {
        let bundle = Path::new(ROOM).join(id);
        fs::create_dir_all(bundle.join("rootfs")).unwrap();
        fs::create_dir_all(bundle.join("writable")).unwrap();
        let namespaces = json!([{"type": "pid"}, {"type": "mount"}, {"type": "cgroup"}]);
        self.configure(id, args, &namespaces);
        let log = LogFile {
            path: bundle.join("0.log"),
            max_bytes: 10 << 20,
            max_files: 3,
        };
        let rootfs = RootFs {
            lower: vec!["/".into()],
            writable: bundle.join("writable"),
        };
        Start {
            container: id.to_owned(),
            bundle,
            rootfs,
            log,
            stdio: Stdio::default(),
            join_pid_of: None,
            message: None,
        }
    }

    /// Writes a container's configuration with these namespaces.
    pub(crate) fn configure(&self, id: &str, args: &[&str], namespaces: &serde_json::Value) {
        let mut config = self.config(id, args);
        config["linux"]["namespaces"] = namespaces.clone();
        fs::write(
            Path::new(ROOM).join(id).join("config.json"),
            config.to_string(),
        )
        .unwrap();
    }

    /// Starts a container with a changed configuration.
    pub(crate) fn start_as(
        &self,
        client: &mut Client,
        id: &str,
        args: &[&str],
        change: impl FnOnce(&mut serde_json::Value),
    ) {
        let start = self.changed(id, args, change);
        client.ask(Request::Start(Box::new(start)));
    }

    /// A container of this command with a changed configuration.
    pub(crate) fn changed(
        &self,
        id: &str,
        args: &[&str],
        change: impl FnOnce(&mut serde_json::Value),
    ) -> Start {
        let start = self.container(id, args);
        let path = start.bundle.join("config.json");
        let mut config = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut config);
        fs::write(&path, config.to_string()).unwrap();
        start
    }

    /// Starts a container and gives its process id.
    pub(crate) fn start(&self, client: &mut Client, id: &str, args: &[&str]) -> u32 {
        let start = self.container(id, args);
        match client.ask(Request::Start(Box::new(start))) {
            Reply::Started { pid, .. } => pid,
            other => panic!("{other:?}"),
        }
    }

    /// A container's log.
    pub(crate) fn log(&self, id: &str) -> String {
        fs::read_to_string(Path::new(ROOM).join(id).join("0.log")).unwrap()
    }

    /// The directories of the Pod's cgroup in all trees, and the processes in them.
    pub(crate) fn cgroup_state(&self) -> (Vec<PathBuf>, Vec<u32>) {
        let top = self
            .cgroup
            .trim_start_matches('/')
            .split('/')
            .next()
            .unwrap();
        let mut folders = Vec::new();
        let trees = fs::read_dir("/sys/fs/cgroup")
            .unwrap()
            .map(|tree| tree.unwrap().path());
        for tree in trees.chain([PathBuf::from("/sys/fs/cgroup")]) {
            collect(&tree.join(top), &mut folders);
        }
        let text = folders
            .iter()
            .filter_map(|folder| fs::read_to_string(folder.join("cgroup.procs")).ok());
        let text = text.collect::<String>();
        let mut processes: Vec<u32> = text.lines().map(|line| line.parse().unwrap()).collect();
        processes.sort_unstable();
        processes.dedup();
        (folders, processes)
    }

    /// Releases everything, and sees that everything is gone.
    pub(crate) fn release(mut self, client: &mut Client) {
        match client.ask(Request::Release) {
            Reply::Released { leftovers } => assert!(leftovers.is_empty(), "{leftovers:?}"),
            other => panic!("{other:?}"),
        }
        self.is_gone();
    }

    /// Waits for the shim's end, and sees that nothing is left.
    pub(crate) fn is_gone(&mut self) {
        assert_eq!(self.shim.wait().unwrap().code(), Some(0));
        assert_eq!(self.cgroup_state(), (Vec::new(), Vec::new()));
        assert!(!self.state.join("shim.sock").exists());
    }

    fn config(&self, id: &str, args: &[&str]) -> serde_json::Value {
        let capabilities = ["CAP_CHOWN", "CAP_KILL"];
        let mount = |to: &str, kind: &str, options: &[&str]| json!({"destination": to, "type": kind, "source": kind, "options": options});
        json!({
            "ociVersion": "1.0.2",
            "process": {
                "terminal": false, "cwd": "/", "args": args, "user": {"uid": 0, "gid": 0},
                "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
                "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
                "noNewPrivileges": true
            },
            "root": {"path": "rootfs"},
            "mounts": [
                mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
                mount("/dev", "tmpfs", &["nosuid", "mode=755", "size=65536k"])
            ],
            "linux": {
                "cgroupsPath": format!("{}/{id}", self.cgroup),
                "resources": {}
            }
        })
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        // A failed test must leave nothing that runs.
        let _ = self.shim.kill();
        let _ = self.shim.wait();
        for folder in self.cgroup_state().0.iter().rev() {
            let gone = || fs::remove_dir(folder).is_ok() || !folder.exists();
            // Killed processes leave their cgroup a little later.
            (0..200).any(|_| {
                gone() || {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                    false
                }
            });
        }
    }
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    found.push(folder.to_owned());
    for entry in entries
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().unwrap().is_dir())
    {
        collect(&entry.path(), found);
    }
}

/// A mount namespace for this thread in which only a tmpfs, cgroups and `/proc` can be written.
fn enter_room() {
    unshare(outrigger_sys::clone::Namespaces::MOUNT).unwrap();
    let change = Change {
        propagation: Some(Propagation::Private),
        set: attr::RDONLY,
        clear: 0,
    };
    set_attributes(CWD, c"/", change, true).unwrap();
    let again = Change {
        clear: attr::RDONLY,
        ..Change::default()
    };
    set_attributes(CWD, c"/proc", again, false).unwrap();
    set_attributes(CWD, c"/sys/fs/cgroup", again, true).unwrap();
    rustix::mount::mount("outrigger-test", ROOM, "tmpfs", MountFlags::empty(), None).unwrap();
}
