//! What does a short manifest come to that means an endless text? A container that cannot be made, with a
//! reason that names the text; the daemon and all other Pods go on.

use std::process::ExitCode;

use runtime_tests::daemon::{Daemon, until};
use runtime_tests::{Verdict, World, ensure, run, tests};
use serde_json::{Value, json};

fn main() -> ExitCode {
    run(tests![
        a_value_that_doubles_thirty_times_is_a_container_error_and_the_daemon_goes_on,
        what_grows_elsewhere_is_refused_too,
        a_run_says_what_is_too_long_and_ends,
        the_longest_texts_that_the_kernel_takes_reach_the_container,
    ])
}

/// Far more than a daemon needs, and far less than the text would take.
const MEMORY: &str = "--as=2147483648";
const STAYS: &str = "trap 'exit 0' TERM; while :; do sleep 0.2 & wait $!; done";

/// A daemon whose memory has a bound, so that one without bounds of its own ends at once.
fn bounded(world: &World) -> Result<Daemon, runtime_tests::Failure> {
    let mut daemon = Daemon::prepared(world)?;
    daemon.before = vec!["prlimit".to_owned(), MEMORY.to_owned()];
    daemon.up()?;
    Ok(daemon)
}

/// A Pod with this container.
fn pod(name: &str, changes: &Value) -> Value {
    let mut container = json!({"name": "main", "image": "host:/", "command": ["sh", "-c", STAYS]});
    if let (Some(container), Some(changes)) = (container.as_object_mut(), changes.as_object()) {
        container.extend(changes.clone());
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}})
}

/// Thirty variables, each twice the one before: 16 GiB.
fn doubling() -> Value {
    let first = json!({"name": "E0", "value": "xxxxxxxxxxxxxxxx"});
    let others = (1..=30)
        .map(|n| json!({"name": format!("E{n}"), "value": format!("$(E{0})$(E{0})", n - 1)}));
    [first].into_iter().chain(others).collect()
}

fn create(daemon: &Daemon, object: &Value) -> Verdict {
    let kinds = if object["kind"] == "Pod" {
        "pods"
    } else {
        "configmaps"
    };
    let path = format!("/api/v1/namespaces/default/{kinds}");
    let (code, answer) = daemon.ask("POST", &path, &object.to_string())?;
    ensure!(code == 201, "{code} {answer}");
    Ok(())
}

fn runs(pod: &Value) -> bool {
    !pod["status"]["containerStatuses"][0]["state"]["running"].is_null()
}

/// Whether its container waits for this reason, with this in its message.
fn waits(pod: &Value, reason: &str, parts: &[&str]) -> bool {
    let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"];
    let message = waiting["message"].as_str().unwrap_or_default();
    waiting["reason"] == reason && parts.iter().all(|part| message.contains(part))
}

/// Waits for an Event about the Pod with these words.
fn told(daemon: &Daemon, name: &str, words: &[&str]) -> Verdict {
    let mut last = Value::Null;
    let seen = until(30.0, || {
        last = daemon
            .ask("GET", "/api/v1/namespaces/default/events", "")?
            .1;
        let mut events = last["items"].as_array().into_iter().flatten();
        Ok(events.any(|event| {
            let message = event["message"].as_str().unwrap_or_default();
            event["involvedObject"]["name"] == name
                && words.iter().all(|word| message.contains(word))
        }))
    })?;
    ensure!(seen, "no Event of {name} with {words:?}: {last:#}");
    Ok(())
}

fn delete(daemon: &Daemon, name: &str) -> Verdict {
    let path = format!("/api/v1/namespaces/default/pods/{name}");
    let (code, answer) = daemon.ask("DELETE", &path, "")?;
    ensure!(code == 200, "{code} {answer}");
    daemon.until_pod(name, "is gone", Value::is_null).map(drop)
}

