//! Do containers come up as their configuration says, and leave nothing behind? Needs root.

#![allow(
    clippy::unwrap_used,
    reason = "what a test builds up must not fail, also outside of test functions"
)]

#[path = "support/bed.rs"]
mod bed;
#[path = "support/safe.rs"]
mod safe;
#[path = "support/timing.rs"]
mod timing;

use std::fs;
use std::path::Path;

use bed::{Bed, Outcome, exec};
use outrigger_runtime::{CreateError, Reaper};
use outrigger_sys::pidfd::{self, Exit};
use rustix::fs::{Mode, OFlags, open};
use safe::isolated;
use serde_json::json;

#[test]
fn exit_codes_and_signals_are_told() {
    isolated("exit_codes_and_signals_are_told", |folder| {
        let run = |words: &[&str]| Bed::new(folder).command(words).run().unwrap().exit;
        assert_eq!(run(&["/bin/true"]), Exit::Code(0));
        assert_eq!(run(&["sh", "-c", "exit 42"]), Exit::Code(42));
        assert_eq!(
            run(&["sh", "-c", "sh -c 'kill -9 $$'; exit $(($? - 128))"]),
            Exit::Code(9)
        );
        let mut bed = Bed::new(folder).command(&["sleep", "1000"]);
        let container = bed.launch(&null()).unwrap();
        pidfd::send_signal(&container.pidfd, 9).unwrap();
        assert_eq!(pidfd::wait(&container.pidfd).unwrap(), Exit::Signal(9));
    });
}

