//! What do requests and limits become: cgroups, their files, scores, and ends by the kernel?

use std::path::PathBuf;
use std::process::ExitCode;

use nix::sys::signal::Signal;
use runtime_tests::told::{has_told, tells, told};
use runtime_tests::{
    Failure, Source, Verdict, World, ensure, failed, pod_of, run, stage, status, tests,
};

fn main() -> ExitCode {
    run(tests![
        each_class_has_its_place_in_the_tree,
        limits_of_a_burstable_pod_stand_in_its_cgroups,
        a_best_effort_pod_has_no_limits,
        limits_of_the_pod_bind_containers_without_their_own,
        a_container_sees_only_its_own_cgroups,
        scores_follow_the_requests,
        memory_that_a_child_takes_ends_as_the_kernel_has_it,
        memory_that_the_first_process_takes_ends_the_container,
        the_pods_limit_binds_a_container_without_one,
        cpu_limits_slow_down,
        a_fork_bomb_ends_with_its_pod,
    ])
}

/// Runs a Pod until its main says `up`, and gives the folders of its cgroups and what they hold.
fn while_it_runs<T>(
    world: &World,
    spec: &str,
    container: &str,
    look: impl Fn(&[PathBuf]) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let script = "trap 'exit 0' TERM; echo up; while :; do sleep 1000 & wait $!; done";
    let running = world.run_pod(&(pod_of(spec, script) + container), &[])?;
    running.wait_until("the main is up", |lines| {
        lines
            .iter()
            .any(|line| line.source == Source::Out && line.text.ends_with("up"))
    })?;
    let seen = look(&stage::cgroup_folders(&world.cgroup));
    running.signal(Signal::SIGINT)?;
    running.finish()?;
    seen
}

/// The values of the first of these files that is there, in the Pod's and the container's cgroup.
fn values(folders: &[PathBuf], names: [&str; 2]) -> (String, String) {
    let (mut of_pod, mut of_container) = (String::new(), String::new());
    for folder in folders {
        let text = names
            .iter()
            .find_map(|name| std::fs::read_to_string(folder.join(name)).ok());
        let Some(text) = text else { continue };
        let is_pod = |folder: &std::path::Path| {
            folder
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("pod"))
        };
        if is_pod(folder) {
            of_pod = text.trim().to_string();
        } else if folder.parent().is_some_and(is_pod) {
            of_container = text.trim().to_string();
        }
    }
    (of_pod, of_container)
}

/// It forks until it is refused, which must be long before the machine is out of processes; that
/// nothing of it is left is what the check for leaks says.
fn a_fork_bomb_ends_with_its_pod(world: &World) -> Verdict {
    let bomb = "n=0; while [ $n -lt 3000 ]; do sleep 1000 & n=$((n+1)); done; echo forked all";
    // The shell gives up with 2 when it cannot fork.
    world.ended(&pod_of("", bomb), &[], 2).map(|_| ())
}

fn each_class_has_its_place_in_the_tree(world: &World) -> Verdict {
    for (resources, class) in [
        ("", "besteffort/pod"),
        ("    resources: {requests: {cpu: 10m}}\n", "burstable/pod"),
        (
            "    resources: {limits: {cpu: 100m, memory: 64Mi}}\n",
            "/pod",
        ),
    ] {
        let place = if class == "/pod" {
            format!("{}/pod", world.cgroup)
        } else {
            format!("{}/{class}", world.cgroup)
        };
        let all = while_it_runs(world, "", resources, |folders| Ok(folders.to_vec()))?;
        ensure!(
            all.iter()
                .any(|folder| folder.to_string_lossy().contains(&place)),
            "{place} is not among {all:?}"
        );
    }
    Ok(())
}

fn limits_of_a_burstable_pod_stand_in_its_cgroups(world: &World) -> Verdict {
    let resources =
        "    resources: {requests: {cpu: 250m, memory: 32Mi}, limits: {cpu: 500m, memory: 64Mi}}\n";
    while_it_runs(world, "", resources, |folders| {
        let bytes = "67108864".to_string();
        let memory = values(folders, ["memory.limit_in_bytes", "memory.max"]);
        ensure!(memory == (bytes.clone(), bytes), "memory: {memory:?}");
        let quota = values(folders, ["cpu.cfs_quota_us", "cpu.max"]);
        for found in [&quota.0, &quota.1] {
            ensure!(
                found == "50000" || found == "50000 100000",
                "quota: {quota:?}"
            );
        }
        let shares = values(folders, ["cpu.shares", "cpu.weight"]);
        // 256 shares are a weight of 35 on v2.
        ensure!(
            shares == ("256".into(), "256".into()) || shares == ("35".into(), "35".into()),
            "shares: {shares:?}"
        );
        Ok(())
    })
}

fn a_best_effort_pod_has_no_limits(world: &World) -> Verdict {
    while_it_runs(world, "", "", |folders| {
        let memory = values(folders, ["memory.limit_in_bytes", "memory.max"]);
        for found in [&memory.0, &memory.1] {
            let unlimited =
                found == "max" || found.parse::<u64>().is_ok_and(|bytes| bytes > 1 << 60);
            ensure!(unlimited, "memory: {memory:?}");
        }
        let shares = values(folders, ["cpu.shares", "cpu.weight"]);
        ensure!(
            matches!(shares.0.as_str(), "2" | "1") && matches!(shares.1.as_str(), "2" | "1"),
            "shares: {shares:?}"
        );
        Ok(())
    })
}

