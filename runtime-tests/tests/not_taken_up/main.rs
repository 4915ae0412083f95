//! What is not known is not new: which Pods are left as they are, how do people learn of it, and how do they go on?

mod deaths;

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use runtime_tests::daemon::{Daemon, until};
use runtime_tests::{Failure, Verdict, World, ensure, failed, run, tests};
use serde_json::{Value, json};

use deaths::{
    a_pod_that_kills_the_daemon_twice_is_set_aside, random_kills_during_adoption_set_nobody_aside,
};

fn main() -> ExitCode {
    run(tests![
        what_has_finished_does_not_run_again_without_its_record,
        a_pod_with_a_damaged_record_goes_on_and_can_be_deleted,
        a_pod_is_taken_up_when_its_record_is_back,
        a_record_that_a_newer_version_wrote_is_left_alone,
        a_shim_of_another_protocol_is_left_alone,
        a_lost_store_is_refused_and_pods_are_put_back_if_that_is_accepted,
        shims_without_any_record_are_named,
        a_pod_that_kills_the_daemon_twice_is_set_aside,
        random_kills_during_adoption_set_nobody_aside,
    ])
}

const PODS: &str = "/api/v1/namespaces/default/pods";
const STAYS: &str = "trap 'echo bye >> /w/bye; exit 0' TERM; while :; do sleep 0.1 & wait $!; done";

fn pod(world: &World, name: &str, policy: &str, script: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
        "restartPolicy": policy, "terminationGracePeriodSeconds": 5,
        "volumes": [{"name": "w", "hostPath": {"path": world.work}}],
        "containers": [{"name": "main", "image": "host:/", "command": ["sh", "-c", script],
            "volumeMounts": [{"name": "w", "mountPath": "/w"}]}]}})
}

/// A Pod that runs.
fn started(world: &World, daemon: &Daemon, name: &str) -> Result<Value, Failure> {
    create(daemon, &pod(world, name, "Always", STAYS))?;
    daemon.until_pod(name, "runs", runs)
}

fn create(daemon: &Daemon, pod: &Value) -> Verdict {
    let (code, answer) = daemon.ask("POST", PODS, &pod.to_string())?;
    ensure!(code == 201, "{code} {answer}");
    Ok(())
}

fn runs(pod: &Value) -> bool {
    pod["status"]["containerStatuses"][0]["ready"] == true
}

fn is_left(pod: &Value) -> bool {
    pod["status"]["reason"] == "NotTakenUp"
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn uid(pod: &Value) -> String {
    text(&pod["metadata"]["uid"])
}

fn record(daemon: &Daemon, pod: &Value) -> PathBuf {
    daemon.root.join(format!("lives/{}.jsonl", uid(pod)))
}

/// What a container is, whether it was restarted or not.
fn id(pod: &Value) -> (String, Value) {
    let status = &pod["status"]["containerStatuses"][0];
    (text(&status["containerID"]), status["restartCount"].clone())
}

/// The Pod's shim, and the first process of its container.
fn processes(pod: &Value) -> Result<[u32; 2], Failure> {
    let uid = uid(pod);
    let shim = find(|command, _| command.contains("--ledger") && command.contains(&uid))?;
    let parent = shim.to_string();
    let main = find(|command, stat| {
        command.starts_with("sh\0") && stat.split(' ').nth(3) == Some(&parent)
    })?;
    Ok([shim, main])
}

/// The process with such a command line and `stat`.
fn find(is: impl Fn(&str, &str) -> bool) -> Result<u32, Failure> {
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else {
            continue;
        };
        let read = |name: &str| std::fs::read_to_string(entry.path().join(name));
        let (command, stat) = (read("cmdline"), read("stat"));
        if is(&command.unwrap_or_default(), &stat.unwrap_or_default()) {
            return Ok(pid);
        }
    }
    Err(failed("there is no such process"))
}

/// Flips a bit in the middle of the file.
fn flip(path: &Path) -> Verdict {
    let mut bytes = std::fs::read(path)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    Ok(std::fs::write(path, bytes)?)
}

/// The reasons of the Events about this Pod.
fn told(daemon: &Daemon, name: &str) -> Result<Vec<String>, Failure> {
    let (_, list) = daemon.ask("GET", "/api/v1/namespaces/default/events", "")?;
    let events = list["items"].as_array().cloned().unwrap_or_default();
    let about = events
        .iter()
        .filter(|event| event["involvedObject"]["name"] == name);
    Ok(about.map(|event| text(&event["reason"])).collect())
}

fn until_told(daemon: &Daemon, name: &str, reason: &str) -> Verdict {
    let told = until(10.0, || {
        Ok(told(daemon, name)?.iter().any(|it| it == reason))
    })?;
    ensure!(told, "there is no Event {reason} of {name}");
    Ok(())
}

