//! What is known, and what can be done, of a Pod whose shim is there and does not answer?

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runtime_tests::daemon::{Daemon, spoken, until};
use runtime_tests::hanging::Hanging;
use runtime_tests::{Failure, Verdict, World, ensure, failed, run, status, tests};
use serde_json::{Value, json};

fn main() -> ExitCode {
    let mut tests = tests![
        a_shim_that_is_stopped_is_noticed_and_goes_on_as_if_nothing_had_been,
        a_deletion_ends_it_and_a_forced_one_at_once,
        a_daemon_that_finds_it_stopped_says_and_does_the_same,
        a_run_says_so_and_can_be_ended,
    ];
    // The kernel of the virtual machine has no FUSE, and what hangs in it is the same everywhere.
    if runtime_tests::time_scale() <= 1.0 {
        tests.extend(tests![
            a_process_that_hangs_in_the_kernel_keeps_only_its_own_pod
        ]);
    }
    run(tests)
}

const STAYS: &str = "trap 'exit 0' TERM; while :; do sleep 0.2 & wait $!; done";

/// A Pod whose container is asked all the time, and restarted at the first bad answer.
fn pod(name: &str) -> Value {
    // Shorter than any silence, and longer than a command takes on a slow machine.
    let timeout_s = if runtime_tests::time_scale() > 1.0 {
        6
    } else {
        2
    };
    let probe = |command: &str| {
        json!({"exec": {"command": ["sh", "-c", command]}, "periodSeconds": 1,
            "timeoutSeconds": timeout_s, "failureThreshold": 1})
    };
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [{
            "name": "main", "image": "host:/", "command": ["sh", "-c", STAYS],
            "livenessProbe": probe("sleep 0.3"), "readinessProbe": probe("true")}]}})
}

/// Pods that are ready.
fn ready(daemon: &Daemon, names: &[&str]) -> Result<Vec<Value>, Failure> {
    for name in names {
        let path = "/api/v1/namespaces/default/pods";
        let (code, answer) = daemon.ask("POST", path, &pod(name).to_string())?;
        ensure!(code == 201, "{code} {answer}");
    }
    let ready = |pod: &Value| status::conditions(pod).contains(&"Ready True".to_owned());
    let pods = names.iter();
    pods.map(|name| daemon.until_pod(name, "is ready", ready))
        .collect()
}

/// The words of the shim of a Pod with this in its folders.
fn shim(uid: &str) -> Result<(Pid, Vec<String>), Failure> {
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let command = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        if command.contains("--ledger") && command.contains(uid) {
            let pid = Pid::from_raw(entry.file_name().to_string_lossy().parse()?);
            return Ok((pid, command.split('\0').map(str::to_owned).collect()));
        }
    }
    Err(failed(format!("no shim of {uid}")))
}

fn uid(pod: &Value) -> &str {
    pod["metadata"]["uid"].as_str().unwrap_or("no uid")
}

/// Stops the shims of these Pods; gives their processes.
fn stop(pods: &[Value]) -> Result<Vec<Pid>, Failure> {
    let stopped = pods.iter().map(|pod| {
        let (shim, _) = shim(uid(pod))?;
        kill(shim, Signal::SIGSTOP)?;
        Ok(shim)
    });
    stopped.collect()
}

fn is_unknown(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    let of = |kind: &str| {
        let mut all = conditions.into_iter().flatten();
        all.find(|one| one["type"] == kind)
            .is_some_and(|one| one["status"] == "Unknown" && one["reason"] == "ShimUnresponsive")
    };
    of("Ready") && of("ContainersReady")
}

/// Waits for an Event of this reason about the Pod.
fn told(daemon: &Daemon, name: &str, reason: &str, kind: &str) -> Verdict {
    let mut last = Value::Null;
    let seen = until(30.0, || {
        last = daemon
            .ask("GET", "/api/v1/namespaces/default/events", "")?
            .1;
        let mut events = last["items"].as_array().into_iter().flatten();
        Ok(events.any(|event| {
            event["involvedObject"]["name"] == name
                && event["reason"] == reason
                && event["type"] == kind
        }))
    })?;
    ensure!(seen, "no Event {reason} of {name}: {last:#}");
    Ok(())
}

