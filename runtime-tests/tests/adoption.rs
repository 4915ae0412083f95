//! What does a daemon make of shims that died or do not answer, while it runs and while it does not?

use std::process::ExitCode;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runtime_tests::daemon::{Daemon, until};
use runtime_tests::{Failure, Verdict, World, ensure, failed, run, status, tests};
use serde_json::{Value, json};

fn main() -> ExitCode {
    run(tests![
        a_daemon_that_is_killed_leaves_its_pods_as_they_are,
        a_pod_whose_shim_dies_goes_on_in_a_new_one_by_its_policy,
        a_shim_that_dies_while_no_daemon_runs_is_found_missing,
        a_stopped_shim_keeps_no_other_pod_waiting,
        what_ended_while_no_daemon_ran_is_known_with_its_exit_code,
        a_pod_that_was_deleted_does_not_come_back,
        shims_are_no_part_of_the_daemons_service,
        a_pod_whose_ledger_vanished_hears_of_what_the_next_one_tells,
        what_waits_for_a_config_map_or_secret_goes_on_as_soon_as_it_comes,
    ])
}

/// A Pod with one container that runs a script.
fn pod(name: &str, policy: &str, script: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"restartPolicy": policy, "terminationGracePeriodSeconds": 1, "containers": [
            {"name": "main", "image": "host:/", "command": ["sh", "-c", script]}]}})
}

const STAYS: &str = "echo up; trap 'exit 0' TERM; while :; do sleep 0.2 & wait $!; done";

fn create(daemon: &Daemon, pod: &Value) -> Verdict {
    let path = "/api/v1/namespaces/default/pods";
    let (code, answer) = daemon.ask("POST", path, &pod.to_string())?;
    ensure!(code == 201, "{code} {answer}");
    Ok(())
}

fn runs(pod: &Value) -> bool {
    !pod["status"]["containerStatuses"][0]["state"]["running"].is_null()
}

fn started(daemon: &Daemon, pods: &[Value]) -> Result<Vec<Value>, Failure> {
    for pod in pods {
        create(daemon, pod)?;
    }
    let name = |pod: &Value| pod["metadata"]["name"].as_str().unwrap_or("").to_owned();
    let runs = |pod| daemon.until_pod(&name(pod), "runs", runs);
    pods.iter().map(runs).collect()
}

/// The shim of this Pod.
fn shim(pod: &Value) -> Result<Pid, Failure> {
    let uid = pod["metadata"]["uid"].as_str().unwrap_or("no uid");
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let command = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        if command.contains("--ledger") && command.contains(uid) {
            return Ok(Pid::from_raw(entry.file_name().to_string_lossy().parse()?));
        }
    }
    Err(failed(format!("no shim of {uid}")))
}

/// What a container is, whether it was restarted or not.
fn id(pod: &Value) -> &Value {
    &pod["status"]["containerStatuses"][0]["containerID"]
}

fn restarts(pod: &Value) -> &Value {
    &pod["status"]["containerStatuses"][0]["restartCount"]
}

fn a_daemon_that_is_killed_leaves_its_pods_as_they_are(world: &World) -> Verdict {
    let mut daemon = Daemon::start(world)?;
    let before = started(&daemon, &[pod("web", "Always", STAYS)])?;
    for _ in 0..5 {
        daemon.kill()?;
        daemon.up()?;
    }
    let after = daemon.until_pod("web", "runs", runs)?;
    ensure!(
        id(&before[0]) == id(&after) && restarts(&after) == 0,
        "{:#}",
        after["status"]
    );
    ensure!(
        before[0]["status"] == after["status"],
        "{:#} is not {:#}",
        after["status"],
        before[0]["status"]
    );
    daemon.finish()
}

fn is_lost(pod: &Value) -> bool {
    status::containers(pod)
        .join("")
        .starts_with("main: terminated ContainerStatusUnknown 137")
}

