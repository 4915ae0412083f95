//! What holds at the edges: memory that runs out, a shared PID namespace, what a Pod is prepared
//! with, and what a killed shim leaves?

use std::fs;
use std::path::Path;

use outrigger_wire::{EventKind, Lease, Tmpfs};
use rustix::fs::{StatVfsMountFlags, statvfs};
use serde_json::json;

use super::client;
use super::pod::{Pod, ROOM, may_run};
use super::{result, soon, texts};

#[test]
fn a_container_that_ran_out_of_memory_is_told_apart() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    pod.start_as(
        &mut client,
        "c1",
        &["/usr/bin/tail", "/dev/zero"],
        |config| {
            config["linux"]["resources"] = json!({"memory": {"limit": 16 << 20}});
        },
    );
    let killed = loop {
        if let EventKind::Exited {
            code, oom_killed, ..
        } = client.event().kind
        {
            break (code, oom_killed);
        }
    };
    assert_eq!(killed, (137, true));
    pod.start(&mut client, "c2", &["/bin/sh", "-c", "kill -9 $$"]);
    let killed = loop {
        if let EventKind::Exited { oom_killed, .. } = client.event().kind {
            break oom_killed;
        }
    };
    assert!(!killed, "an ordinary kill is not for want of memory");
    pod.release(&mut client);
}

#[test]
fn the_reaper_of_a_shared_pid_namespace_leads_nowhere_and_goes_with_the_pod() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let mut client = pod.prepare_as(Lease::Forever, |prepare| prepare.namespaces.pid = true);
    let script = "grep -E '^Cap(Prm|Eff|Bnd)' /proc/1/status; ls -A /proc/1/root/ /proc/1/root/..; \
                  ls /proc/1/fd | tr '\\n' ' '; (sh -c 'exit 3' &); sleep 0.2; grep -l Z.zombie /proc/[0-9]*/status";
    pod.start_as(&mut client, "c1", &["/bin/sh", "-c", script], |config| {
        let all = json!(["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_SYS_ADMIN"]);
        config["process"]["capabilities"] =
            json!({"bounding": all, "effective": all, "permitted": all});
    });
    client.exit("c1");
    let none = "0000000000000000";
    let log = pod.log("c1");
    let lines: Vec<String> = texts(&log)
        .into_iter()
        .map(|(_, text)| text.to_owned())
        .collect();
    let expected = [
        format!("CapPrm:\t{none}"),
        format!("CapEff:\t{none}"),
        format!("CapBnd:\t{none}"),
        "/proc/1/root/:".to_owned(),
        String::new(),
        "/proc/1/root/..:".to_owned(),
        "0 1 2 ".to_owned(),
    ];
    assert_eq!(lines, expected, "{log}");
    pod.start(&mut client, "c2", &["/bin/sleep", "1000"]);
    let seen = result(client.exec("c2", &["cat", "/proc/1/comm"], None)).output;
    assert_eq!(seen, "outrigger-reap\n");
    let mut children = children_of(pod.shim.id());
    assert_eq!(children.len(), 2, "{children:?}");
    pod.release(&mut client);
    children.retain(|pid| Path::new(&format!("/proc/{pid}")).exists());
    assert_eq!(children, Vec::<u32>::new(), "left behind");
}

fn children_of(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let parse = |word: &str| word.parse().unwrap();
    text.split_whitespace().map(parse).collect()
}

#[test]
fn a_pod_has_the_tmpfs_and_the_sysctls_that_it_is_prepared_with() {
    if !may_run() {
        return;
    }
    let pod = Pod::new();
    let volume = Path::new(ROOM).join("volume");
    fs::create_dir(&volume).unwrap();
    let name = "net.ipv4.ip_unprivileged_port_start".to_owned();
    let on_the_host = fs::read("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    let mut client = pod.prepare_as(Lease::Forever, |prepare| {
        prepare.sysctls = vec![(name, "77".to_owned())];
        prepare.tmpfs = vec![Tmpfs {
            path: volume.clone(),
            size_bytes: Some(1 << 20),
            mode: 0o2770,
            gid: Some(1234),
        }];
    });
    let script = "cat /proc/sys/net/ipv4/ip_unprivileged_port_start; stat -c '%a %g' /mnt; \
                  stat -f -c '%T %b' /mnt; echo word > /mnt/file; mknod /mnt/null c 1 3; cat /mnt/null";
    let bind = |config: &mut serde_json::Value| {
        let mounts = config["mounts"].as_array_mut().unwrap();
        mounts.push(
            json!({"destination": "/mnt", "type": "bind", "source": volume, "options": ["rbind"]}),
        );
    };
    pod.start_as(&mut client, "c1", &["/bin/sh", "-c", script], bind);
    client.exit("c1");
    let log = pod.log("c1");
    let lines: Vec<&str> = texts(&log).iter().map(|(_, text)| *text).collect();
    assert_eq!(lines[..3], ["77", "2770 1234", "tmpfs 256"], "{log}");
    pod.start_as(&mut client, "c2", &["/bin/cat", "/mnt/file"], bind);
    client.exit("c2");
    assert_eq!(texts(&pod.log("c2")), [("stdout", "word")]);
    let there = fs::read_dir(&volume).unwrap().count();
    assert_eq!(there, 0, "the host sees what is the Pod's alone");
    let host = fs::read("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    assert_eq!(host, on_the_host);
    pod.release(&mut client);
}

#[test]
fn what_outlived_its_shim_is_killed_by_the_next_one() {
    if !may_run() {
        return;
    }
    let mut pod = Pod::new();
    let mut client = pod.prepare(Lease::Forever);
    // What a setuid program does: the container is not killed with its parent any more.
    let untied = ["/usr/bin/setpriv", "--pdeathsig", "clear", "sleep", "1000"];
    let pid = pod.start(&mut client, "c1", &untied);
    let command = format!("/proc/{pid}/cmdline");
    soon("it is untied", || {
        fs::read(&command).is_ok_and(|words| words.starts_with(b"sleep"))
    });
    pod.shim.kill().unwrap();
    pod.shim.wait().unwrap();
    assert!(Path::new(&format!("/proc/{pid}/exe")).exists());
    pod.shim = client::spawn(&client::program(), &pod.state);
    let mut client = pod.prepare(Lease::Forever);
    assert_eq!(pod.cgroup_state().1, Vec::<u32>::new(), "it lives on");
    pod.release(&mut client);
}

#[test]
fn a_shims_program_cannot_be_written_through_its_process() {
    if !may_run() {
        return;
    }
    // Makes the room; the program that counts runs from a file that can be written.
    let pod = Pod::new();
    let program = Path::new(ROOM).join("program");
    fs::copy(client::program(), &program).unwrap();
    let state = Path::new(ROOM).join("state-2");
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let mut shim = client::spawn(&program, &state);
    let writable = |path: &Path| {
        !statvfs(path)
            .unwrap()
            .f_flag
            .contains(StatVfsMountFlags::RDONLY)
    };
    let exe = format!("/proc/{}/exe", shim.id());
    assert!(writable(&program) && !writable(Path::new(&exe)));
    shim.kill().unwrap();
    shim.wait().unwrap();
    let mut client = pod.prepare(Lease::Forever);
    pod.release(&mut client);
}
