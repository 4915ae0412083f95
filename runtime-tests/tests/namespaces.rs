//! Whose processes, network, names and shared memory does a container see: its own, the Pod's or
//! the machine's?

use std::process::ExitCode;

use runtime_tests::told::{has_told, tells, told};
use runtime_tests::{Failure, Source, Verdict, World, ensure, pod_of, run, tests};

fn main() -> ExitCode {
    run(tests![
        the_loopback_is_up_and_nothing_else_is_there,
        shared_processes_are_the_pods_and_not_the_machines,
        orphans_of_a_shared_process_namespace_are_reaped,
        containers_with_shared_processes_see_each_other,
        host_namespaces_are_the_machines_own,
        host_ipc_shares_the_machines_shared_memory,
        host_network_brings_the_machines_name_and_hosts,
        the_name_is_cut_and_may_be_overridden,
        a_subdomain_makes_a_full_name,
        host_aliases_resolve,
        own_dns_is_exactly_what_was_asked_for,
        default_dns_is_the_machines,
        hosts_are_ours_unless_a_volume_takes_their_place,
        shared_memory_is_the_pods,
        orphans_end_with_a_pod_among_the_machines_processes,
        orphans_end_with_their_container_in_a_shared_namespace,
    ])
}

fn of_this_process(kind: &str) -> Result<String, Failure> {
    let link = std::fs::read_link(format!("/proc/self/ns/{kind}"))?;
    Ok(link.display().to_string())
}

fn second(name: &str, script: &str) -> String {
    let script = serde_json::Value::from(script);
    format!("  - name: {name}\n    image: host:/\n    command: [sh, -c, {script}]\n")
}

fn the_loopback_is_up_and_nothing_else_is_there(world: &World) -> Verdict {
    // A refused connection has been there and back; without the interface it is "unreachable".
    let script = "echo devices $(tail -n +3 /proc/net/dev | cut -d: -f1); \
                  echo answer $(bash -c 'exec 3<>/dev/tcp/127.0.0.1/1' 2>&1 | grep -o refused | head -n 1)";
    let wanted = [("main.devices", "lo"), ("main.answer", "refused")];
    tells(world, &pod_of("", script), &wanted)
}

fn shared_processes_are_the_pods_and_not_the_machines(world: &World) -> Verdict {
    let script = "echo pid $(readlink /proc/self/ns/pid); echo first $(cat /proc/1/comm); \
                  echo privileges $(grep CapEff /proc/1/status | cut -f2)";
    let output = world.ended(&pod_of("  shareProcessNamespace: true\n", script), &[], 0)?;
    has_told(&output, &[("main.first", "outrigger-reap")])?;
    let told = told(&output);
    let ours = of_this_process("pid")?;
    ensure!(
        told.get("main.pid").is_some_and(|found| *found != ours),
        "the container is among the machine's processes, in {ours}: {}",
        output.shown()
    );
    Ok(())
}

fn orphans_of_a_shared_process_namespace_are_reaped(world: &World) -> Verdict {
    let script = "(sh -c 'sleep 0.1 & sleep 0.2 &'); sleep 0.6; \
                  echo zombies $(grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l); \
                  echo sleeping $(cat /proc/[0-9]*/comm | grep -c sleep)";
    let wanted = [("main.zombies", "0"), ("main.sleeping", "0")];
    let manifest = pod_of("  shareProcessNamespace: true\n", script);
    tells(world, &manifest, &wanted)
}

fn containers_with_shared_processes_see_each_other(world: &World) -> Verdict {
    let script = "for i in $(seq 50); do found=$(grep -l ^sleep /proc/[0-9]*/comm | cut -d/ -f3 | head -n 1); \
                  test -n \"$found\" && break; sleep 0.1; done; echo asked $(tr '\\0' ' ' < /proc/$found/cmdline); kill $found";
    let other = "  - name: other\n    image: host:/\n    command: [sleep, '777']\n";
    let manifest = pod_of("  shareProcessNamespace: true\n", script) + other;
    // 128 and SIGTERM: one container has ended the other.
    let output = world.ended(&manifest, &[], 143)?;
    has_told(&output, &[("main.asked", "sleep 777")])
}

