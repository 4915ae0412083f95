//! What did a test leave behind? Processes, mounts, cgroups, network namespaces, files, sockets.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::stage::{OWN_FOLDERS, cgroup_folders};

/// One line of `/proc/self/mountinfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Its id, unique while it exists.
    pub id: String,
    /// Where it stands.
    pub path: PathBuf,
    /// Its options, comma-separated.
    pub options: String,
    /// Its file system's type.
    pub kind: String,
}

/// All mounts of this mount namespace.
///
/// # Errors
/// If `/proc` cannot be read.
pub fn mounts() -> io::Result<Vec<Mount>> {
    let text = std::fs::read_to_string("/proc/self/mountinfo")?;
    Ok(text.lines().filter_map(read_mount).collect())
}

fn read_mount(line: &str) -> Option<Mount> {
    let (front, back) = line.split_once(" - ")?;
    let fields: Vec<&str> = front.split(' ').collect();
    Some(Mount {
        id: (*fields.first()?).to_string(),
        path: PathBuf::from(unescape(fields.get(4)?)),
        options: (*fields.get(5)?).to_string(),
        kind: back.split(' ').next()?.to_string(),
    })
}

fn unescape(text: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(text.to_string(), |text, (code, meant)| {
        text.replace(code, meant)
    })
}

/// Everything that could be left behind, as sentences that name it.
#[derive(Debug, Default)]
pub struct Snapshot(BTreeSet<String>);

impl Snapshot {
    /// Looks at everything now. Files in `own` are the test's.
    ///
    /// # Errors
    /// If `/proc` cannot be read.
    pub fn take(cgroup: &str, own: &Path) -> io::Result<Snapshot> {
        let mut all = BTreeSet::new();
        all.extend(processes()?);
        all.extend(mounts()?.iter().map(|each| {
            format!(
                "mount {} of {} (id {})",
                each.path.display(),
                each.kind,
                each.id
            )
        }));
        all.extend(
            cgroup_folders(cgroup)
                .iter()
                .map(|folder| format!("cgroup {}", folder.display())),
        );
        for folder in OWN_FOLDERS {
            walk(Path::new(folder), own, &mut all);
        }
        all.extend(sockets());
        Ok(Snapshot(all))
    }

    /// What is in this one and was not in the other.
    #[must_use]
    pub fn beyond(&self, before: &Snapshot) -> Vec<String> {
        self.0.difference(&before.0).cloned().collect()
    }
}

/// The processes of this process namespace and the network namespaces that they keep alive.
fn processes() -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.parse::<u32>().is_err() {
            continue;
        }
        let read = |file: &str| std::fs::read_to_string(entry.path().join(file));
        let Ok(stat) = read("stat") else { continue };
        // A zombie is told apart: it is a child that somebody forgot to wait for.
        let state = stat
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.chars().next());
        let zombie = if state == Some('Z') { " (zombie)" } else { "" };
        let command = read("cmdline").unwrap_or_default().replace('\0', " ");
        let kernel_name = read("comm").unwrap_or_default();
        let shown = if command.trim().is_empty() {
            kernel_name.trim()
        } else {
            command.trim()
        };
        found.push(format!("process {name}{zombie} {shown}"));
        if let Ok(network) = std::fs::read_link(entry.path().join("ns/net")) {
            found.push(format!("network namespace {}", network.display()));
        }
    }
    Ok(found)
}

/// A store of images that was used outlives Pods by design, and so do its folders and its locks; what
/// else is in it counts, and so does a store that has never kept a name.
fn is_of_the_store(path: &Path, folder: bool) -> bool {
    let parts: Vec<_> = path.iter().collect();
    let store = path.ancestors().find(|above| above.ends_with("images"));
    let used = |store: &Path| store.join("names.json").exists();
    let above = folder && path.ends_with("outrigger-test/root") && used(&path.join("images"));
    above
        || store.is_some_and(|store| {
            used(store) && (folder || parts.iter().any(|part| *part == "locks"))
        })
}

/// Compiled seccomp profiles are kept for the next Pod by design, until a reboot, and so is the folder above
/// them as long as there are some.
fn is_kept_profile(path: &Path) -> bool {
    let kept = |folder: &Path| std::fs::read_dir(folder).is_ok_and(|mut all| all.next().is_some());
    let hash = |name: &str| name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    // One of several daemons has a name before it.
    let is_state = |folder: &Path| {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let is_ours = folder
            .parent()
            .is_some_and(|above| above.ends_with("outrigger-test"));
        is_ours && (name == "state" || name.ends_with(".state"))
    };
    let of_profiles =
        |folder: &Path| folder.ends_with("seccomp") && folder.parent().is_some_and(is_state);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.parent().is_some_and(of_profiles) && hash(&name)
        || of_profiles(path) && kept(path)
        || is_state(path) && kept(&path.join("seccomp"))
}

fn device(path: &Path) -> Option<u64> {
    path.symlink_metadata().map(|stat| stat.dev()).ok()
}

fn walk(folder: &Path, own: &Path, all: &mut BTreeSet<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path == own {
            continue;
        }
        let folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if folder && device(&path) != device(path.parent().unwrap_or(&path)) {
            continue; // The sources, read-only; mounts of a test are counted as mounts.
        }
        if !is_of_the_store(&path, folder) && !is_kept_profile(&path) {
            all.insert(format!("file {}", path.display()));
        }
        if folder {
            walk(&path, own, all);
        }
    }
}

/// Listening sockets of this network namespace, by protocol and address.
fn sockets() -> Vec<String> {
    const TCP_LISTEN: &str = "0A";
    const UNIX_ACCEPTS: &str = "00010000";
    let mut found = Vec::new();
    for (file, state_column, state) in [
        ("tcp", 3, TCP_LISTEN),
        ("tcp6", 3, TCP_LISTEN),
        ("unix", 3, UNIX_ACCEPTS),
    ] {
        let text = std::fs::read_to_string(format!("/proc/self/net/{file}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if fields.get(state_column) == Some(&state) {
                let address = if file == "unix" {
                    fields.last()
                } else {
                    fields.get(1)
                };
                found.push(format!(
                    "listening socket {file} {}",
                    address.unwrap_or(&"?")
                ));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_read_from_its_line() {
        let line = "36 35 98:0 /mnt1 /with\\040space rw,noatime master:1 - ext3 /dev/root rw";
        let found = read_mount(line).unwrap();
        assert_eq!(found.path, Path::new("/with space"));
        assert_eq!(
            (
                found.id.as_str(),
                found.options.as_str(),
                found.kind.as_str()
            ),
            ("36", "rw,noatime", "ext3")
        );
    }

    #[test]
    fn only_what_is_new_counts_as_left_behind() {
        let before = Snapshot(BTreeSet::from(["a".into(), "b".into()]));
        let after = Snapshot(BTreeSet::from(["b".into(), "c".into()]));
        assert_eq!(after.beyond(&before), ["c"]);
    }
}
