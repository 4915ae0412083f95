//! What does a process see from inside its container: privileges, namespaces, files, limits?

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use runtime_tests::{
    Line, Output, Source, Verdict, World, ensure, failed, pod_of, run, stage, tests,
};

fn main() -> ExitCode {
    run(tests![
        a_container_has_few_privileges,
        privileges_can_be_dropped,
        nothing_of_ours_is_open_in_a_container,
        dangerous_files_are_out_of_reach,
        containers_share_what_a_pod_shares,
        processes_are_shared_if_that_is_asked_for,
        a_user_is_who_the_manifest_says,
        a_read_only_root_cannot_be_written,
        the_pods_name_and_hosts_are_its_own,
        a_memory_volume_is_a_tmpfs_of_its_size,
        limits_stand_in_the_cgroup,
        a_read_only_mount_cannot_be_written,
    ])
}

/// `word value` of each line that the containers wrote, by `container.word`.
fn told(output: &Output) -> BTreeMap<String, String> {
    let lines = output
        .lines
        .iter()
        .filter(|line| line.source == Source::Out);
    let read = |line: &Line| {
        let (container, text) = line.text.split_once('|')?;
        let (word, value) = text.trim().split_once(char::is_whitespace)?;
        let key = format!("{}.{}", container.trim(), word.trim_end_matches(':'));
        Some((key, value.trim().to_string()))
    };
    lines.filter_map(read).collect()
}

fn expect(world: &World, manifest: &str, wanted: &[(&str, &str)]) -> Verdict {
    let output = world.ended(manifest, &[], 0)?;
    let told = told(&output);
    for (key, value) in wanted {
        let found = told.get(*key).map(String::as_str);
        ensure!(
            found == Some(*value),
            "{key} is {found:?} and should be {value:?}: {}",
            output.shown()
        );
    }
    Ok(())
}

const PRIVILEGES: &str = "grep -E '^(CapEff|CapBnd|CapAmb|NoNewPrivs)' /proc/self/status; echo score $(cat /proc/self/oom_score_adj)";

fn a_container_has_few_privileges(world: &World) -> Verdict {
    // CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE.
    let nine = "00000000000005fb";
    let wanted = [
        ("main.CapEff", nine),
        ("main.CapBnd", nine),
        ("main.CapAmb", "0000000000000000"),
        ("main.NoNewPrivs", "0"),
        ("main.score", "1000"),
    ];
    expect(world, &pod_of("", PRIVILEGES), &wanted)
}

fn privileges_can_be_dropped(world: &World) -> Verdict {
    let security = "    securityContext:\n      allowPrivilegeEscalation: false\n      capabilities: {drop: [ALL], add: [KILL]}\n";
    let wanted = [
        ("main.CapEff", "0000000000000020"),
        ("main.CapBnd", "0000000000000020"),
        ("main.NoNewPrivs", "1"),
    ];
    expect(world, &(pod_of("", PRIVILEGES) + security), &wanted)
}

fn nothing_of_ours_is_open_in_a_container(world: &World) -> Verdict {
    // Process 1 becomes `cat`, which has opened nothing until the queue is written; a shell would.
    let script = "mkfifo /tmp/end; (until readlink /proc/1/exe | grep -q cat; do sleep 0.05; done; \
                  ls /proc/1/fd > /tmp/open; echo open $(cat /tmp/open); echo folder $(readlink /proc/1/cwd); \
                  echo variables $(env | grep -c OUTRIGGER); echo > /tmp/end) & exec cat /tmp/end";
    expect(
        world,
        &pod_of("", script),
        &[
            ("main.open", "0 1 2"),
            ("main.folder", "/"),
            ("main.variables", "0"),
        ],
    )
}