/// Again in a new shim, and the one before is told as lost.
fn is_restarted(pod: &Value) -> bool {
    let last = &pod["status"]["containerStatuses"][0]["lastState"]["terminated"];
    runs(pod) && restarts(pod) == 1 && last["reason"] == "ContainerStatusUnknown"
}

fn a_pod_whose_shim_dies_goes_on_in_a_new_one_by_its_policy(world: &World) -> Verdict {
    let daemon = Daemon::start(world)?;
    let pods = started(
        &daemon,
        &[pod("again", "Always", STAYS), pod("once", "Never", STAYS)],
    )?;
    for pod in &pods {
        kill(shim(pod)?, Signal::SIGKILL)?;
    }
    daemon.until_pod("again", "runs again", is_restarted)?;
    let once = daemon.until_pod("once", "is lost", is_lost)?;
    ensure!(once["status"]["phase"] == "Failed", "{:#}", once["status"]);
    daemon.finish()
}

fn a_shim_that_dies_while_no_daemon_runs_is_found_missing(world: &World) -> Verdict {
    let mut daemon = Daemon::start(world)?;
    let pods = started(
        &daemon,
        &[
            pod("again", "OnFailure", STAYS),
            pod("once", "Never", STAYS),
            pod("other", "Always", STAYS),
        ],
    )?;
    daemon.kill()?;
    for pod in &pods[..2] {
        kill(shim(pod)?, Signal::SIGKILL)?;
    }
    daemon.up()?;
    daemon.until_pod("again", "runs again", is_restarted)?;
    let once = daemon.until_pod("once", "is lost", is_lost)?;
    ensure!(once["status"]["phase"] == "Failed", "{:#}", once["status"]);
    let other = daemon.pod("other")?;
    ensure!(
        id(&other) == id(&pods[2]) && restarts(&other) == 0,
        "{:#}",
        other["status"]
    );
    daemon.finish()
}

fn a_stopped_shim_keeps_no_other_pod_waiting(world: &World) -> Verdict {
    let mut daemon = Daemon::start(world)?;
    let pods = started(
        &daemon,
        &[pod("stuck", "Always", STAYS), pod("other", "Always", STAYS)],
    )?;
    let stuck = shim(&pods[0])?;
    kill(stuck, Signal::SIGSTOP)?;
    // While the daemon that knows it goes on, and after it was killed.
    for name in ["first", "second"] {
        let new = pod(name, "Never", "exit 5");
        create(&daemon, &new)?;
        let ended = daemon.until_pod(name, "ends", |pod| pod["status"]["phase"] == "Failed")?;
        ensure!(
            status::containers(&ended).join("").contains("Error 5"),
            "{:?}",
            status::containers(&ended)
        );
        daemon.kill()?;
        daemon.up()?;
    }
    let silent = daemon.pod("stuck")?;
    ensure!(
        id(&silent) == id(&pods[0]) && runs(&silent),
        "it was not left as it is: {:#}",
        silent["status"]
    );
    kill(stuck, Signal::SIGCONT)?;
    let path = "/api/v1/namespaces/default/pods/stuck";
    daemon.ask("DELETE", path, "")?;
    daemon.until_pod("stuck", "goes once it can", Value::is_null)?;
    daemon.finish()
}