fn host_namespaces_are_the_machines_own(world: &World) -> Verdict {
    let script = "for kind in net ipc uts pid mnt cgroup; do echo $kind $(readlink /proc/self/ns/$kind); done";
    let spec = "  hostPID: true\n  hostIPC: true\n  hostNetwork: true\n";
    let output = world.ended(&pod_of(spec, script), &[], 0)?;
    let told = told(&output);
    for kind in ["net", "ipc", "uts", "pid", "mnt", "cgroup"] {
        let shared = !matches!(kind, "mnt" | "cgroup");
        let same = told.get(&format!("main.{kind}")) == Some(&of_this_process(kind)?);
        ensure!(
            same == shared,
            "{kind}: the machine's: {same}, {}",
            output.shown()
        );
    }
    Ok(())
}

fn host_ipc_shares_the_machines_shared_memory(world: &World) -> Verdict {
    let here = std::fs::metadata("/dev/shm")?;
    let here = std::os::unix::fs::MetadataExt::dev(&here).to_string();
    let script = "echo device $(stat -c %d /dev/shm)";
    tells(
        world,
        &pod_of("  hostIPC: true\n", script),
        &[("main.device", &here)],
    )?;
    let output = world.ended(&pod_of("", script), &[], 0)?;
    ensure!(
        told(&output).get("main.device") != Some(&here),
        "without hostIPC it is the machine's too: {}",
        output.shown()
    );
    Ok(())
}

fn host_network_brings_the_machines_name_and_hosts(world: &World) -> Verdict {
    let name = nix::unistd::gethostname()?.to_string_lossy().into_owned();
    let script = "echo name $(cat /proc/sys/kernel/hostname); echo header $(head -n 1 /etc/hosts); echo variable $HOSTNAME";
    let manifest = pod_of("  hostNetwork: true\n  hostname: other\n", script);
    let header = "# Kubernetes-managed hosts file (host network).";
    tells(
        world,
        &manifest,
        &[("main.name", &name), ("main.header", header)],
    )
}

fn the_name_is_cut_and_may_be_overridden(world: &World) -> Verdict {
    let script = "echo name $(cat /proc/sys/kernel/hostname); echo file $(cat /etc/hostname)";
    let long = "a".repeat(62) + "-" + &"b".repeat(20);
    let cut = "a".repeat(62);
    let manifest = pod_of("", script).replace("name: try", &format!("name: {long}"));
    tells(
        world,
        &manifest,
        &[("main.name", &cut), ("main.file", &cut)],
    )?;
    let wanted = [("main.name", "some.where"), ("main.file", "some.where")];
    tells(
        world,
        &pod_of("  hostnameOverride: some.where\n", script),
        &wanted,
    )
}

fn a_subdomain_makes_a_full_name(world: &World) -> Verdict {
    let script = "echo name $(cat /proc/sys/kernel/hostname)";
    let spec = "  hostname: one\n  subdomain: sub\n";
    tells(world, &pod_of(spec, script), &[("main.name", "one")])?;
    let full = "one.sub.default.svc.cluster.local";
    let spec = format!("{spec}  setHostnameAsFQDN: true\n");
    tells(world, &pod_of(&spec, script), &[("main.name", full)])
}

fn host_aliases_resolve(world: &World) -> Verdict {
    let spec = "  hostAliases:\n  - {ip: 10.1.2.3, hostnames: [first, second.example]}\n";
    let script = "echo first $(getent hosts first | cut -d' ' -f1); echo second $(getent hosts second.example | cut -d' ' -f1); \
                  echo mark $(grep -c 'Entries added by HostAliases.' /etc/hosts)";
    let wanted = [
        ("main.first", "10.1.2.3"),
        ("main.second", "10.1.2.3"),
        ("main.mark", "1"),
    ];
    tells(world, &pod_of(spec, script), &wanted)
}