fn null() -> std::os::fd::OwnedFd {
    open("/dev/null", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

#[test]
fn the_first_process_is_who_and_where_it_should_be() {
    isolated(
        "the_first_process_is_who_and_where_it_should_be",
        |folder| {
            let mut bed = Bed::new(folder);
            bed.spec["process"]["cwd"] = json!("/not/there/yet");
            bed.spec["process"]["user"]["umask"] = json!(0o027);
            let text = bed.script("pwd; echo $WORD $$; umask; ulimit -n; cat /proc/self/oom_score_adj; id -u; id -G; cat /proc/self/status");
            assert!(
                text.starts_with("/not/there/yet\nyes 1\n0027\n1000\n100\n0\n0 7 8\n"),
                "{text}"
            );
            for line in [
                "CapInh:\t0000000000000000",
                "CapPrm:\t00000000000000e1",
                "CapEff:\t00000000000000e1",
                "CapBnd:\t00000000000000e1",
                "CapAmb:\t0000000000000000",
                "NoNewPrivs:\t1",
                "SigIgn:\t0000000000000000",
                "SigBlk:\t0000000000000000",
            ] {
                assert!(text.contains(line), "{line} is not in {text}");
            }
            bed.spec["process"]["user"] = json!({"uid": 1234, "gid": 5678});
            bed.spec["process"]["cwd"] = json!("/");
            let text = bed.script("id; echo again > /dev/stdout; grep Cap /proc/self/status");
            assert!(
                text.starts_with("uid=1234 gid=5678 groups=5678\nagain\n"),
                "{text}"
            );
            assert!(
                text.contains("CapEff:\t0000000000000000")
                    && text.contains("CapBnd:\t00000000000000e1"),
                "{text}"
            );
        },
    );
}

#[test]
fn paths_are_masked_and_read_only() {
    isolated("paths_are_masked_and_read_only", |folder| {
        let mut bed = Bed::new(folder);
        bed.spec["linux"]["maskedPaths"] = json!([
            "/proc/uptime",
            "/proc/not-there",
            "/sys/kernel",
            "/etc/passwd",
            "/proc/tty"
        ]);
        bed.spec["linux"]["readonlyPaths"] = json!(["/proc/sys", "/proc/not-there", "/var"]);
        let text = bed.script(
            "cat /proc/uptime /etc/passwd; ls -A /sys/kernel /proc/tty; echo shown; mkdir /sys/kernel/x; \
             echo x > /etc/passwd; mkdir /sys/fs/cgroup/x; echo 1 > /proc/sys/vm/overcommit_memory; touch /var/x; cat /etc/passwd",
        );
        assert!(
            text.starts_with("/proc/tty:\n\n/sys/kernel:\nshown\n"),
            "{text}"
        );
        assert_eq!(text.matches("Read-only file system").count(), 4, "{text}");
        assert_eq!(text.lines().count(), 8, "{text}");
        bed.spec["root"]["readonly"] = json!(true);
        let text = bed.script("touch /x; touch /dev/shm/x && echo shm");
        assert!(
            text.contains("Read-only file system") && text.ends_with("shm\n"),
            "{text}"
        );
    });
}

#[test]
fn dev_holds_what_it_must_and_no_descriptor_leaks() {
    isolated("dev_holds_what_it_must_and_no_descriptor_leaks", |folder| {
        let mut bed = Bed::new(folder);
        bed.spec["linux"]["devices"] = json!([{"path": "/dev/deep/zero", "type": "c", "major": 1, "minor": 5, "fileMode": 0o600, "uid": 3, "gid": 4}]);
        let text = bed.script("ls -A /dev | sort | tr '\\n' ' '; echo; ls /proc/self/fd | tr '\\n' ' '; echo; stat -c '%a %u %g %t:%T' /dev/deep/zero /dev/null; readlink /dev/ptmx /dev/fd");
        let mut lines = text.lines();
        assert_eq!(
            lines.next().unwrap().trim(),
            "core deep fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero"
        );
        // 3 is the folder that ls reads.
        assert_eq!(lines.next().unwrap().trim(), "0 1 2 3");
        assert_eq!(
            lines.collect::<Vec<_>>(),
            ["600 3 4 1:5", "666 0 0 1:3", "pts/ptmx", "/proc/self/fd"]
        );
    });
}

#[test]
fn commands_that_cannot_be_executed_are_told_apart() {
    isolated(
        "commands_that_cannot_be_executed_are_told_apart",
        |folder| {
            let mut bed = Bed::new(folder);
            let mut fails = |words: &[&str]| {
                bed.spec["process"]["args"] = json!(words);
                let error = bed.run().unwrap_err();
                (error.code(), error.is_execute(), error.to_string())
            };
            let (code, _, text) = fails(&["no-such-command"]);
            assert_eq!(
                (code, text.as_str()),
                (
                    127,
                    "exec: \"no-such-command\": executable file not found in $PATH"
                )
            );
            assert_eq!(fails(&["/no/such"]).0, 127);
            assert_eq!(
                fails(&["/etc/passwd"]),
                (
                    126,
                    true,
                    "exec: \"/etc/passwd\": permission denied".to_owned()
                )
            );
            assert_eq!(fails(&["/usr"]).0, 126);
            assert_eq!(fails(&[""]).0, 127);
            bed.spec["process"]["args"] = json!(["true"]);
            bed.spec["process"]["cwd"] = json!("/etc/passwd");
            let error = bed.run().unwrap_err();
            assert!(
                !error.is_execute() && matches!(error, CreateError::Step { .. }),
                "{error}"
            );
        },
    );
}

#[test]
fn exec_joins_what_the_first_process_has() {
    isolated("exec_joins_what_the_first_process_has", |folder| {
        let mut bed = Bed::new(folder).command(&["sleep", "1000"]);
        let container = bed.launch(&null()).unwrap();
        let see = [
            "sh",
            "-c",
            "cd /; for n in mnt pid cgroup net ipc uts; do readlink /proc/self/ns/$n; done; cat /proc/self/status | grep -E '^(Cap|NoNew|Groups|Uid)'; echo $WORD; pwd",
        ];
        let inside = exec(&container, &see).unwrap();
        assert_eq!(inside.exit, Exit::Code(0), "{}", inside.output);
        let read =
            |path: &str| fs::read_to_string(format!("/proc/{}/{path}", container.pid)).unwrap();
        for name in ["mnt", "pid", "cgroup", "net", "ipc", "uts"] {
            let link = fs::read_link(format!("/proc/{}/ns/{name}", container.pid)).unwrap();
            assert!(
                inside.output.contains(link.to_str().unwrap()),
                "{name} differs: {}",
                inside.output
            );
        }
        for line in read("status")
            .lines()
            .filter(|line| line.starts_with("Cap") || line.starts_with("Groups"))
        {
            assert!(
                inside.output.contains(line),
                "{line} differs: {}",
                inside.output
            );
        }
        assert!(inside.output.ends_with("yes\n/\n"), "{}", inside.output);
        assert_eq!(
            exec(&container, &["sh", "-c", "exit 7"]).unwrap(),
            Outcome {
                exit: Exit::Code(7),
                output: String::new()
            }
        );
        assert_eq!(
            exec(&container, &["nothing-like-it"]).unwrap_err().code(),
            127
        );
        // The namespace of later children is ours again.
        assert_eq!(
            fs::read_link("/proc/thread-self/ns/pid").unwrap(),
            fs::read_link("/proc/thread-self/ns/pid_for_children").unwrap()
        );
        pidfd::send_signal(&container.pidfd, 9).unwrap();
        pidfd::wait(&container.pidfd).unwrap();
        assert!(exec(&container, &["true"]).is_err());
    });
}

#[test]
fn mounts_stay_inside_whatever_the_image_planted() {
    isolated("mounts_stay_inside_whatever_the_image_planted", |folder| {
        let canary = folder.join("canary");
        let layer = folder.join("layer");
        fs::create_dir_all(&canary).unwrap();
        fs::create_dir_all(layer.join("etc")).unwrap();
        let planted = |name: &str, target: &str| {
            std::os::unix::fs::symlink(target, layer.join(name)).unwrap()
        };
        planted("absolute", canary.to_str().unwrap());
        planted(
            "relative",
            &format!("../../../../../../..{}", canary.display()),
        );
        planted("etc/dangling", "../run/deep/file");
        let mut bed = Bed::new(folder);
        bed.lower.insert(0, layer.clone());
        fs::write(folder.join("file"), "bound").unwrap();
        let mounts = bed.spec["mounts"].as_array_mut().unwrap();
        for destination in ["/absolute/a", "/relative/b"] {
            mounts.push(json!({"destination": destination, "type": "tmpfs", "source": "tmpfs"}));
        }
        mounts.push(json!({"destination": "/etc/dangling", "type": "bind", "source": folder.join("file"), "options": ["rbind", "ro"]}));
        let text = bed.script("cat /etc/dangling /run/deep/file; echo; grep -c -E ' /[^ ]*canary/[ab] ' /proc/self/mountinfo; echo no > /etc/dangling || true");
        assert!(
            text.starts_with("boundbound\n2\n") && text.contains("Read-only"),
            "{text}"
        );
        assert_eq!(fs::read_dir(&canary).unwrap().count(), 0);

        // A procfs that is not at /proc would leave masks and checks to the image.
        fs::create_dir(layer.join("elsewhere")).unwrap();
        let evil = folder.join("evil");
        fs::create_dir(&evil).unwrap();
        std::os::unix::fs::symlink("elsewhere", evil.join("proc")).unwrap();
        bed.lower.insert(0, evil);
        let error = bed.run().unwrap_err();
        assert!(error.to_string().contains("mount proc at /proc"), "{error}");
    });
}

#[test]
fn a_working_directory_outside_is_refused() {
    isolated("a_working_directory_outside_is_refused", |folder| {
        let mut bed = Bed::new(folder);
        for fd in 0..20 {
            bed.spec["process"]["cwd"] = json!(format!("/proc/self/fd/{fd}"));
            let error = bed.run().unwrap_err();
            assert!(error.to_string().contains("working directory"), "{error}");
        }
    });
}

#[test]
fn unsupported_fields_are_refused_by_name() {
    isolated("unsupported_fields_are_refused_by_name", |folder| {
        let mut bed = Bed::new(folder);
        bed.spec["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_NOTIFY"});
        assert!(
            bed.run()
                .unwrap_err()
                .to_string()
                .starts_with("linux.seccomp.defaultAction: SCMP_ACT_NOTIFY is not supported")
        );
        let mut bed = Bed::new(folder);
        bed.spec["linux"]["namespaces"]
            .as_array_mut()
            .unwrap()
            .push(json!({"type": "user"}));
        assert!(bed.run().unwrap_err().to_string().contains("user"));
    });
}

#[test]
fn a_shared_pid_namespace_has_one_reaper() {
    isolated("a_shared_pid_namespace_has_one_reaper", |folder| {
        let mut bed = Bed::new(folder);
        bed.shared_pid = Some(Reaper::start().unwrap());
        let text = bed.script("cat /proc/1/comm; echo $$; (sh -c 'sleep 0.05; true' &) ; sleep 0.2; grep -sl '^State:.Z' /proc/[0-9]*/status; true");
        assert!(
            text.starts_with("outrigger-reap\n2\n") && !text.contains("status"),
            "{text}"
        );
        bed.spec["process"]["args"] = json!(["sleep", "1000"]);
        let container = bed.launch(&null()).unwrap();
        assert!(
            exec(&container, &["cat", "/proc/1/comm"])
                .unwrap()
                .output
                .contains("outrigger-reap")
        );
        let reaper = bed.shared_pid.take().unwrap();
        reaper.kill();
        assert_eq!(pidfd::wait(&container.pidfd).unwrap(), Exit::Signal(9));
        assert_eq!(pidfd::wait(reaper.pidfd()).unwrap(), Exit::Signal(9));
    });
}

#[test]
fn a_file_system_that_carries_no_upper_layer_gets_a_tmpfs() {
    isolated(
        "a_file_system_that_carries_no_upper_layer_gets_a_tmpfs",
        |folder| {
            for name in ["a", "b", "base"] {
                fs::create_dir(folder.join(name)).unwrap();
            }
            let base = folder.join("base");
            outrigger_runtime::rootfs::mount_overlay(
                &[folder.join("a"), folder.join("b")],
                &folder.join("a"),
            )
            .unwrap()
            .attach(&base)
            .unwrap();
            // An overlay cannot be the upper layer of another.
            let mut bed = Bed::new(&base);
            assert_eq!(bed.script("echo text > /etc/new; cat /etc/new"), "text\n");
            outrigger_runtime::rootfs::unmount(&base).unwrap();
            assert_eq!(mounts_below(folder), 1);
        },
    );
}

fn mounts_below(folder: &Path) -> usize {
    let text = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    text.lines()
        .filter(|line| line.contains(folder.to_str().unwrap()))
        .count()
}

#[test]
fn a_thousand_cycles_leave_nothing() {
    isolated("a_thousand_cycles_leave_nothing", |folder| {
        let mut bed = Bed::new(folder);
        let mut cycle = |count: u32| {
            for _ in 0..count {
                assert_eq!(bed.run().unwrap().exit, Exit::Code(0));
            }
        };
        let state = || {
            let descriptors = fs::read_dir("/proc/self/fd").unwrap().count();
            (
                descriptors,
                mounts_below(folder),
                outrigger_sys::process::reap_any().is_err(),
            )
        };
        cycle(3);
        let before = state();
        cycle(1000 / timing::scale());
        assert_eq!(state(), before);
        assert!(before.2, "a process is left");
    });
}