fn deleted(daemon: &Daemon, name: &str) -> Verdict {
    let (code, answer) = daemon.ask("DELETE", &format!("{PODS}/{name}"), "")?;
    ensure!(code == 200, "{code} {answer}");
    let gone = until(20.0, || Ok(daemon.pod(name)?.is_null()))?;
    ensure!(gone, "{name} does not go\n{}", daemon.log_end());
    Ok(())
}

fn what_has_finished_does_not_run_again_without_its_record(world: &World) -> Verdict {
    let mut daemon = Daemon::start(world)?;
    create(
        &daemon,
        &pod(world, "job", "Never", "echo once >> /w/ran; echo said"),
    )?;
    let job = daemon.until_pod("job", "is over", |pod| {
        pod["status"]["phase"] == "Succeeded"
    })?;
    daemon.stop()?;
    std::fs::remove_file(record(&daemon, &job))?;
    daemon.up()?;
    until_told(&daemon, "job", "NotTakenUp")?;
    let after = daemon.pod("job")?;
    ensure!(after["status"] == job["status"], "{:#}", after["status"]);
    let (code, log) = daemon.ask("GET", &format!("{PODS}/job/log"), "")?;
    ensure!(code == 200, "its log: {code} {log}");
    deleted(&daemon, "job")?;
    let logs = &daemon.logs;
    let gone = until(10.0, || {
        Ok(std::fs::read_dir(logs).map_or(true, |mut it| it.next().is_none()))
    })?;
    ensure!(gone, "its logs are still there");
    let ran = std::fs::read_to_string(world.work.join("ran"))?;
    ensure!(ran == "once\n", "it ran again: {ran:?}");
    daemon.finish()
}

fn a_pod_with_a_damaged_record_goes_on_and_can_be_deleted(world: &World) -> Verdict {
    let mut daemon = Daemon::start(world)?;
    let web = started(world, &daemon, "web")?;
    let before = processes(&web)?;
    daemon.kill()?;
    flip(&record(&daemon, &web))?;
    daemon.up()?;
    let left = daemon.pod("web")?;
    ensure!(is_left(&left), "{:#}", left["status"]);
    let message = text(&left["status"]["message"]);
    let file = record(&daemon, &web).display().to_string();
    ensure!(
        message.contains(&file) && message.contains("damaged"),
        "{message}"
    );
    until_told(&daemon, "web", "NotTakenUp")?;
    ensure!(processes(&web)? == before, "{before:?} are others");
    deleted(&daemon, "web")?;
    // It had its grace period.
    let bye = std::fs::read_to_string(world.work.join("bye"))?;
    ensure!(bye == "bye\n", "{bye:?}");
    ensure!(!record(&daemon, &web).exists(), "its record is still there");
    daemon.finish()
}

fn a_pod_is_taken_up_when_its_record_is_back(world: &World) -> Verdict {
    let mut daemon = Daemon::start(world)?;
    let web = started(world, &daemon, "web")?;
    daemon.kill()?;
    let (file, aside) = (record(&daemon, &web), world.work.join("aside"));
    std::fs::rename(&file, &aside)?;
    daemon.up()?;
    let left = daemon.pod("web")?;
    ensure!(is_left(&left), "{:#}", left["status"]);
    let retry = daemon.outrigger(&["system", "retry", "web"]).output()?;
    let said = String::from_utf8_lossy(&retry.stderr).into_owned();
    ensure!(
        !retry.status.success() && said.contains("is missing"),
        "{said}"
    );
    std::fs::rename(&aside, &file)?;
    let retry = daemon.outrigger(&["system", "retry", "web"]).output()?;
    let said = String::from_utf8_lossy(&retry.stdout).into_owned();
    ensure!(
        said == "pod/web is taken up\n",
        "{said} {retry:?}\n{}",
        daemon.log_end()
    );
    let after = daemon.until_pod("web", "runs", runs)?;
    ensure!(id(&after) == id(&web), "{:#}", after["status"]);
    daemon.finish()
}

fn a_record_that_a_newer_version_wrote_is_left_alone(world: &World) -> Verdict {
    let mut daemon = Daemon::start(world)?;
    let web = started(world, &daemon, "web")?;
    let before = processes(&web)?;
    daemon.kill()?;
    let mut line = br#"{"invention":{"at":7}}"#.to_vec();
    outrigger_wire::checked_line::seal(&mut line);
    let old = std::fs::read(record(&daemon, &web))?;
    std::fs::write(record(&daemon, &web), [old.clone(), line].concat())?;
    daemon.up()?;
    let left = daemon.pod("web")?;
    let message = text(&left["status"]["message"]);
    ensure!(
        is_left(&left) && message.contains("newer version"),
        "{:#}",
        left["status"]
    );
    ensure!(processes(&web)? == before, "{before:?} are others");
    daemon.cut_off()?;
    // The version that knows the line goes on with it.
    std::fs::write(record(&daemon, &web), old)?;
    daemon.up()?;
    let after = daemon.until_pod("web", "runs", runs)?;
    ensure!(id(&after) == id(&web), "{:#}", after["status"]);
    daemon.finish()
}

