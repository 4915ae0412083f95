//! Are a container's processes under the filter that its specification asks for, whoever they are? Needs root.

#![allow(
    clippy::unwrap_used,
    reason = "what a test builds up must not fail, also outside of test functions"
)]

#[path = "support/bed.rs"]
mod bed;
#[path = "support/safe.rs"]
mod safe;

use std::os::fd::OwnedFd;

use bed::{Bed, exec};
use outrigger_runtime::CreateError;
use outrigger_sys::pidfd::{self, Exit};
use rustix::fs::{Mode, OFlags, open};
use safe::isolated;
use serde_json::{Value, json};

fn null() -> OwnedFd {
    open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

/// Allows all but these calls.
fn without(names: &[&str]) -> Value {
    json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": 28}],
    })
}

/// Allows these calls and those that a shell needs to say something and to end.
fn only(names: &[&str]) -> Value {
    let shell: Vec<&str> = "execve exit_group brk mmap mprotect munmap openat open read pread64 close fstat newfstatat \
         access faccessat2 arch_prctl set_tid_address set_robust_list rseq prlimit64 getrandom getpid getppid getuid geteuid \
         getgid getegid getcwd rt_sigaction rt_sigprocmask futex statx sysinfo"
        .split_whitespace()
        .chain(names.iter().copied())
        .collect();
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [{"names": shell, "action": "SCMP_ACT_ALLOW"}],
    })
}

#[test]
fn the_first_process_and_all_others_are_filtered_as_whoever_they_run() {
    isolated(
        "the_first_process_and_all_others_are_filtered_as_whoever_they_run",
        |folder| {
            let look = "grep '^Seccomp:' /proc/self/status; mkdir /tmp/d 2>&1 | grep -o 'No space.*'; \
                        grep -E '^Cap(Prm|Eff|Bnd)' /proc/self/status | sort -u -k2 | wc -l";
            for (uid, gains) in [(0, true), (0, false), (1234, true), (1234, false)] {
                let mut bed = Bed::new(folder);
                bed.spec["process"]["user"] = json!({"uid": uid, "gid": uid});
                bed.spec["process"]["noNewPrivileges"] = json!(!gains);
                let bare = bed.script("grep -E '^Cap|^NoNew' /proc/self/status");
                bed.spec["linux"]["seccomp"] = without(&["mkdir", "mkdirat"]);
                let text = bed.script(look);
                assert!(
                    text.starts_with("Seccomp:\t2\nNo space left on device\n"),
                    "{uid} {gains}: {text}"
                );
                // To load it took a privilege, and nothing of that is left.
                assert_eq!(bed.script("grep -E '^Cap|^NoNew' /proc/self/status"), bare);
                bed.spec["process"]["args"] = json!(["sleep", "1000"]);
                let container = bed.launch(&null()).unwrap();
                let execed = exec(&container, &["sh", "-c", look]).unwrap();
                assert_eq!(execed.output, text, "{uid} {gains}");
                pidfd::send_signal(&container.pidfd, 9).unwrap();
                assert_eq!(pidfd::wait(&container.pidfd).unwrap(), Exit::Signal(9));
            }
        },
    );
}

#[test]
fn a_profile_need_not_allow_what_only_the_beginning_takes() {
    isolated(
        "a_profile_need_not_allow_what_only_the_beginning_takes",
        |folder| {
            let mut bed = Bed::new(folder);
            bed.spec["linux"]["seccomp"] = only(&["write"]);
            assert_eq!(bed.script("echo ran"), "ran\n");
            // Who may gain privileges loses what loading a filter takes after that.
            bed.spec["process"]["noNewPrivileges"] = json!(false);
            bed.spec["linux"]["seccomp"] = only(&["write", "capset", "prctl"]);
            assert_eq!(bed.script("echo ran"), "ran\n");
            bed.spec["linux"]["seccomp"] = only(&["write", "prctl"]);
            let error = bed.run().unwrap_err();
            assert!(error.to_string().contains("set capabilities"), "{error}");
            bed.spec["linux"]["seccomp"] = only(&["capset", "prctl"]);
            let error = bed.run().unwrap_err();
            assert!(
                matches!(error, CreateError::Died { .. }) && error.to_string().contains("seccomp"),
                "{error}"
            );
        },
    );
}

#[test]
fn a_profile_without_execve_is_told_and_one_that_kills_is_seen() {
    isolated(
        "a_profile_without_execve_is_told_and_one_that_kills_is_seen",
        |folder| {
            let mut bed = Bed::new(folder).command(&["sync"]);
            bed.spec["linux"]["seccomp"] = without(&["execve"]);
            let error = bed.run().unwrap_err();
            assert!(error.is_execute(), "{error}");
            bed.spec["linux"]["seccomp"] = json!({
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{"names": ["sync"], "action": "SCMP_ACT_KILL_PROCESS"}],
            });
            assert_eq!(bed.run().unwrap().exit, Exit::Signal(31));
        },
    );
}