/// What a container is, and how often it was restarted.
fn instance(pod: &Value) -> (&Value, &Value) {
    let status = &pod["status"]["containerStatuses"][0];
    (&status["containerID"], &status["restartCount"])
}

fn a_shim_that_is_stopped_is_noticed_and_goes_on_as_if_nothing_had_been(world: &World) -> Verdict {
    let daemon = Daemon::start(world)?;
    let pods = ready(&daemon, &["stuck", "other"])?;
    let stopped = stop(&pods[..1])?;
    daemon.until_pod("stuck", "is unknown", is_unknown)?;
    told(&daemon, "stuck", "ShimUnresponsive", "Warning")?;
    let said = spoken(&mut daemon.outrigger(&["system", "info"]), None)?.ended(0)?;
    ensure!(said.contains("Not answering:   default/stuck: "), "{said}");
    for command in [&["exec", "stuck", "--", "true"][..], &["attach", "stuck"]] {
        let said = spoken(&mut daemon.outrigger(command), None)?;
        ensure!(said.code != 0, "{}", said.shown());
        said.says("the pod's shim does not answer")?;
    }
    spoken(&mut daemon.outrigger(&["logs", "stuck"]), None)?.ended(0)?;
    kill(stopped[0], Signal::SIGCONT)?;
    let goes_on = daemon.until_pod("stuck", "is ready again", |pod| {
        status::conditions(pod).contains(&"Ready True".to_owned())
    })?;
    told(&daemon, "stuck", "ShimResponsive", "Normal")?;
    // The commands that were refused have not been carried out since, and others are.
    let said = spoken(
        &mut daemon.outrigger(&["exec", "stuck", "--", "echo", "here"]),
        None,
    )?;
    said.says("here")?;
    let (now, other) = (daemon.pod("stuck")?, daemon.pod("other")?);
    for (before, after) in [(&pods[0], &goes_on), (&pods[0], &now), (&pods[1], &other)] {
        ensure!(
            instance(before) == instance(after),
            "{:#} was {:#}",
            after["status"],
            before["status"]
        );
    }
    ensure!(
        status::conditions(&other).contains(&"Ready True".to_owned()),
        "{:#}",
        other["status"]
    );
    daemon.finish()
}

fn delete(daemon: &Daemon, name: &str, query: &str) -> Verdict {
    let path = format!("/api/v1/namespaces/default/pods/{name}{query}");
    let (code, answer) = daemon.ask("DELETE", &path, "")?;
    ensure!(code == 200, "{code} {answer}");
    Ok(())
}

fn a_deletion_ends_it_and_a_forced_one_at_once(world: &World) -> Verdict {
    let daemon = Daemon::start(world)?;
    let pods = ready(&daemon, &["ordinary", "forced", "other"])?;
    stop(&pods[..2])?;
    daemon.until_pod("forced", "is unknown", is_unknown)?;
    daemon.until_pod("ordinary", "is unknown", is_unknown)?;
    delete(&daemon, "ordinary", "")?;
    delete(&daemon, "forced", "?gracePeriodSeconds=0")?;
    let gone = until(5.0, || Ok(shim(uid(&pods[1])).is_err()))?;
    ensure!(gone, "the shim is still there:\n{}", daemon.log_text());
    let waits = daemon.pod("ordinary")?;
    ensure!(
        !waits["metadata"]["deletionTimestamp"].is_null(),
        "it had ten seconds: {waits:#}"
    );
    daemon.until_pod("ordinary", "is gone", Value::is_null)?;
    let gone = until(5.0, || Ok(shim(uid(&pods[0])).is_err()))?;
    ensure!(gone, "its shim is still there");
    told(&daemon, "ordinary", "Killing", "Warning")?;
    let other = daemon.pod("other")?;
    ensure!(
        instance(&other) == instance(&pods[2]),
        "{:#}",
        other["status"]
    );
    daemon.finish()
}