fn dangerous_files_are_out_of_reach(world: &World) -> Verdict {
    let script = "for file in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /sys/kernel/uevent_helper; do \
                  (echo x > $file) 2>/dev/null && echo written $file; done; \
                  for file in /proc/kcore /proc/keys /proc/timer_list; do \
                  test -e $file && test -n \"$(head -c 1 $file 2>/dev/null | tr '\\0' z)\" && echo read $file; done; \
                  ls /sys/firmware 2>/dev/null | head -n 1 | sed 's/^/read firmware /'; \
                  mount -t tmpfs none /mnt 2>/dev/null && echo mounted /mnt; echo end reached";
    let output = world.ended(&pod_of("", script), &[], 0)?;
    let text = output.text(Source::Out);
    ensure!(text.contains("end reached"), "{}", output.shown());
    for word in ["written", "read ", "mounted"] {
        ensure!(!text.contains(word), "{word}: {}", output.shown());
    }
    Ok(())
}

const NAMESPACES: &str = "for kind in net ipc uts pid mnt cgroup; do echo $kind $(readlink /proc/self/ns/$kind); done; sleep 0.3";

fn namespaces_of_two(
    world: &World,
    spec: &str,
) -> Result<BTreeMap<String, String>, runtime_tests::Failure> {
    let script = serde_json::Value::from(NAMESPACES);
    let second = format!("  - name: other\n    image: host:/\n    command: [sh, -c, {script}]\n");
    let output = world.ended(&(pod_of(spec, NAMESPACES) + &second), &[], 0)?;
    Ok(told(&output))
}

fn containers_share_what_a_pod_shares(world: &World) -> Verdict {
    let told = namespaces_of_two(world, "")?;
    let of = |container: &str, kind: &str| {
        told.get(&format!("{container}.{kind}"))
            .cloned()
            .unwrap_or_default()
    };
    for kind in ["net", "ipc", "uts", "pid", "mnt", "cgroup"] {
        let (main, other) = (of("main", kind), of("other", kind));
        let ours = std::fs::read_link(format!("/proc/self/ns/{kind}"))?
            .display()
            .to_string();
        ensure!(
            !main.is_empty() && main != ours,
            "{kind}: the container is in our own, {ours}"
        );
        let shared = matches!(kind, "net" | "ipc" | "uts");
        ensure!(
            (main == other) == shared,
            "{kind}: {main} and {other}, shared should be {shared}"
        );
    }
    Ok(())
}

fn processes_are_shared_if_that_is_asked_for(world: &World) -> Verdict {
    let told = namespaces_of_two(world, "  shareProcessNamespace: true\n")?;
    ensure!(
        told.contains_key("main.pid") && told.get("main.pid") == told.get("other.pid"),
        "{told:?}"
    );
    Ok(())
}

fn a_user_is_who_the_manifest_says(world: &World) -> Verdict {
    let spec = "  securityContext: {runAsUser: 1234, runAsGroup: 2345, supplementalGroups: [77], fsGroup: 88}\n  volumes:\n  \
                - {name: data, emptyDir: {}}\n";
    let mount = "    volumeMounts:\n    - {name: data, mountPath: /data}\n";
    let script = "echo user $(id -u); echo group $(id -g); echo groups $(id -G | tr ' ' '\\n' | sort -n | tr '\\n' ' '); \
                  touch /data/file && echo file $(stat -c %g /data/file); grep CapEff /proc/self/status";
    let wanted = [
        ("main.user", "1234"),
        ("main.group", "2345"),
        ("main.groups", "77 88 2345"),
        ("main.file", "88"),
        ("main.CapEff", "0000000000000000"),
    ];
    expect(world, &(pod_of(spec, script) + mount), &wanted)
}

fn a_read_only_root_cannot_be_written(world: &World) -> Verdict {
    let security = "    securityContext: {readOnlyRootFilesystem: true}\n";
    let script = "touch /etc/x 2>/dev/null && echo written /etc; echo end reached; test -w /dev/shm && echo shared memory";
    let output = world.ended(&(pod_of("", script) + security), &[], 0)?;
    let text = output.text(Source::Out);
    ensure!(
        !text.contains("written") && text.contains("shared memory"),
        "{}",
        output.shown()
    );
    Ok(())
}