/// Answers every greeting as a shim does that speaks another version.
fn refuse_all(listener: &UnixListener, stop: &std::sync::atomic::AtomicBool) {
    for stream in listener.incoming() {
        if stop.load(std::sync::atomic::Ordering::Relaxed) {
            return;
        }
        let Ok(mut stream) = stream else { return };
        let mut length = [0; 4];
        if stream.read_exact(&mut length).is_err() {
            continue;
        }
        let mut call = vec![0; u32::from_le_bytes(length) as usize];
        if stream.read_exact(&mut call).is_err() {
            continue;
        }
        let id = serde_json::from_slice::<Value>(&call).unwrap_or_default()["id"].clone();
        let refusal =
            json!({"stage": "Protocol", "message": "this shim speaks version 1 of the protocol"});
        let answer = json!({"Reply": {"id": id, "result": {"Err": refusal}}}).to_string();
        let framed = [&(answer.len() as u32).to_le_bytes()[..], answer.as_bytes()].concat();
        // Whoever has gone meanwhile hears nothing.
        stream.write_all(&framed).ok();
    }
}

fn a_shim_of_another_protocol_is_left_alone(world: &World) -> Verdict {
    let mut daemon = Daemon::start(world)?;
    let web = started(world, &daemon, "web")?;
    let before = processes(&web)?;
    daemon.kill()?;
    let socket = daemon.state.join(format!("pods/{}/shim.sock", uid(&web)));
    let aside = socket.with_extension("aside");
    std::fs::rename(&socket, &aside)?;
    let listener = UnixListener::bind(&socket)?;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopping = std::sync::Arc::clone(&stop);
    let refusing = std::thread::spawn(move || refuse_all(&listener, &stopping));
    daemon.up()?;
    let left = daemon.pod("web")?;
    let message = text(&left["status"]["message"]);
    ensure!(
        is_left(&left) && message.contains("version 1 of the protocol"),
        "{:#}",
        left["status"]
    );
    ensure!(processes(&web)? == before, "{before:?} are others");
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    std::os::unix::net::UnixStream::connect(&socket)?;
    refusing
        .join()
        .map_err(|_| failed("the other shim broke off"))?;
    std::fs::rename(&aside, &socket)?;
    let retry = daemon.outrigger(&["system", "retry", "web"]).output()?;
    ensure!(retry.status.success(), "{retry:?}\n{}", daemon.log_end());
    let after = daemon.until_pod("web", "runs", runs)?;
    ensure!(id(&after) == id(&web), "{:#}", after["status"]);
    daemon.finish()
}

fn refused(daemon: &mut Daemon) -> Result<String, Failure> {
    daemon.launch()?;
    ensure!(!daemon.ready_or_refused()?, "the daemon started");
    Ok(daemon.log_end())
}

fn a_lost_store_is_refused_and_pods_are_put_back_if_that_is_accepted(world: &World) -> Verdict {
    let mut daemon = Daemon::start(world)?;
    let web = started(world, &daemon, "web")?;
    let before = processes(&web)?;
    daemon.kill()?;
    let store = daemon.root.join("objects.redb");
    for lose in [
        |path: &Path| std::fs::write(path, ""),
        |path: &Path| std::fs::remove_file(path),
    ] {
        lose(&store)?;
        let said = refused(&mut daemon)?;
        for word in [
            &store.display().to_string(),
            "--accept-empty-store",
            "backup",
            &uid(&web),
        ] {
            ensure!(said.contains(word), "{word:?} is not in {said}");
        }
        ensure!(processes(&web)? == before, "{before:?} are others");
    }
    daemon.flags.push("--accept-empty-store".to_owned());
    daemon.up()?;
    let after = daemon.until_pod("web", "runs", runs)?;
    ensure!(
        id(&after) == id(&web) && uid(&after) == uid(&web),
        "{:#}",
        after["status"]
    );
    until_told(&daemon, "web", "PutBackFromRecord")?;
    daemon.finish()
}

fn shims_without_any_record_are_named(world: &World) -> Verdict {
    let mut daemon = Daemon::start(world)?;
    let web = started(world, &daemon, "web")?;
    let before = processes(&web)?;
    daemon.kill()?;
    let (root, aside) = (daemon.root.clone(), world.work.join("root"));
    std::fs::rename(&root, &aside)?;
    let said = refused(&mut daemon)?;
    ensure!(
        said.contains("without a record") && said.contains(&uid(&web)),
        "{said}"
    );
    ensure!(processes(&web)? == before, "{before:?} are others");
    std::fs::remove_dir_all(&root)?;
    std::fs::rename(&aside, &root)?;
    daemon.up()?;
    let after = daemon.until_pod("web", "runs", runs)?;
    ensure!(id(&after) == id(&web), "{:#}", after["status"]);
    daemon.finish()
}
