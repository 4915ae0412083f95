//! Which fields of the specification are not carried out yet? A container that asks for one is
//! refused, because one that runs with less protection than asked is worse than none.

use oci_spec::runtime::{Linux, Process, Spec};

/// The first field that cannot be carried out, as its path in `config.json`.
pub(crate) fn unsupported(spec: &Spec) -> Option<&'static str> {
    let linux = spec.linux().as_ref();
    let process = spec.process().as_ref();
    let platform = [
        (spec.hooks().is_some(), "hooks"),
        (
            spec.domainname()
                .as_ref()
                .is_some_and(|name| !name.is_empty()),
            "domainname",
        ),
        (spec.vm().is_some(), "vm"),
        (
            spec.mounts()
                .iter()
                .flatten()
                .any(|mount| mount.uid_mappings().is_some() || mount.gid_mappings().is_some()),
            "mounts[].uidMappings",
        ),
    ];
    let first = |checks: &[(bool, &'static str)]| {
        checks
            .iter()
            .find(|(asked, _)| *asked)
            .map(|(_, field)| *field)
    };
    first(&platform)
        .or_else(|| linux.and_then(|linux| first(&of_linux(linux))))
        .or_else(|| process.and_then(|process| first(&of_process(process))))
}

fn of_linux(linux: &Linux) -> [(bool, &'static str); 10] {
    [
        (
            linux
                .uid_mappings()
                .as_ref()
                .is_some_and(|list| !list.is_empty()),
            "linux.uidMappings",
        ),
        (
            linux
                .gid_mappings()
                .as_ref()
                .is_some_and(|list| !list.is_empty()),
            "linux.gidMappings",
        ),
        (
            linux
                .mount_label()
                .as_ref()
                .is_some_and(|label| !label.is_empty()),
            "linux.mountLabel",
        ),
        (linux.intel_rdt().is_some(), "linux.intelRdt"),
        (linux.memory_policy().is_some(), "linux.memoryPolicy"),
        (linux.personality().is_some(), "linux.personality"),
        (
            linux
                .time_offsets()
                .as_ref()
                .is_some_and(|offsets| !offsets.is_empty()),
            "linux.timeOffsets",
        ),
        (
            linux
                .net_devices()
                .as_ref()
                .is_some_and(|devices| !devices.is_empty()),
            "linux.netDevices",
        ),
        (
            linux.rootfs_propagation().as_ref().is_some_and(|kind| {
                !matches!(
                    kind.as_str(),
                    "" | "private" | "rprivate" | "slave" | "rslave"
                )
            }),
            "linux.rootfsPropagation",
        ),
        (
            linux
                .resources()
                .as_ref()
                .is_some_and(|resources| resources.network().is_some()),
            "linux.resources.network",
        ),
    ]
}

fn of_process(process: &Process) -> [(bool, &'static str); 5] {
    let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    [
        (given(process.apparmor_profile()), "process.apparmorProfile"),
        (given(process.selinux_label()), "process.selinuxLabel"),
        (process.io_priority().is_some(), "process.ioPriority"),
        (process.scheduler().is_some(), "process.scheduler"),
        (
            process.exec_cpu_affinity().is_some(),
            "process.execCPUAffinity",
        ),
    ]
}