fn limits_of_the_pod_bind_containers_without_their_own(world: &World) -> Verdict {
    let spec = "  resources: {limits: {memory: 48Mi, cpu: 300m}}\n";
    while_it_runs(world, spec, "", |folders| {
        let bytes = "50331648".to_string();
        let memory = values(folders, ["memory.limit_in_bytes", "memory.max"]);
        ensure!(memory == (bytes.clone(), bytes), "memory: {memory:?}");
        let quota = values(folders, ["cpu.cfs_quota_us", "cpu.max"]);
        ensure!(quota.0.starts_with("30000"), "quota: {quota:?}");
        Ok(())
    })
}

fn a_container_sees_only_its_own_cgroups(world: &World) -> Verdict {
    let script = "echo limit $(cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null); \
                  echo paths $(cut -d: -f3 /proc/self/cgroup | sort -u); (mkdir /sys/fs/cgroup/mine || mkdir /sys/fs/cgroup/memory/mine) 2>/dev/null && echo made one; \
                  echo outside $(find /sys/fs/cgroup -mindepth 2 -name cgroup.procs -path '*/*/*/cgroup.procs' 2>/dev/null | grep -v '^/sys/fs/cgroup/[a-z_,]*/cgroup.procs' | head -n 3)";
    let manifest = pod_of("", script) + "    resources: {limits: {memory: 64Mi}}\n";
    let output = world.ended(&manifest, &[], 0)?;
    has_told(
        &output,
        &[
            ("main.limit", "67108864"),
            ("main.paths", "/"),
            ("main.outside", ""),
        ],
    )?;
    ensure!(
        !told(&output).contains_key("main.made"),
        "{}",
        output.shown()
    );
    Ok(())
}

fn scores_follow_the_requests(world: &World) -> Verdict {
    let script = "echo score $(cat /proc/self/oom_score_adj)";
    tells(world, &pod_of("", script), &[("main.score", "1000")])?;
    let manifest = pod_of("", script) + "    resources: {requests: {memory: 1Mi}}\n";
    tells(world, &manifest, &[("main.score", "999")])?;
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let total_kib: u64 = text
        .split_whitespace()
        .nth(1)
        .and_then(|word| word.parse().ok())
        .ok_or_else(|| failed("no MemTotal"))?;
    let quarter = total_kib / 4;
    let score = 1000 - (1000 * quarter) / total_kib;
    let manifest =
        pod_of("", script) + &format!("    resources: {{requests: {{memory: {quarter}Ki}}}}\n");
    tells(world, &manifest, &[("main.score", &score.to_string())])
}

const MEMORY: &str = "    resources: {limits: {memory: 32Mi}}\n";

fn memory_that_a_child_takes_ends_as_the_kernel_has_it(world: &World) -> Verdict {
    let script = "tail /dev/zero; echo child $?";
    let running = world.run_pod(&(pod_of("", script) + MEMORY), &[])?;
    let output = running.finish()?;
    let pod = output.status.as_ref().ok_or_else(|| failed("no status"))?;
    let state = status::containers(pod).join("");
    // With v2 the whole group goes, with v1 the one that was too big, as under a kubelet.
    let whole = std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    if whole {
        ensure!(
            state.starts_with("main: terminated OOMKilled 137"),
            "{state}: {}",
            output.shown()
        );
        return Ok(());
    }
    ensure!(state.starts_with("main: terminated "), "{state}");
    has_told(&output, &[("main.child", "137")])
}

fn memory_that_the_first_process_takes_ends_the_container(world: &World) -> Verdict {
    let output = world.ended(&(pod_of("", "exec tail /dev/zero") + MEMORY), &[], 137)?;
    let pod = output.status.as_ref().ok_or_else(|| failed("no status"))?;
    let state = status::containers(pod).join("");
    ensure!(
        state.starts_with("main: terminated OOMKilled 137"),
        "{state}: {}",
        output.shown()
    );
    ensure!(
        output.text(Source::Err).contains("memory"),
        "the reason is not told: {}",
        output.shown()
    );
    Ok(())
}

fn the_pods_limit_binds_a_container_without_one(world: &World) -> Verdict {
    let spec = "  resources: {limits: {memory: 32Mi}}\n";
    let output = world.ended(&pod_of(spec, "exec tail /dev/zero"), &[], 137)?;
    ensure!(
        output.took < runtime_tests::at_most_s(20.0),
        "{}",
        output.shown()
    );
    Ok(())
}

fn cpu_limits_slow_down(world: &World) -> Verdict {
    // A tenth of a processor: half a second of work takes about five.
    let script = "timeout 2 sh -c 'while :; do :; done'; cat /sys/fs/cgroup/cpu/cpu.stat /sys/fs/cgroup/cpu.stat 2>/dev/null; true";
    let manifest = pod_of("", script) + "    resources: {limits: {cpu: 100m}}\n";
    let output = world.ended(&manifest, &[], 0)?;
    let throttled: u64 = told(&output)
        .get("main.nr_throttled")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    ensure!(
        throttled >= 5,
        "throttled {throttled} times: {}",
        output.shown()
    );
    Ok(())
}
