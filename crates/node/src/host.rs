//! What is this machine? Asked once.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use outrigger_bundle::{CgroupMode, DeviceKind, HostDevice, HostFacts};

/// How deep below `/dev` devices are looked for.
const DEVICE_DEPTH: usize = 4;

/// The facts.
pub(crate) fn facts() -> Result<HostFacts, String> {
    let read =
        |path: &str| fs::read_to_string(path).map_err(|error| format!("read {path}: {error}"));
    let cpus = std::thread::available_parallelism()
        .map_or(1, |count| u32::try_from(count.get()).unwrap_or(1));
    let mountinfo = read("/proc/self/mountinfo")?;
    let controllers = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    Ok(HostFacts {
        memory_bytes: memory_bytes(&read("/proc/meminfo")?)
            .ok_or("/proc/meminfo does not tell MemTotal")?,
        cpus,
        cgroup: cgroup_mode(&mountinfo),
        // Sizes that no cgroup can limit are none that Pods can be given or denied.
        huge_page_sizes_bytes: if limits_huge_pages(&mountinfo, &controllers) {
            huge_page_sizes()
        } else {
            Vec::new()
        },
        capabilities: capabilities(&read("/proc/self/status")?),
        devices: devices(),
        thermal_throttle: thermal_throttle(),
    })
}

fn memory_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace()
        .next()?
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

/// The file system types of cgroup mounts: they stand after the ` - ` of a line.
fn cgroup_mode(mountinfo: &str) -> CgroupMode {
    let types = mountinfo
        .lines()
        .filter_map(|line| line.split_once(" - ")?.1.split(' ').next());
    let (mut v1, mut v2) = (false, false);
    for kind in types {
        v1 |= kind == "cgroup";
        v2 |= kind == "cgroup2";
    }
    match (v1, v2) {
        (true, true) => CgroupMode::Hybrid,
        (true, false) => CgroupMode::V1,
        (false, _) => CgroupMode::V2,
    }
}

/// Whether a v1 hierarchy, or the v2 tree by its list of controllers, limits huge pages.
fn limits_huge_pages(mountinfo: &str, controllers: &str) -> bool {
    let v1 = mountinfo
        .lines()
        .filter_map(|line| line.split_once(" - cgroup "))
        .any(|(_, rest)| rest.split([' ', ',']).any(|option| option == "hugetlb"));
    v1 || controllers
        .split_whitespace()
        .any(|controller| controller == "hugetlb")
}

fn huge_page_sizes() -> Vec<u64> {
    let entries = fs::read_dir("/sys/kernel/mm/hugepages")
        .into_iter()
        .flatten()
        .flatten();
    let sizes = entries.filter_map(|entry| {
        let name = entry.file_name();
        let kib: u64 = name
            .to_str()?
            .strip_prefix("hugepages-")?
            .strip_suffix("kB")?
            .parse()
            .ok()?;
        kib.checked_mul(1024)
    });
    let mut sizes: Vec<u64> = sizes.collect();
    sizes.sort_unstable();
    sizes
}

/// All capabilities by their numbers.
const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

fn capabilities(status: &str) -> Vec<String> {
    let bounding = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    let bits = bounding
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0);
    let names = CAPABILITIES.iter().enumerate();
    names
        .filter(|(number, _)| bits >> number & 1 == 1)
        .map(|(_, name)| format!("CAP_{name}"))
        .collect()
}

/// The device nodes of `/dev`, for privileged containers. Terminals and shared memory are each
/// container's own.
fn devices() -> Vec<HostDevice> {
    let mut found = Vec::new();
    let mut folders = vec![(PathBuf::from("/dev"), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name();
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            let own = matches!(
                name.to_str(),
                Some("pts" | "shm" | "fd" | "mqueue" | "console" | "ptmx" | ".lxc")
            );
            if own {
                continue;
            }
            if kind.is_dir() && depth < DEVICE_DEPTH {
                folders.push((path, depth + 1));
            } else if kind.is_char_device() || kind.is_block_device() {
                found.extend(device(&path));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn device(path: &Path) -> Option<HostDevice> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let number = metadata.rdev();
    Some(HostDevice {
        path: path.to_owned(),
        kind: if metadata.file_type().is_block_device() {
            DeviceKind::Block
        } else {
            DeviceKind::Character
        },
        major: i64::from(rustix::fs::major(number)),
        minor: i64::from(rustix::fs::minor(number)),
        mode: metadata.mode() & 0o777,
        uid: metadata.uid(),
        gid: metadata.gid(),
    })
}

fn thermal_throttle() -> Vec<PathBuf> {
    let cpus = fs::read_dir("/sys/devices/system/cpu")
        .into_iter()
        .flatten()
        .flatten();
    let mut paths: Vec<PathBuf> = cpus
        .map(|cpu| cpu.path().join("thermal_throttle"))
        .filter(|path| path.exists())
        .collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cgroup_mode_is_read_from_the_types_of_mounts() {
        let v1 = "30 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory";
        let v2 = "31 25 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw";
        assert_eq!(cgroup_mode(v2), CgroupMode::V2);
        assert_eq!(cgroup_mode(v1), CgroupMode::V1);
        assert_eq!(cgroup_mode(&format!("{v1}\n{v2}")), CgroupMode::Hybrid);
    }

    #[test]
    fn huge_pages_count_only_where_a_cgroup_can_limit_them() {
        let v1 = "30 25 0:26 / /sys/fs/cgroup/hugetlb rw,relatime - cgroup cgroup rw,hugetlb";
        assert!(limits_huge_pages(v1, ""));
        assert!(limits_huge_pages("", "cpu hugetlb"));
        assert!(!limits_huge_pages(
            "30 25 0:26 / /sys/fs/cgroup/hugetlb rw - cgroup cgroup rw,memory",
            "cpu"
        ));
    }

    #[test]
    fn memory_and_capabilities_are_read_as_the_kernel_writes_them() {
        assert_eq!(
            memory_bytes("MemTotal:       1024 kB\nMemFree: 1 kB\n"),
            Some(1 << 20)
        );
        assert_eq!(
            capabilities("CapBnd:\t0000000000000021\n"),
            ["CAP_CHOWN", "CAP_KILL"]
        );
    }
}
