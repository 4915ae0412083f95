//! Who waits for what a Pod's commands leave behind, where its containers wait for nobody?

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use runtime_tests::daemon::{Daemon, until};
use runtime_tests::{Failure, Verdict, World, ensure, failed, run, tests};
use serde_json::{Value, json};

fn main() -> ExitCode {
    run(tests![
        probes_that_leave_processes_fill_no_pod,
        what_people_leave_in_a_container_is_waited_for,
        a_shared_process_namespace_has_no_zombies,
    ])
}

/// A Pod whose only container waits for nobody.
fn pod(name: &str, shared: bool, probe: Option<&str>) -> Value {
    let mut container = json!({"name": "main", "image": "host:/", "command": ["sleep", "100000"],
        "volumeMounts": [{"name": "v", "mountPath": "/v"}]});
    if let Some(script) = probe {
        container["readinessProbe"] = json!({"periodSeconds": 1, "timeoutSeconds": 1,
            "exec": {"command": ["sh", "-c", script]}});
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"terminationGracePeriodSeconds": 0, "shareProcessNamespace": shared,
            "volumes": [{"name": "v", "emptyDir": {}}], "containers": [container]}})
}

fn started(daemon: &Daemon, pod: &Value) -> Result<Value, Failure> {
    let path = "/api/v1/namespaces/default/pods";
    let (code, answer) = daemon.ask("POST", path, &pod.to_string())?;
    ensure!(code == 201, "{code} {answer}");
    let name = pod["metadata"]["name"].as_str().unwrap_or("");
    daemon.until_pod(name, "runs", |pod| {
        !pod["status"]["containerStatuses"][0]["state"]["running"].is_null()
    })
}

fn namespace(process: &Path) -> Option<PathBuf> {
    std::fs::read_link(process.join("ns/pid")).ok()
}

/// The PID namespace of the container that sleeps.
fn of_the_sleeper() -> Result<PathBuf, Failure> {
    let all = std::fs::read_dir("/proc")?
        .flatten()
        .map(|entry| entry.path());
    let sleeps = |process: &PathBuf| {
        std::fs::read(process.join("cmdline")).is_ok_and(|words| words == b"sleep\x00100000\0")
    };
    let found = all.into_iter().find(sleeps).as_deref().and_then(namespace);
    found.ok_or_else(|| failed("nobody sleeps"))
}

/// The processes in a PID namespace, each with its state and name.
fn processes(wanted: &Path) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        if namespace(&entry.path()).as_deref() == Some(wanted)
            && let Some((name, rest)) = stat.rsplit_once(") ")
        {
            found.push(format!("{} {name}", rest.get(..1).unwrap_or("?")));
        }
    }
    Ok(found)
}

/// Waits until the first process and `more` are all that is left in a PID namespace.
fn only_the_sleeper_is_left(wanted: &Path, more: usize) -> Verdict {
    let mut left = Vec::new();
    let alone = until(10.0, || {
        left = processes(wanted)?;
        Ok(left.len() == 1 + more)
    })?;
    ensure!(alone, "{left:?}");
    Ok(())
}

fn probes_that_leave_processes_fill_no_pod(world: &World) -> Verdict {
    const ROUNDS: usize = 4;
    let mut daemon = Daemon::start(world)?;
    let script = "echo round >> /v/rounds; (true & true &); sleep 1000 & setsid sleep 1000";
    let pod = started(&daemon, &pod("probed", false, Some(script)))?;
    let uid = pod["metadata"]["uid"].as_str().unwrap_or("no uid");
    let rounds = daemon.root.join("pods").join(uid).join("volumes/v/rounds");
    let inside = of_the_sleeper()?;
    let reach = |wanted: usize| {
        let counted = || std::fs::read_to_string(&rounds).unwrap_or_default();
        let done = until(60.0, || Ok(counted().lines().count() >= wanted))?;
        ensure!(done, "{:?} of {wanted} rounds", counted());
        Ok(())
    };
    reach(ROUNDS)?;
    daemon.kill()?;
    daemon.up()?;
    reach(2 * ROUNDS)?;
    // The one that runs: who stands over it, a shell, two that sleep and two that are gone in a moment.
    let found = processes(&inside)?;
    ensure!(found.len() <= 1 + 6, "{found:?}");
    daemon.finish()
}

fn what_people_leave_in_a_container_is_waited_for(world: &World) -> Verdict {
    let daemon = Daemon::start(world)?;
    started(&daemon, &pod("visited", false, None))?;
    let inside = of_the_sleeper()?;
    for code in 0..4 {
        let script = format!("(true & true &); setsid sleep 1000 & sleep 1000 & exit {code}");
        let done = daemon
            .outrigger(&["exec", "visited", "--", "sh", "-c", &script])
            .output()?;
        ensure!(done.status.code() == Some(code), "{done:?}");
    }
    only_the_sleeper_is_left(&inside, 0)?;
    daemon.finish()
}

fn a_shared_process_namespace_has_no_zombies(world: &World) -> Verdict {
    let daemon = Daemon::start(world)?;
    started(&daemon, &pod("shared", true, None))?;
    let inside = of_the_sleeper()?;
    for _ in 0..4 {
        let script = "(true & true &); setsid sleep 1000 & sleep 1000 & true";
        let done = daemon
            .outrigger(&["exec", "shared", "--", "sh", "-c", script])
            .output()?;
        ensure!(done.status.success(), "{done:?}");
    }
    // Besides the sleeper there is the reaper.
    only_the_sleeper_is_left(&inside, 1)?;
    daemon.finish()
}
