//! How is this machine just now?

use std::fs;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::Path;

/// The kubelet's eviction thresholds: below these there is pressure.
const MEMORY_MIN_BYTES: u64 = 100 << 20;
const DISK_MIN_PERCENT: u64 = 10;
const INODES_MIN_PERCENT: u64 = 5;
const THREADS_MAX_PERCENT: u64 = 95;

/// One condition of the Node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    /// Its type.
    pub(super) kind: &'static str,
    /// Whether it holds.
    pub(super) holds: bool,
    /// The kubelet's reason.
    pub(super) reason: &'static str,
    /// For people.
    pub(super) message: &'static str,
}

/// What was seen. A number that cannot be read is 0, and then no pressure is seen there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) cpus: usize,
    pub(super) memory_bytes: u64,
    pub(super) available_bytes: u64,
    pub(super) disk_bytes: u64,
    pub(super) disk_free_bytes: u64,
    pub(super) inodes_free_percent: u64,
    pub(super) threads: u64,
    pub(super) threads_max: u64,
    pub(super) kernel: String,
    pub(super) os: String,
    pub(super) id: String,
    pub(super) boot_id: String,
    pub(super) address: Option<IpAddr>,
}

impl Machine {
    /// Looks at the machine and at the disk below `root`.
    pub(super) fn look(root: &Path) -> Machine {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let meminfo = read("/proc/meminfo");
        let disk = rustix::fs::statvfs(root).ok();
        let percent =
            |part: u64, all: u64| part.saturating_mul(100).checked_div(all).unwrap_or(100);
        Machine {
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: meminfo_bytes(&meminfo, "MemTotal:"),
            available_bytes: meminfo_bytes(&meminfo, "MemAvailable:"),
            disk_bytes: disk
                .as_ref()
                .map_or(0, |disk| disk.f_blocks * disk.f_frsize),
            disk_free_bytes: disk
                .as_ref()
                .map_or(0, |disk| disk.f_bavail * disk.f_frsize),
            inodes_free_percent: disk
                .as_ref()
                .map_or(100, |disk| percent(disk.f_favail, disk.f_files)),
            threads: threads(&read("/proc/loadavg")),
            threads_max: read("/proc/sys/kernel/pid_max").trim().parse().unwrap_or(0),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            os: os_name(&read("/etc/os-release")),
            id: read("/etc/machine-id").trim().to_owned(),
            boot_id: read("/proc/sys/kernel/random/boot_id").trim().to_owned(),
            address: address(),
        }
    }

    /// The Node's conditions, in the kubelet's words.
    pub(super) fn conditions(&self) -> [Condition; 4] {
        let memory = self.memory_bytes > 0 && self.available_bytes < MEMORY_MIN_BYTES;
        let free_percent = (self.disk_free_bytes * 100).checked_div(self.disk_bytes);
        let disk = free_percent.is_some_and(|percent| percent < DISK_MIN_PERCENT)
            || self.inodes_free_percent < INODES_MIN_PERCENT;
        let pids =
            self.threads_max > 0 && self.threads * 100 > self.threads_max * THREADS_MAX_PERCENT;
        let pressure =
            |kind, holds, [yes, no]: [&'static str; 2], [bad, good]: [&'static str; 2]| Condition {
                kind,
                holds,
                reason: if holds { yes } else { no },
                message: if holds { bad } else { good },
            };
        [
            pressure(
                "MemoryPressure",
                memory,
                ["KubeletHasInsufficientMemory", "KubeletHasSufficientMemory"],
                [
                    "kubelet has insufficient memory available",
                    "kubelet has sufficient memory available",
                ],
            ),
            pressure(
                "DiskPressure",
                disk,
                ["KubeletHasDiskPressure", "KubeletHasNoDiskPressure"],
                ["kubelet has disk pressure", "kubelet has no disk pressure"],
            ),
            pressure(
                "PIDPressure",
                pids,
                ["KubeletHasInsufficientPID", "KubeletHasSufficientPID"],
                [
                    "kubelet has insufficient PID available",
                    "kubelet has sufficient PID available",
                ],
            ),
            Condition {
                kind: "Ready",
                holds: true,
                reason: "KubeletReady",
                message: "outrigger runs and takes Pods",
            },
        ]
    }
}

/// The architecture as Go and so Kubernetes calls it.
pub(super) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn meminfo_bytes(meminfo: &str, name: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0).saturating_mul(1024)
}

/// The second number of `0.20 0.18 0.12 1/80 11206` before its last is how many threads there are.
fn threads(loadavg: &str) -> u64 {
    let field = loadavg.split_whitespace().nth(3);
    let threads = field.and_then(|field| field.split_once('/')?.1.parse().ok());
    threads.unwrap_or(0)
}

fn os_name(os_release: &str) -> String {
    let name = os_release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("Linux").trim_matches('"').to_owned()
}

/// The address that packets to the outside leave from. A datagram socket that is connected sends
/// nothing: the kernel only looks the route up.
fn address() -> Option<IpAddr> {
    /// One of a network that exists in examples only.
    const OUTSIDE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((OUTSIDE, 9)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_kernel_writes_them() {
        assert_eq!(threads("0.20 0.18 0.12 1/80 11206\n"), 80);
        assert_eq!(
            meminfo_bytes("MemTotal: 4 kB\nMemAvailable:  3 kB\n", "MemAvailable:"),
            3072
        );
        assert_eq!(
            os_name("ID=x\nPRETTY_NAME=\"Some Linux 1\"\n"),
            "Some Linux 1"
        );
    }

    #[test]
    fn a_machine_that_cannot_be_read_is_under_no_pressure() {
        let conditions = Machine {
            inodes_free_percent: 100,
            ..Machine::default()
        }
        .conditions();
        let holding: Vec<&str> = conditions
            .iter()
            .filter(|one| one.holds)
            .map(|one| one.kind)
            .collect();
        assert_eq!(holding, ["Ready"]);
    }
}