fn own_dns_is_exactly_what_was_asked_for(world: &World) -> Verdict {
    let spec = "  dnsPolicy: None\n  dnsConfig: {nameservers: [192.0.2.1, 192.0.2.2], searches: [a.example, b.example], \
                options: [{name: ndots, value: '3'}, {name: rotate}]}\n";
    let wanted = [
        ("main.lines", "4"),
        ("main.search", "a.example b.example"),
        ("main.options", "ndots:3 rotate"),
        ("main.nameserver", "192.0.2.2"),
    ];
    tells(
        world,
        &pod_of(
            spec,
            "cat /etc/resolv.conf; echo lines $(wc -l < /etc/resolv.conf)",
        ),
        &wanted,
    )
}

fn default_dns_is_the_machines(world: &World) -> Verdict {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let server = text
        .lines()
        .find_map(|line| line.strip_prefix("nameserver "));
    let server = server.unwrap_or_default().trim();
    let script = "echo server $(grep ^nameserver /etc/resolv.conf | head -n 1 | cut -d' ' -f2)";
    tells(
        world,
        &pod_of("  dnsPolicy: Default\n", script),
        &[("main.server", server)],
    )
}

fn hosts_are_ours_unless_a_volume_takes_their_place(world: &World) -> Verdict {
    let path = world.file("hosts", "192.0.2.7 mine\n")?;
    let spec = format!(
        "  volumes:\n  - {{name: hosts, hostPath: {{path: {}, type: File}}}}\n",
        path.display()
    );
    let mount = "    volumeMounts: [{name: hosts, mountPath: /etc/hosts}]\n";
    let script = "echo lines $(wc -l < /etc/hosts); echo text $(cat /etc/hosts)";
    let manifest = pod_of(&spec, script) + mount;
    let wanted = [("main.lines", "1"), ("main.text", "192.0.2.7 mine")];
    tells(world, &manifest, &wanted)
}

fn shared_memory_is_the_pods(world: &World) -> Verdict {
    let script =
        "echo data > /dev/shm/file; echo size $(df -k --output=size /dev/shm | tail -n 1); sleep 1";
    let other = second(
        "other",
        "for i in $(seq 50); do test -s /dev/shm/file && break; sleep 0.1; done; echo read $(cat /dev/shm/file)",
    );
    let output = world.ended(&(pod_of("", script) + &other), &[], 0)?;
    ensure!(
        output.text(Source::Out).contains("read data"),
        "{}",
        output.shown()
    );
    has_told(&output, &[("main.size", "65536")])
}

/// Leaves a process behind that has left its session and closed its outputs.
const ORPHAN: &str = "setsid sh -c 'exec >/dev/null 2>&1 </dev/null; exec sleep 992' & sleep 0.3";

fn orphans_end_with_a_pod_among_the_machines_processes(world: &World) -> Verdict {
    // The leak check after the test looks for it.
    let script = format!("{ORPHAN}; echo left $(grep -l ^sleep /proc/[0-9]*/comm | grep -c .)");
    tells(
        world,
        &pod_of("  hostPID: true\n", &script),
        &[("main.left", "1")],
    )
}

fn orphans_end_with_their_container_in_a_shared_namespace(world: &World) -> Verdict {
    let script = "for i in $(seq 100); do test -e /dev/shm/over && break; sleep 0.1; done; sleep 1.5; \
                  echo left $(cat /proc/[0-9]*/comm | grep -c sleep)";
    let other = second("other", &format!("{ORPHAN}; touch /dev/shm/over"));
    let manifest = pod_of("  shareProcessNamespace: true\n", script) + &other;
    tells(world, &manifest, &[("main.left", "0")])
}