fn the_pods_name_and_hosts_are_its_own(world: &World) -> Verdict {
    let script = "echo name $(hostname); echo file $(cat /etc/hostname); echo header $(head -n 1 /etc/hosts); \
                  echo localhost $(grep -c '^127.0.0.1.*localhost' /etc/hosts)";
    let wanted = [
        ("main.name", "try"),
        ("main.file", "try"),
        ("main.localhost", "1"),
    ];
    expect(world, &pod_of("", script), &wanted)
}

fn a_memory_volume_is_a_tmpfs_of_its_size(world: &World) -> Verdict {
    let spec = "  volumes:\n  - name: data\n    emptyDir: {medium: Memory, sizeLimit: 1Mi}\n";
    let mount = "    volumeMounts:\n    - {name: data, mountPath: /data}\n";
    let script = "echo kind $(stat -fc %T /data); head -c 2000000 /dev/zero > /data/big 2>/dev/null; echo size $(stat -c %s /data/big)";
    expect(
        world,
        &(pod_of(spec, script) + mount),
        &[("main.kind", "tmpfs"), ("main.size", "1048576")],
    )
}

fn limits_stand_in_the_cgroup(world: &World) -> Verdict {
    let resources = "    resources:\n      limits: {memory: 64Mi, cpu: 500m}\n";
    let manifest = pod_of(
        "",
        "trap 'exit 0' TERM; echo up; while :; do sleep 1000 & wait $!; done",
    ) + resources;
    let running = world.run_pod(&manifest, &[])?;
    running.wait_until("the main is up", |lines| {
        lines
            .iter()
            .any(|line| line.text.contains("up") && line.source == Source::Out)
    })?;
    let folders = stage::cgroup_folders(&world.cgroup);
    let read = |file: &str| -> Vec<String> {
        let read = |folder: &Path| std::fs::read_to_string(folder.join(file)).ok();
        folders
            .iter()
            .filter_map(|folder| read(folder))
            .map(|text| text.trim().to_string())
            .collect()
    };
    let memory = [read("memory.limit_in_bytes"), read("memory.max")].concat();
    let quota = [read("cpu.cfs_quota_us"), read("cpu.max")].concat();
    running.signal(nix::sys::signal::Signal::SIGINT)?;
    running.finish()?.ended_with(0)?;
    // Pod and container both have it.
    let with = |all: &[String], value: &str| {
        all.iter()
            .filter(|found| found.split(' ').next() == Some(value))
            .count()
    };
    ensure!(with(&memory, "67108864") >= 2, "memory limits: {memory:?}");
    ensure!(with(&quota, "50000") >= 2, "cpu quotas: {quota:?}");
    Ok(())
}

fn a_read_only_mount_cannot_be_written(world: &World) -> Verdict {
    let shared = world.work.join("shared");
    std::fs::create_dir(&shared)?;
    std::fs::write(shared.join("file"), "from outside")?;
    let folder = shared
        .to_str()
        .ok_or_else(|| failed("the path is not UTF-8"))?;
    let spec =
        format!("  volumes:\n  - name: data\n    hostPath: {{path: {folder}, type: Directory}}\n");
    let mounts = "    volumeMounts:\n    - {name: data, mountPath: /ro, readOnly: true}\n    - {name: data, mountPath: /rw}\n";
    let script = "echo read $(cat /ro/file); touch /ro/new 2>/dev/null && echo written ro; touch /rw/new && echo done rw";
    let output = world.ended(&(pod_of(&spec, script) + mounts), &[], 0)?;
    let told = told(&output);
    ensure!(
        !told.contains_key("main.written"),
        "the read-only mount was written: {}",
        output.shown()
    );
    ensure!(
        told.contains_key("main.done") && shared.join("new").exists(),
        "{}",
        output.shown()
    );
    Ok(())
}