fn a_daemon_that_finds_it_stopped_says_and_does_the_same(world: &World) -> Verdict {
    let mut daemon = Daemon::start(world)?;
    let pods = ready(&daemon, &["goes-on", "ordinary", "forced"])?;
    daemon.kill()?;
    let stopped = stop(&pods)?;
    // Nobody can connect with it any more.
    let (_, words) = shim(uid(&pods[2]))?;
    let socket = words.iter().skip_while(|word| *word != "--socket").nth(1);
    let socket = PathBuf::from(socket.ok_or_else(|| failed("it has no socket"))?);
    let queue = (0..9).map(|_| UnixStream::connect(&socket));
    let queue: Vec<UnixStream> = queue.collect::<Result<_, _>>()?;
    daemon.up()?;
    for name in ["goes-on", "ordinary", "forced"] {
        daemon.until_pod(name, "is unknown", is_unknown)?;
        told(&daemon, name, "ShimUnresponsive", "Warning")?;
    }
    delete(&daemon, "ordinary", "")?;
    delete(&daemon, "forced", "?gracePeriodSeconds=0")?;
    let gone = until(15.0, || Ok(shim(uid(&pods[2])).is_err()))?;
    ensure!(gone, "the shim is still there:\n{}", daemon.log_text());
    daemon.until_pod("ordinary", "is gone", Value::is_null)?;
    kill(stopped[0], Signal::SIGCONT)?;
    let goes_on = daemon.until_pod("goes-on", "is ready again", |pod| {
        status::conditions(pod).contains(&"Ready True".to_owned())
    })?;
    ensure!(
        instance(&goes_on) == instance(&pods[0]),
        "{:#}",
        goes_on["status"]
    );
    drop(queue);
    daemon.finish()
}

fn a_run_says_so_and_can_be_ended(world: &World) -> Verdict {
    let running = world.run_pod(&pod("stuck").to_string(), &[])?;
    running.wait_until("it is ready", |lines| {
        lines.iter().any(|line| line.text.contains("ready"))
    })?;
    let (shim, _) = shim(&world.state.display().to_string())?;
    kill(shim, Signal::SIGSTOP)?;
    let says = |word: &'static str| {
        running.wait_until(word, move |lines| {
            lines.iter().any(|line| line.text.contains(word))
        })
    };
    says("its shim does not answer")?;
    // The second one forces.
    running.signal(Signal::SIGINT)?;
    says("deletion is asked for")?;
    running.signal(Signal::SIGINT)?;
    says("its shim is killed")?;
    running.finish()?.ended_with(137).map(drop)
}

fn a_process_that_hangs_in_the_kernel_keeps_only_its_own_pod(world: &World) -> Verdict {
    let mut hanging = Hanging::mount(&world.work.join("hanging"))?;
    let mut daemon = Daemon::start(world)?;
    let mut stuck = pod("stuck");
    let container = &mut stuck["spec"]["containers"][0];
    container["command"] = json!(["cat", "/hanging/hang"]);
    container["volumeMounts"] = json!([{"name": "v", "mountPath": "/hanging"}]);
    stuck["spec"]["volumes"] = json!([{"name": "v", "hostPath": {"path": hanging.path}}]);
    let path = "/api/v1/namespaces/default/pods";
    let (code, answer) = daemon.ask("POST", path, &stuck.to_string())?;
    ensure!(code == 201, "{code} {answer}");
    ready(&daemon, &["other"])?;
    hanging.until_somebody_hangs()?;
    delete(&daemon, "stuck", "")?;
    delete(&daemon, "other", "")?;
    daemon.until_pod("other", "is gone", Value::is_null)?;
    told(&daemon, "stuck", "FailedSync", "Warning")?;
    let (_, events) = daemon.ask("GET", "/api/v1/namespaces/default/events", "")?;
    let text = events.to_string();
    ensure!(text.contains("was killed and does not end"), "{events:#}");
    daemon.kill()?;
    daemon.up()?;
    ready(&daemon, &["new"])?;
    let waits = daemon.pod("stuck")?;
    ensure!(
        !waits["metadata"]["deletionTimestamp"].is_null(),
        "it is not to go: {waits:#}"
    );
    hanging.answer()?;
    daemon.until_pod("stuck", "is gone", Value::is_null)?;
    daemon.finish()
}
