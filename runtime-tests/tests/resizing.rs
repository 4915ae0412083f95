//! Do requests and limits change while containers run: in their cgroups, in the Pod's, in the right order?

use std::path::PathBuf;
use std::process::ExitCode;

use runtime_tests::daemon::{Daemon, until};
use runtime_tests::{Failure, Verdict, World, ensure, failed, run, stage, tests};
use serde_json::{Value, json};

fn main() -> ExitCode {
    run(tests![
        containers_and_their_pod_grow_and_shrink_together,
        memory_that_is_in_use_is_not_taken_away_and_keeps_nobody_else_waiting,
        a_container_that_must_be_restarted_finds_room_in_its_pod,
        limits_can_be_changed_after_the_daemon_was_killed,
    ])
}

const POD: &str = "/api/v1/namespaces/default/pods/web";
const MIB: i64 = 1 << 20;
const STAYS: &str = "trap 'exit 0' TERM; while :; do sleep 0.2 & wait $!; done";

/// Requests and limits alike.
fn sizes(cpu_milli: i64, memory_mib: i64) -> Value {
    let all = json!({"cpu": format!("{cpu_milli}m"), "memory": format!("{memory_mib}Mi")});
    json!({"requests": all, "limits": all})
}

fn container(name: &str, script: &str, sizes: &Value) -> Value {
    json!({"name": name, "image": "host:/", "command": ["sh", "-c", script], "resources": sizes})
}

fn start(daemon: &Daemon, containers: &[Value]) -> Result<Value, Failure> {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": containers}});
    let pods = "/api/v1/namespaces/default/pods";
    let (code, answer) = daemon.ask("POST", pods, &pod.to_string())?;
    ensure!(code == 201, "{code} {answer}");
    daemon.until_pod("web", "readiness", |pod| {
        let mut all = (0..containers.len()).map(|i| &pod["status"]["containerStatuses"][i]);
        all.all(|one| one["ready"] == true)
    })
}

/// Asks for other sizes of the containers, by their places in the manifest.
fn resize(daemon: &Daemon, new: &[(usize, Value)]) -> Verdict {
    let mut last = (0, String::new());
    // The node may show a new status between the question and the answer.
    let done = until(10.0, || {
        let mut pod = daemon.pod("web")?;
        for (index, sizes) in new {
            pod["spec"]["containers"][index]["resources"] = sizes.clone();
        }
        let (code, answer) = daemon.ask("PUT", &format!("{POD}/resize"), &pod.to_string())?;
        last = (code, answer.to_string());
        Ok(code != 409)
    })?;
    ensure!(done && last.0 == 200, "{last:?}");
    Ok(())
}

/// CPU quota in a tenth of a second, and memory, as one cgroup has them.
type Limits = (i64, i64);

const fn limits(cpu_milli: i64, memory_mib: i64) -> Limits {
    (cpu_milli * 100, memory_mib * MIB)
}

/// What the cgroups below `folder` have: `None` is the Pod's own, others are named by their container's id.
fn limits_of(world: &World, pod: &Value, id: Option<&str>) -> Result<Limits, Failure> {
    let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
    let end: PathBuf = match id {
        None => format!("pod{uid}").into(),
        Some(id) => format!("pod{uid}/{id}").into(),
    };
    let folders = stage::cgroup_folders(&world.cgroup);
    let number = |names: [&str; 2]| {
        let own = folders.iter().filter(|folder| folder.ends_with(&end));
        let files = own.flat_map(|folder| names.map(|name| folder.join(name)));
        let mut texts = files.filter_map(|file| std::fs::read_to_string(file).ok());
        let text = texts.next()?;
        text.split_whitespace().next()?.parse().ok()
    };
    let quota = number(["cpu.max", "cpu.cfs_quota_us"]);
    let memory = number(["memory.max", "memory.limit_in_bytes"]);
    quota.zip(memory).ok_or_else(|| {
        failed(format!(
            "no limits of {}: {quota:?} {memory:?}",
            end.display()
        ))
    })
}

fn id(pod: &Value, index: usize) -> &str {
    let id = pod["status"]["containerStatuses"][index]["containerID"].as_str();
    id.and_then(|id| id.rsplit('/').next()).unwrap_or("no id")
}

/// Waits until the Pod's cgroup and those of its containers have these limits.
fn has(daemon: &Daemon, world: &World, whole: Limits, each: &[Limits]) -> Verdict {
    let mut found = None;
    let mut pod = Value::Null;
    let so = until(30.0, || {
        pod = daemon.pod("web")?;
        let own = limits_of(world, &pod, None).ok();
        let all = (0..each.len()).map(|i| limits_of(world, &pod, Some(id(&pod, i))).ok());
        let all: Vec<Option<Limits>> = all.collect();
        let wanted: Vec<Option<Limits>> = each.iter().copied().map(Some).collect();
        let so = own == Some(whole) && all == wanted;
        found = Some((own, all));
        Ok(so)
    })?;
    ensure!(
        so,
        "{whole:?} {each:?} were expected, and there are {found:?}\n{:#}\n{}",
        pod["status"],
        daemon.log_end()
    );
    Ok(())
}

/// The same instances as before, and not one restarted.
fn went_on(before: &Value, after: &Value) -> Verdict {
    for index in 0..2 {
        ensure!(
            id(before, index) == id(after, index)
                && after["status"]["containerStatuses"][index]["restartCount"] == 0,
            "{:#}",
            after["status"]
        );
    }
    Ok(())
}