fn a_value_that_doubles_thirty_times_is_a_container_error_and_the_daemon_goes_on(
    world: &World,
) -> Verdict {
    let mut daemon = bounded(world)?;
    create(&daemon, &pod("other", &json!({})))?;
    let other = daemon.until_pod("other", "runs", runs)?;
    create(&daemon, &pod("grows", &json!({"env": doubling()})))?;
    let refused = |pod: &Value| {
        let parts = ["env \"E13\"", "131071 bytes"];
        waits(pod, "CreateContainerConfigError", &parts)
    };
    daemon.until_pod("grows", "is refused", refused)?;
    told(
        &daemon,
        "grows",
        &["env \"E13\" would have more than 131071 bytes"],
    )?;
    // The start is open, and taken up again.
    daemon.kill()?;
    daemon.up()?;
    daemon.until_pod("grows", "is refused", refused)?;
    delete(&daemon, "grows")?;
    let now = daemon.pod("other")?;
    ensure!(
        now["status"]["containerStatuses"] == other["status"]["containerStatuses"],
        "{:#}",
        now["status"]
    );
    daemon.finish()
}

fn what_grows_elsewhere_is_refused_too(world: &World) -> Verdict {
    let daemon = bounded(world)?;
    let long = json!([{"name": "L", "value": "x".repeat(100_000)}]);
    create(
        &daemon,
        &pod("words", &json!({"env": long, "args": vec!["$(L)"; 5000]})),
    )?;
    let mut many = long.clone();
    let values = many.as_array_mut().into_iter();
    values.for_each(|many| {
        many.extend((0..5000).map(|n| json!({"name": format!("V{n}"), "value": "$(L)"})));
    });
    create(&daemon, &pod("values", &json!({"env": many})))?;
    let probe = json!({"exec": {"command": vec!["$(L)"; 5000]}, "periodSeconds": 1});
    create(
        &daemon,
        &pod("probe", &json!({"env": long, "readinessProbe": probe})),
    )?;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "large"},
        "data": {"key": "x".repeat(900_000)}});
    create(&daemon, &map)?;
    let items: Value = (0..5000)
        .map(|n| json!({"key": "key", "path": n.to_string()}))
        .collect();
    let mut volume = pod("volume", &json!({}));
    volume["spec"]["volumes"] =
        json!([{"name": "v", "configMap": {"name": "large", "items": items}}]);
    create(&daemon, &volume)?;
    for (name, part) in [("words", "of the command"), ("values", "with env \"V")] {
        daemon.until_pod(name, "is refused", |pod| {
            waits(pod, "CreateContainerConfigError", &[part, "bytes"])
        })?;
    }
    told(&daemon, "probe", &["Readiness probe errored", "bytes"])?;
    told(&daemon, "volume", &["would hold more than 64 MiB"])?;
    let probed = daemon.until_pod("probe", "runs", runs)?;
    ensure!(
        probed["status"]["containerStatuses"][0]["ready"] == false,
        "{:#}",
        probed["status"]
    );
    daemon.ask("DELETE", "/api/v1/namespaces/default/configmaps/large", "")?;
    daemon.finish()
}

fn a_run_says_what_is_too_long_and_ends(world: &World) -> Verdict {
    let manifest = pod("grows", &json!({"env": doubling()})).to_string();
    let path = world.file("grows.json", &manifest)?;
    let path = path.display().to_string();
    let output = world
        .outrigger(&["run", &path, "--timeout", "1s"])
        .finish()?
        .ended_with(124)?;
    let text = output.shown();
    ensure!(
        text.contains("env \"E13\" would have more than 131071 bytes"),
        "{text}"
    );
    Ok(())
}

fn the_longest_texts_that_the_kernel_takes_reach_the_container(world: &World) -> Verdict {
    let value = "x".repeat(131_071 - "LONG=".len());
    let mut longest = pod(
        "longest",
        &json!({
            "env": [{"name": "LONG", "value": value}],
            "command": ["sh", "-c", "echo ${#LONG} ${#0}", "$(LONG)"],
        }),
    );
    longest["spec"]["restartPolicy"] = "Never".into();
    let path = world.file("longest.json", &longest.to_string())?;
    let output = world
        .outrigger(&["run", &path.display().to_string()])
        .finish()?
        .ended_with(0)?;
    let text = output.shown();
    ensure!(text.contains("131066 131066"), "{text}");
    Ok(())
}
