//! Are Pods that an earlier revision of the daemon started taken up, used and deleted by this one?
//!
//! `OUTRIGGER_OLD_BIN`: the earlier revision's program, which `scripts/upgrade REVISION` builds. Without it the program
//! under test takes over from itself.

use std::process::ExitCode;

use runtime_tests::daemon::{Daemon, spoken};
use runtime_tests::{Failure, Verdict, World, ensure, failed, run, tests};
use serde_json::{Value, json};

fn main() -> ExitCode {
    run(tests![
        pods_of_an_earlier_revision_are_taken_up_used_and_deleted
    ])
}

const PODS: &str = "/api/v1/namespaces/default/pods";
const STAYS: &str = "trap 'exit 0' TERM; while :; do sleep 0.2 & wait $!; done";

/// Everything that a shim and a record have to tell of: an init container, one beside the main one, probes, hooks, volumes.
fn stays(told: &str) -> Value {
    let mounts =
        json!([{"name": "cache", "mountPath": "/cache"}, {"name": "told", "mountPath": "/told"}]);
    let look = json!({"exec": {"command": ["test", "-e", "/cache/ready"]}, "periodSeconds": 1, "failureThreshold": 1});
    let hooks = json!({
        "postStart": {"exec": {"command": ["touch", "/cache/ready"]}},
        "preStop": {"exec": {"command": ["touch", "/told/stopped"]}},
    });
    let alive = json!({"exec": {"command": ["true"]}, "periodSeconds": 1});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stays"}, "spec": {
        "terminationGracePeriodSeconds": 5,
        "initContainers": [
            {"name": "first", "image": "host:/", "command": ["cp", "/settings/greeting", "/cache/greeting"],
                "volumeMounts": [mounts[0], {"name": "settings", "mountPath": "/settings"}]},
            {"name": "beside", "image": "host:/", "restartPolicy": "Always", "command": ["sh", "-c", STAYS],
                "startupProbe": alive, "livenessProbe": alive}],
        "containers": [{"name": "main", "image": "host:/", "command": ["sh", "-c", format!("echo up; {STAYS}")],
            "readinessProbe": look, "lifecycle": hooks, "volumeMounts": mounts,
            "env": [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "password", "key": "it"}}}]}],
        "volumes": [{"name": "cache", "emptyDir": {}}, {"name": "settings", "configMap": {"name": "settings"}},
            {"name": "told", "hostPath": {"path": told, "type": "Directory"}}]}})
}

/// One that has ended, and must not run again.
fn done(told: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "done"}, "spec": {
        "restartPolicy": "Never",
        "containers": [{"name": "main", "image": "host:/", "command": ["sh", "-c", "echo ran >> /told/done; exit 3"],
            "volumeMounts": [{"name": "told", "mountPath": "/told"}]}],
        "volumes": [{"name": "told", "hostPath": {"path": told, "type": "Directory"}}]}})
}

/// One that ended while no daemon ran.
fn ends(told: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ends"}, "spec": {
        "restartPolicy": "Never",
        "containers": [{"name": "main", "image": "host:/",
            "command": ["sh", "-c", "until test -e /told/go; do sleep 0.1; done; touch /told/gone; exit 7"],
            "volumeMounts": [{"name": "told", "mountPath": "/told"}]}],
        "volumes": [{"name": "told", "hostPath": {"path": told, "type": "Directory"}}]}})
}

fn post(daemon: &Daemon, path: &str, object: &Value) -> Verdict {
    let (code, answer) = daemon.ask("POST", path, &object.to_string())?;
    ensure!(code == 201, "{code} {answer}");
    Ok(())
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.is_some_and(|all| {
        all.iter()
            .any(|one| one["type"] == "Ready" && one["status"] == "True")
    })
}

fn has_failed(pod: &Value) -> bool {
    pod["status"]["phase"] == "Failed"
}

/// What tells whether something was restarted: the containers, and how often and since when they run.
fn lives(pod: &Value) -> Value {
    let of = |name: &str| {
        let all = pod["status"][name].as_array().into_iter().flatten();
        let life = |one: &Value| {
            json!([
                one["name"],
                one["containerID"],
                one["restartCount"],
                one["state"],
                one["lastState"]
            ])
        };
        all.map(life).collect::<Vec<Value>>()
    };
    json!([of("initContainerStatuses"), of("containerStatuses")])
}