/// Waits until the status says that all of it has been done.
fn is_done(daemon: &Daemon, memory: &str) -> Result<Value, Failure> {
    daemon.until_pod("web", "the end of the resize", |pod| {
        let conditions = pod["status"]["conditions"].as_array();
        let mut all = conditions.into_iter().flatten();
        let first = &pod["status"]["containerStatuses"][0]["resources"]["limits"]["memory"];
        !all.any(|one| one["type"] == "PodResizeInProgress") && *first == memory
    })
}

fn containers_and_their_pod_grow_and_shrink_together(world: &World) -> Verdict {
    let daemon = Daemon::start(world)?;
    let small = sizes(200, 64);
    let before = start(
        &daemon,
        &[container("a", STAYS, &small), container("b", STAYS, &small)],
    )?;
    has(&daemon, world, limits(400, 128), &[limits(200, 64); 2])?;
    resize(&daemon, &[(0, sizes(300, 96))])?;
    has(
        &daemon,
        world,
        limits(500, 160),
        &[limits(300, 96), limits(200, 64)],
    )?;
    // One shrinks while the other grows.
    resize(&daemon, &[(0, sizes(100, 48)), (1, sizes(600, 128))])?;
    let each = [limits(100, 48), limits(600, 128)];
    has(&daemon, world, limits(700, 176), &each)?;
    resize(&daemon, &[(0, sizes(50, 40)), (1, sizes(50, 40))])?;
    has(&daemon, world, limits(100, 80), &[limits(50, 40); 2])?;
    went_on(&before, &is_done(&daemon, "40Mi")?)?;
    daemon.finish()
}

/// A variable of 30 MB, which no kernel can take back.
const HOLDS: &str = "x=$(head -c 30000000 /dev/zero | tr '\\0' x); echo up; touch /tmp/up; \
    trap 'exit 0' TERM; while :; do sleep 0.2 & wait $!; done";

fn memory_that_is_in_use_is_not_taken_away_and_keeps_nobody_else_waiting(world: &World) -> Verdict {
    let daemon = Daemon::start(world)?;
    let mut holds = container("a", HOLDS, &sizes(500, 128));
    holds["readinessProbe"] =
        json!({"exec": {"command": ["test", "-e", "/tmp/up"]}, "periodSeconds": 1});
    let other = container("b", STAYS, &sizes(100, 64));
    let before = start(&daemon, &[holds, other])?;
    has(
        &daemon,
        world,
        limits(600, 192),
        &[limits(500, 128), limits(100, 64)],
    )?;
    resize(&daemon, &[(0, sizes(500, 16)), (1, sizes(100, 96))])?;
    // The Pod keeps what the first one keeps, and has what the second one has got.
    has(
        &daemon,
        world,
        limits(600, 224),
        &[limits(500, 128), limits(100, 96)],
    )?;
    let told = daemon.until_pod("web", "the refusal", |pod| {
        let conditions = pod["status"]["conditions"].as_array();
        let mut all = conditions.into_iter().flatten();
        all.any(|one| {
            one["type"] == "PodResizeInProgress"
                && one["reason"] == "Error"
                && one["message"]
                    .as_str()
                    .is_some_and(|text| text.contains("in use"))
        })
    })?;
    went_on(&before, &told)?;
    // It is asked for less at once, though the one before is tried again only later.
    resize(&daemon, &[(0, sizes(500, 96))])?;
    has(
        &daemon,
        world,
        limits(600, 192),
        &[limits(500, 96), limits(100, 96)],
    )?;
    went_on(&before, &is_done(&daemon, "96Mi")?)?;
    daemon.finish()
}

fn a_container_that_must_be_restarted_finds_room_in_its_pod(world: &World) -> Verdict {
    let daemon = Daemon::start(world)?;
    let mut main = container("a", STAYS, &sizes(100, 32));
    main["resizePolicy"] = json!([{"resourceName": "memory", "restartPolicy": "RestartContainer"}]);
    start(&daemon, &[main, container("b", STAYS, &sizes(100, 32))])?;
    resize(&daemon, &[(0, sizes(100, 128))])?;
    let each = [limits(100, 128), limits(100, 32)];
    has(&daemon, world, limits(200, 160), &each)?;
    let after = is_done(&daemon, "128Mi")?;
    let statuses = &after["status"]["containerStatuses"];
    ensure!(
        statuses[0]["restartCount"] == 1 && statuses[1]["restartCount"] == 0,
        "{statuses:#}"
    );
    daemon.finish()
}

fn limits_can_be_changed_after_the_daemon_was_killed(world: &World) -> Verdict {
    let mut daemon = Daemon::start(world)?;
    let small = sizes(100, 32);
    let before = start(
        &daemon,
        &[container("a", STAYS, &small), container("b", STAYS, &small)],
    )?;
    resize(&daemon, &[(0, sizes(100, 64))])?;
    daemon.kill()?;
    daemon.up()?;
    has(
        &daemon,
        world,
        limits(200, 96),
        &[limits(100, 64), limits(100, 32)],
    )?;
    daemon.kill()?;
    daemon.up()?;
    resize(&daemon, &[(0, sizes(100, 32))])?;
    has(&daemon, world, limits(200, 64), &[limits(100, 32); 2])?;
    went_on(&before, &is_done(&daemon, "32Mi")?)?;
    daemon.finish()
}
