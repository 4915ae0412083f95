use std::collections::HashSet;

use oci_spec::runtime::Capability;

use super::*;
use crate::fixture;

fn default_for(capabilities: &[Capability]) -> LinuxSeccomp {
    runtime_default(&capabilities.iter().copied().collect::<HashSet<_>>()).unwrap()
}

/// The calls that are allowed whatever their arguments are.
fn free(profile: &LinuxSeccomp) -> HashSet<String> {
    let calls = profile.syscalls().iter().flatten();
    calls
        .filter(|call| call.action() == LinuxSeccompAction::ScmpActAllow && call.args().is_none())
        .flat_map(|call| call.names().clone())
        .collect()
}

#[test]
fn each_capability_brings_its_calls_and_no_others() {
    let none = free(&default_for(&[]));
    assert!(none.contains("read") && none.contains("execve"));
    for (capability, calls) in [
        (Capability::Chown, &[][..]),
        (Capability::Bpf, &["bpf"]),
        (Capability::DacReadSearch, &["open_by_handle_at"]),
        (Capability::Perfmon, &["perf_event_open"]),
        (Capability::Syslog, &["syslog"]),
        (Capability::SysBoot, &["reboot"]),
        (Capability::SysChroot, &["chroot"]),
        (
            Capability::SysModule,
            &["delete_module", "finit_module", "init_module"],
        ),
        (
            Capability::SysNice,
            &[
                "get_mempolicy",
                "mbind",
                "set_mempolicy",
                "set_mempolicy_home_node",
            ],
        ),
        (Capability::SysPacct, &["acct"]),
        (
            Capability::SysPtrace,
            &["kcmp", "pidfd_getfd", "process_madvise"],
        ),
        (Capability::SysRawio, &["ioperm", "iopl"]),
        (Capability::SysTime, &["clock_settime", "settimeofday"]),
        (Capability::SysTtyConfig, &["vhangup"]),
    ] {
        let more = free(&default_for(&[capability]));
        let mut gained: Vec<_> = more.difference(&none).map(String::as_str).collect();
        gained.sort_unstable();
        assert_eq!(gained, calls, "{capability}");
        assert!(none.is_subset(&more), "{capability}");
    }
    let admin = free(&default_for(&[Capability::SysAdmin]));
    for call in [
        "clone", "clone3", "mount", "setns", "unshare", "bpf", "fsopen",
    ] {
        assert!(admin.contains(call) && !none.contains(call), "{call}");
    }
    // What is about the host's keys, and what has been a way out too often, no capability brings.
    for call in [
        "keyctl",
        "add_key",
        "request_key",
        "userfaultfd",
        "io_uring_setup",
        "kexec_load",
        "swapon",
    ] {
        assert!(!admin.contains(call), "{call}");
    }
}

#[test]
fn every_family_of_sockets_passes_but_two_whatever_stands_in_the_upper_half() {
    let passes = |value: u64| {
        FAMILIES
            .iter()
            .any(|(mask, wanted)| value & mask == *wanted)
    };
    for upper in [0, 1 << 32, 0xffff_ffff_0000_0000] {
        for family in 0..47_u64 {
            assert_eq!(
                passes(upper | family),
                family != 38 && family != 40,
                "{family}"
            );
        }
    }
}

#[test]
fn without_sys_admin_a_new_process_is_in_no_new_namespace() {
    let profile = default_for(&[]);
    let calls: Vec<_> = profile.syscalls().iter().flatten().collect();
    let of = |name: &str| {
        let has = |call: &&&LinuxSyscall| call.names().iter().any(|one| one == name);
        calls.iter().filter(has).collect::<Vec<_>>()
    };
    let [clone3] = of("clone3")[..] else {
        panic!("one rule of clone3")
    };
    assert_eq!(
        (clone3.action(), clone3.errno_ret()),
        (LinuxSeccompAction::ScmpActErrno, Some(38))
    );
    let [clone] = of("clone")[..] else {
        panic!("one rule of clone")
    };
    let arg = clone.args().as_ref().unwrap()[0];
    assert_eq!((arg.value(), arg.value_two()), (0x7e02_0000, Some(0)));
    assert_eq!(profile.default_action(), LinuxSeccompAction::ScmpActErrno);
    assert!(profile.default_errno_ret().is_none() && profile.architectures().is_none());
}

#[test]
fn a_container_says_it_for_itself_and_the_pod_for_all() {
    let asks = |pod: &str, container: &str| {
        let text = format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{securityContext: {pod}, containers: [{{name: c, image: i, securityContext: {container}}}]}}}}"
        );
        let (pod, _) = fixture::pod(&text);
        match asked(&pod, Slot(0)) {
            Asked::RuntimeDefault => "default".to_owned(),
            Asked::Unconfined => "unconfined".to_owned(),
            Asked::Localhost(file) => file.to_owned(),
        }
    };
    let unconfined = "{seccompProfile: {type: Unconfined}}";
    let localhost = "{seccompProfile: {type: Localhost, localhostProfile: a/b.json}}";
    let default = "{seccompProfile: {type: RuntimeDefault}}";
    for (pod, container, wanted) in [
        ("{}", "{}", "default"),
        (unconfined, "{}", "unconfined"),
        (unconfined, default, "default"),
        (unconfined, localhost, "a/b.json"),
        (localhost, "{}", "a/b.json"),
        (localhost, unconfined, "unconfined"),
        (default, "{privileged: true}", "unconfined"),
        (
            "{}",
            "{privileged: true, seccompProfile: {type: RuntimeDefault}}",
            "unconfined",
        ),
    ] {
        assert_eq!(asks(pod, container), wanted, "{pod} {container}");
    }
}

#[test]
fn a_profile_with_a_field_that_means_nothing_here_is_refused_by_its_name() {
    for (text, words) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("[]", "invalid"),
        ("{}", "missing field `defaultAction`"),
        (r#"{"defaultAction": "ALLOW"}"#, "unknown variant `ALLOW`"),
        (
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "archMap": []}"#,
            "archMap is no field of a profile",
        ),
        (
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": [], "action": "SCMP_ACT_LOG", "includes": {}}]}"#,
            "syscalls[0].includes is no field",
        ),
        (
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": [], "action": "SCMP_ACT_LOG", "args": [{"index": 0, "val": 1}]}]}"#,
            "syscalls[0].args[0].val is no field",
        ),
    ] {
        let error = read(text.as_bytes()).unwrap_err();
        assert!(error.contains(words), "{text}: {error}");
    }
    let good = r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW", "comment": "x"}]}"#;
    assert_eq!(
        read(good.as_bytes())
            .unwrap()
            .syscalls()
            .as_ref()
            .unwrap()
            .len(),
        1
    );
}