/// Lets the earlier revision start the Pods, and this one take over from it.
fn handed_over(world: &World) -> Result<(Daemon, Vec<Value>), Failure> {
    let told = world.work.join("told");
    std::fs::create_dir(&told)?;
    let told = told.display().to_string();
    let mut daemon = Daemon::prepared(world)?;
    if let Ok(old) = std::env::var("OUTRIGGER_OLD_BIN") {
        let script = "shift; exec \"$OUTRIGGER_OLD_BIN\" \"$@\"";
        daemon.before = ["sh", "-c", script, "sh"].map(str::to_owned).to_vec();
        println!("taken over from {old}");
    }
    daemon.up()?;
    let settings = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"greeting": "hello"}});
    let password = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "password"}, "stringData": {"it": "secret"}});
    post(&daemon, "/api/v1/namespaces/default/configmaps", &settings)?;
    post(&daemon, "/api/v1/namespaces/default/secrets", &password)?;
    for pod in [stays(&told), done(&told), ends(&told)] {
        post(&daemon, PODS, &pod)?;
    }
    let before = vec![
        daemon.until_pod("stays", "is ready", is_ready)?,
        daemon.until_pod("done", "has failed", has_failed)?,
    ];
    daemon.until_pod("ends", "is ready", is_ready)?;
    daemon.kill()?;
    std::fs::write(world.work.join("told/go"), "")?;
    runtime_tests::daemon::until(20.0, || Ok(world.work.join("told/gone").exists()))?;
    daemon.before.clear();
    daemon.up()?;
    Ok((daemon, before))
}

fn pods_of_an_earlier_revision_are_taken_up_used_and_deleted(world: &World) -> Verdict {
    let (daemon, before) = handed_over(world)?;
    let after = daemon.until_pod("stays", "is ready", is_ready)?;
    ensure!(
        lives(&after) == lives(&before[0]),
        "{:#} was {:#}",
        after["status"],
        before[0]["status"]
    );
    let ended = daemon.until_pod("done", "has failed", has_failed)?;
    ensure!(lives(&ended) == lives(&before[1]), "{:#}", ended["status"]);
    let ended = daemon.until_pod("ends", "has failed", has_failed)?;
    let code = &ended["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"];
    ensure!(*code == 7, "{:#}", ended["status"]);

    let inside = |daemon: &Daemon, script: &str| {
        let command = ["exec", "stays", "-c", "main", "--", "sh", "-c", script];
        spoken(&mut daemon.outrigger(&command), None)?.ended(0)
    };
    let told = inside(&daemon, "cat /cache/greeting; echo \" $PASSWORD\"")?;
    ensure!(told == "hello secret\n", "{told}");
    let logs = spoken(
        &mut daemon.outrigger(&["logs", "stays", "-c", "main"]),
        None,
    )?
    .ended(0)?;
    ensure!(logs == "up\n", "{logs}");
    // Its probes go on.
    inside(&daemon, "rm /cache/ready")?;
    daemon.until_pod("stays", "is not ready", |pod| !is_ready(pod))?;
    inside(&daemon, "touch /cache/ready")?;
    daemon.until_pod("stays", "is ready", is_ready)?;
    // A container that ends is started again, by the earlier revision's shim.
    let command = ["exec", "stays", "-c", "main", "--", "kill", "-TERM", "1"];
    // The command may be killed with its container.
    let killer = spoken(&mut daemon.outrigger(&command), None)?;
    ensure!([0, 137].contains(&killer.code), "{}", killer.shown());
    daemon.until_pod("stays", "runs again", |pod| {
        pod["status"]["containerStatuses"][0]["restartCount"] == 1 && is_ready(pod)
    })?;

    for name in ["stays", "done", "ends"] {
        spoken(&mut daemon.outrigger(&["delete", "pod", name]), None)?.ended(0)?;
    }
    let stopped = world.work.join("told/stopped");
    ensure!(stopped.exists(), "the preStop hook has not run");
    let ran = std::fs::read_to_string(world.work.join("told/done"))?;
    ensure!(ran == "ran\n", "what had ended ran again: {ran}");
    let log = daemon.log_text();
    ensure!(!log.contains("NotTakenUp"), "{log}");
    daemon
        .finish()
        .map_err(|failure| failed(format!("{failure}\n{log}")))
}