fn what_ended_while_no_daemon_ran_is_known_with_its_exit_code(world: &World) -> Verdict {
    let mut daemon = Daemon::start(world)?;
    let go = world.work.join("go");
    let mut waits = pod(
        "waits",
        "Never",
        "while [ ! -e /work/go ]; do sleep 0.02; done; echo gone; >/work/went; exit 42",
    );
    waits["spec"]["volumes"] = json!([{"name": "work", "hostPath": {"path": world.work}}]);
    waits["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "work", "mountPath": "/work"}]);
    started(&daemon, &[waits])?;
    daemon.kill()?;
    std::fs::write(&go, "")?;
    let went = until(10.0, || Ok(world.work.join("went").exists()))?;
    ensure!(went, "the container did not see the file");
    daemon.up()?;
    let ended = daemon.until_pod("waits", "has ended", |pod| {
        pod["status"]["phase"] == "Failed"
    })?;
    let code = &ended["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"];
    ensure!(*code == 42, "{:#}", ended["status"]);
    daemon.finish()
}

fn a_pod_that_was_deleted_does_not_come_back(world: &World) -> Verdict {
    let mut daemon = Daemon::start(world)?;
    let deaf = "trap '' TERM; while :; do sleep 0.2; done";
    let mut slow = pod("slow", "Always", deaf);
    slow["spec"]["terminationGracePeriodSeconds"] = json!(3);
    let pods = started(&daemon, &[slow, pod("forced", "Always", deaf)])?;
    let path = |name: &str| format!("/api/v1/namespaces/default/pods/{name}");
    let (code, answer) = daemon.ask("DELETE", &path("slow"), "")?;
    ensure!(code == 200, "{code} {answer}");
    let forced = format!("{}?gracePeriodSeconds=0", path("forced"));
    let (code, answer) = daemon.ask("DELETE", &forced, "")?;
    ensure!(code == 200, "{code} {answer}");
    daemon.kill()?;
    daemon.up()?;
    let gone = daemon.pod("forced")?;
    ensure!(gone.is_null(), "{gone:#}");
    daemon.until_pod("slow", "is gone", Value::is_null)?;
    for pod in &pods {
        let quiet = until(5.0, || Ok(shim(pod).is_err()))?;
        ensure!(quiet, "the shim of {} still runs", pod["metadata"]["name"]);
    }
    daemon.finish()
}

fn a_pod_whose_ledger_vanished_hears_of_what_the_next_one_tells(world: &World) -> Verdict {
    let mut daemon = Daemon::start(world)?;
    // Two restarts, so that the record knows of more events than the new ledger will have.
    let script = "echo up; trap 'exit 0' TERM; [ $(wc -l </work/runs) -gt 1 ] || { echo >>/work/runs; exit 1; }; \
                  while [ ! -e /work/go ]; do sleep 0.05; done; rm /work/go; exit 9";
    let mut pod = pod("again", "Always", script);
    pod["spec"]["volumes"] = json!([{"name": "work", "hostPath": {"path": world.work}}]);
    pod["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "work", "mountPath": "/work"}]);
    std::fs::write(world.work.join("runs"), "")?;
    create(&daemon, &pod)?;
    let third = |pod: &Value| runs(pod) && restarts(pod) == 2;
    let before = daemon.until_pod("again", "runs for the third time", third)?;
    daemon.kill()?;
    let shim = shim(&before)?;
    let command = std::fs::read_to_string(format!("/proc/{shim}/cmdline"))?;
    let ledger = command.split('\0').skip_while(|word| *word != "--ledger");
    let ledger = ledger.skip(1).collect::<String>();
    kill(shim, Signal::SIGKILL)?;
    std::fs::remove_file(&ledger)?;
    daemon.up()?;
    let fourth = |pod: &Value| runs(pod) && restarts(pod) == 3;
    daemon.until_pod("again", "runs in a new shim", fourth)?;
    std::fs::write(world.work.join("go"), "")?;
    daemon.until_pod("again", "is seen to have ended", |pod| {
        let status = &pod["status"]["containerStatuses"][0];
        let ends = ["state", "lastState"].map(|place| &status[place]["terminated"]["exitCode"]);
        ends.into_iter().any(|code| *code == 9)
    })?;
    daemon.finish()
}

fn what_waits_for_a_config_map_or_secret_goes_on_as_soon_as_it_comes(world: &World) -> Verdict {
    let daemon = Daemon::start(world)?;
    let mut variable = pod("variable", "Never", "exec sleep 1000");
    variable["spec"]["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "settings"}}]);
    let mut volume = pod("volume", "Never", "exec sleep 1000");
    volume["spec"]["volumes"] = json!([{"name": "v", "secret": {"secretName": "word"}}]);
    volume["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "v", "mountPath": "/v"}]);
    create(&daemon, &variable)?;
    create(&daemon, &volume)?;
    daemon.until_pod("variable", "waits", |pod| {
        let state = &pod["status"]["containerStatuses"][0]["state"];
        state["waiting"]["reason"] == "CreateContainerConfigError"
    })?;
    let told = |reason: &str| -> Result<bool, Failure> {
        let (_, events) = daemon.ask("GET", "/api/v1/namespaces/default/events", "")?;
        let of = |event: &&Value| event["reason"] == reason;
        let count = events["items"].as_array().into_iter().flatten().find(of);
        Ok(count.is_some_and(|event| event["count"].as_u64() >= Some(4)))
    };
    // Its tries come after 0.5, 1, 2 and then 4 seconds.
    ensure!(
        until(20.0, || told("FailedMount"))?,
        "it was not tried four times"
    );
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "word"}});
    for (kind, object) in [("configmaps", map), ("secrets", secret)] {
        let path = format!("/api/v1/namespaces/default/{kind}");
        let (code, answer) = daemon.ask("POST", &path, &object.to_string())?;
        ensure!(code == 201, "{code} {answer}");
    }
    let at_once = until(2.0, || {
        Ok(runs(&daemon.pod("variable")?) && runs(&daemon.pod("volume")?))
    })?;
    ensure!(at_once, "they were not tried again at once");
    daemon.finish()
}

/// A group in the v2 tree, as a service manager gives each of its services one; it goes with the value.
struct Service(std::path::PathBuf);

impl Service {
    fn of(world: &World) -> Result<Service, Failure> {
        let all = runtime_tests::leaks::mounts()?;
        let tree = all.iter().find(|mount| mount.kind == "cgroup2");
        let tree = tree.ok_or_else(|| Failure::Skipped("there is no v2 tree".to_owned()))?;
        let name = world.cgroup.trim_start_matches('/');
        let group = tree.path.join(name).join("service");
        std::fs::create_dir_all(&group)?;
        Ok(Service(group))
    }

    /// Who stands in the group `name` beside it.
    fn beside(&self, name: &str) -> Result<Vec<i32>, Failure> {
        let file = self.0.with_file_name(name).join("cgroup.procs");
        let text = std::fs::read_to_string(file)?;
        Ok(text.lines().flat_map(str::parse).collect())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // What still runs in it is found by the check for leaks.
        for group in self.0.ancestors().take(2) {
            std::fs::remove_dir(group).ok();
        }
    }
}

fn shims_are_no_part_of_the_daemons_service(world: &World) -> Verdict {
    let service = Service::of(world)?;
    let mut daemon = Daemon::prepared(world)?;
    let enters = format!("echo $$ >{}/cgroup.procs; exec \"$@\"", service.0.display());
    daemon.before = ["sh", "-c", &enters, "sh"].map(str::to_owned).to_vec();
    daemon.up()?;
    started(&daemon, &[pod("web", "Always", STAYS)])?;
    let own = vec![daemon.pid()?.as_raw()];
    let found = (service.beside("service")?, service.beside("shims")?.len());
    ensure!(found == (own, 1), "{found:?}\n{}", daemon.log_text());
    // A daemon that has found the Pod takes its shim's group away, too.
    daemon.kill()?;
    daemon.up()?;
    let (code, answer) = daemon.ask("DELETE", "/api/v1/namespaces/default/pods/web", "")?;
    ensure!(code == 200, "{code} {answer}");
    daemon.until_pod("web", "its end", Value::is_null)?;
    let shims = service.0.with_file_name("shims");
    let gone = until(5.0, || Ok(!shims.exists()))?;
    ensure!(gone, "{} is left", shims.display());
    daemon.finish()
}
