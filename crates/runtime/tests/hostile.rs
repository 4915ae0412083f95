//! Does an image or a neighbour that wants out stay in? Needs root.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what a test builds up must not fail, also outside of test functions"
)]

#[path = "support/bed.rs"]
mod bed;
#[path = "support/safe.rs"]
mod safe;

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use bed::{Bed, args, exec, no_cgroup};
use outrigger_runtime::{Create, Created, RootFs, create, rootfs};
use outrigger_sys::clone::{Namespaces, spawn};
use outrigger_sys::pidfd::{self, Exit};
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, open, renameat_with};
use safe::isolated;
use serde_json::{Value, json};

fn null() -> OwnedFd {
    open("/dev/null", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

/// A container that is made and waits.
fn held(folder: &Path, change: impl FnOnce(&mut Value)) -> Created {
    let mut bed = Bed::new(folder);
    change(&mut bed.spec);
    let bundle = folder.join("held");
    fs::create_dir_all(bundle.join("rootfs")).unwrap();
    fs::create_dir_all(bundle.join("writable")).unwrap();
    let overlay = rootfs::mount_overlay(&bed.lower, &bundle.join("writable")).unwrap();
    let output = null();
    let filters = outrigger_runtime::Filters::default();
    create(&Create {
        spec: &serde_json::from_value(bed.spec).unwrap(),
        bundle: &bundle,
        rootfs: RootFs::Overlay(&overlay),
        cgroup: &no_cgroup(),
        stdin: None,
        stdout: output.as_fd(),
        stderr: output.as_fd(),
        shared_pid: None,
        pid_of: None,
        filters: &filters,
    })
    .unwrap()
}

#[test]
fn a_held_container_waits_has_no_descriptor_of_the_host_and_goes_when_it_is_dropped() {
    isolated(
        "a_held_container_waits_has_no_descriptor_of_the_host_and_goes_when_it_is_dropped",
        |folder| {
            // Descriptors that must not arrive, one of them not even close-on-exec.
            let _directory = open("/", OFlags::PATH, Mode::empty()).unwrap();
            let _file = fs::File::open("/etc/passwd").unwrap();
            let created = held(folder, |_| {});
            let process = PathBuf::from(format!("/proc/{}", created.pid()));
            let targets = fs::read_dir(process.join("fd")).unwrap().map(|entry| {
                let target = fs::read_link(entry.unwrap().path()).unwrap();
                target.to_string_lossy().into_owned()
            });
            let mut targets: Vec<String> = targets.collect();
            targets.sort();
            assert_eq!(targets[..3], ["/dev/null", "/dev/null", "/dev/null"]);
            // And the socket to its parent.
            assert!(
                targets.len() == 4 && targets[3].starts_with("socket:"),
                "{targets:?}"
            );
            assert!(process.exists());
            drop(created);
            assert!(!process.exists(), "a dropped container lives on");
            let started = held(folder, |spec| {
                spec["process"]["args"] = json!(["/bin/sh", "-c", "exit 5"]);
            });
            let container = started.start().unwrap();
            assert_eq!(pidfd::wait(&container.pidfd).unwrap(), Exit::Code(5));
        },
    );
}

#[test]
fn nobody_inside_can_look_into_a_process_before_it_is_the_program() {
    isolated(
        "nobody_inside_can_look_into_a_process_before_it_is_the_program",
        |folder| {
            outrigger_sys::process::set_dumpable(false).unwrap();
            let script = "while :; do for n in /proc/[0-9]*; do [ $n = /proc/1 ] && continue; \
                ls -l $n/cwd $n/root $n/fd 2>/dev/null; done; done";
            let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
            let mut bed = Bed::new(folder).command(&["/bin/sh", "-c", script]);
            let container = bed.launch(&write).unwrap();
            drop(write);
            for _ in 0..100 {
                exec(&container, &["/bin/true"]).unwrap();
            }
            pidfd::send_signal(&container.pidfd, 9).unwrap();
            pidfd::wait(&container.pidfd).unwrap();
            let mut seen = String::new();
            std::io::Read::read_to_string(&mut fs::File::from(read), &mut seen).unwrap();
            // What is the host's looks like this from inside, or is below the test's own folder.
            let leaks = |line: &&str| {
                line.contains("(unreachable)") || line.contains(folder.to_str().unwrap())
            };
            assert_eq!(seen.lines().find(leaks), None);
        },
    );
}

/// Everything below a directory, and what it is.
fn picture(directory: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let metadata = entry.metadata().unwrap();
        use std::os::unix::fs::MetadataExt;
        all.push(format!(
            "{} {:o} {} {} {}",
            entry.path().display(),
            metadata.mode(),
            metadata.uid(),
            metadata.size(),
            metadata.mtime_nsec()
        ));
        if metadata.is_dir() {
            all.extend(picture(&entry.path()));
        }
    }
    all.sort();
    all
}

#[test]
fn an_image_with_a_bad_dev_reaches_nothing_outside() {
    isolated(
        "an_image_with_a_bad_dev_reaches_nothing_outside",
        |folder| {
            let canary = folder.join("canary");
            fs::create_dir_all(canary.join("pts")).unwrap();
            for name in ["null", "ptmx", "console", "core", "stdin"] {
                fs::write(canary.join(name), "canary").unwrap();
            }
            let before = picture(&canary);
            let outside = canary.to_str().unwrap();
            let up = format!("../../../../../../..{outside}");
            type Plant<'a> = (&'a str, &'a dyn Fn(&Path));
            let plants: &[Plant<'_>] = &[
                ("/dev is an absolute link", &|layer| {
                    symlink(outside, layer.join("dev")).unwrap();
                }),
                ("/dev is a relative link", &|layer| {
                    symlink(&up, layer.join("dev")).unwrap();
                }),
                ("/dev is a file", &|layer| {
                    fs::write(layer.join("dev"), "").unwrap();
                }),
                ("its files are links", &|layer| {
                    fs::create_dir(layer.join("dev")).unwrap();
                    for name in ["null", "ptmx", "console", "pts", "shm", "fd", "stdin"] {
                        symlink(canary.join(name), layer.join("dev").join(name)).unwrap();
                    }
                }),
                ("/dev/null is another device", &|layer| {
                    fs::create_dir(layer.join("dev")).unwrap();
                    let number = rustix::fs::makedev(1, 5);
                    let kind = rustix::fs::FileType::CharacterDevice;
                    let path = layer.join("dev/null");
                    rustix::fs::mknodat(CWD, &path, kind, Mode::from_raw_mode(0o666), number)
                        .unwrap();
                }),
                ("/sys and /etc are links", &|layer| {
                    symlink(outside, layer.join("sys")).unwrap();
                    symlink(&up, layer.join("etc")).unwrap();
                }),
            ];
            for (number, (what, plant)) in plants.iter().enumerate() {
                for with_dev in [true, false] {
                    let layer = folder.join(format!("layer-{number}-{with_dev}"));
                    fs::create_dir(&layer).unwrap();
                    plant(&layer);
                    let mut bed = Bed::new(folder);
                    bed.lower.insert(0, layer);
                    bed.spec["linux"]["maskedPaths"] = json!(["/proc/uptime", "/etc/passwd"]);
                    if !with_dev {
                        let mounts = bed.spec["mounts"].as_array_mut().unwrap();
                        mounts.retain(|mount| {
                            !mount["destination"].as_str().unwrap().starts_with("/dev")
                        });
                    }
                    let script =
                        "test ! -s /proc/uptime && test $(stat -c %t:%T /proc/uptime) = 1:3";
                    bed.spec["process"]["args"] = json!(["/bin/sh", "-c", script]);
                    // A refusal is as good; a container that runs must have its masks.
                    if let Ok(outcome) = bed.run() {
                        assert_eq!(outcome.exit, Exit::Code(0), "{what}: {}", outcome.output);
                    }
                    assert_eq!(picture(&canary), before, "{what}, /dev mounted: {with_dev}");
                }
            }
        },
    );
}

#[test]
fn a_neighbour_that_swaps_paths_of_a_shared_volume_moves_no_mount_out() {
    isolated(
        "a_neighbour_that_swaps_paths_of_a_shared_volume_moves_no_mount_out",
        |folder| {
            let (volume, canary) = (folder.join("volume"), folder.join("canary"));
            fs::create_dir_all(volume.join("a/b")).unwrap();
            fs::create_dir_all(canary.join("b")).unwrap();
            let up = format!("../../../../../../..{}", canary.display());
            symlink(up, volume.join("evil")).unwrap();
            let before = picture(&canary);
            let volume_fd = open(&volume, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
            // It is the neighbour: it swaps a directory and a link for ever.
            let racer = spawn(Namespaces::NONE, None, || {
                loop {
                    let swap = RenameFlags::EXCHANGE;
                    if renameat_with(&volume_fd, c"a", &volume_fd, c"evil", swap).is_err() {
                        return 1;
                    }
                }
            })
            .unwrap();
            let mut bed = Bed::new(folder);
            bed.spec["mounts"].as_array_mut().unwrap().extend([
                json!({"destination": "/vol", "type": "bind", "source": volume, "options": ["rbind"]}),
                json!({"destination": "/vol/a/b", "type": "tmpfs", "source": "tmpfs"}),
                json!({"destination": "/vol/a/new", "type": "tmpfs", "source": "tmpfs"}),
            ]);
            let mut started = 0;
            for _ in 0..150 {
                // Where a link was met the way ends inside the container's root.
                started += usize::from(bed.run().is_ok());
                let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
                assert!(
                    !table.contains("canary") && !table.contains("/volume/"),
                    "{table}"
                );
            }
            pidfd::send_signal(&racer.pidfd, 9).unwrap();
            assert_eq!(pidfd::wait(&racer.pidfd).unwrap(), Exit::Signal(9));
            assert_eq!(picture(&canary), before);
            assert!(started > 0, "not one container came up");
        },
    );
}

#[test]
fn namespaces_are_entered_by_path_and_own_ones_take_sysctls() {
    isolated(
        "namespaces_are_entered_by_path_and_own_ones_take_sysctls",
        |folder| {
            let others = spawn(Namespaces::NET.and(Namespaces::UTS), None, || {
                loop {
                    rustix::thread::sched_yield();
                    std::thread::sleep(std::time::Duration::from_secs(1000));
                }
            })
            .unwrap();
            let path = |name: &str| format!("/proc/{}/ns/{name}", others.pid);
            let mut bed = Bed::new(folder);
            let namespaces = bed.spec["linux"]["namespaces"].as_array_mut().unwrap();
            namespaces.push(json!({"type": "network", "path": path("net")}));
            namespaces.push(json!({"type": "uts", "path": path("uts")}));
            namespaces.push(json!({"type": "ipc"}));
            bed.spec["linux"]["sysctl"] = json!({"kernel.msgmax": "4321"});
            let text = bed.script(
                "readlink /proc/self/ns/net /proc/self/ns/uts; cat /proc/sys/kernel/msgmax",
            );
            let link = |name: &str| fs::read_link(path(name)).unwrap();
            let expected = format!(
                "{}\n{}\n4321\n",
                link("net").display(),
                link("uts").display()
            );
            assert_eq!(text, expected);
            // The host's network is no namespace of the container's own.
            bed.spec["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": "1"});
            bed.spec["process"]["args"] = json!(args(&["/bin/true"]));
            let error = bed.run().unwrap_err();
            assert!(error.to_string().starts_with("linux.sysctl"), "{error}");
            pidfd::send_signal(&others.pidfd, 9).unwrap();
            pidfd::wait(&others.pidfd).unwrap();
        },
    );
}
