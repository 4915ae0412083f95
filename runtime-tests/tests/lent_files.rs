//! Are the files that a container borrows (`/etc/hosts` and the like) bounded, and still good for what they
//! are for?

use std::path::Path;
use std::process::{Command, ExitCode};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runtime_tests::daemon::{Daemon, until};
use runtime_tests::told::has_told;
use runtime_tests::{Failure, Verdict, World, ensure, failed, needs, pod_of, run, status, tests};
use serde_json::{Value, json};

fn main() -> ExitCode {
    run(tests![
        what_a_container_writes_to_borrowed_files_is_bounded,
        borrowed_files_that_are_full_keep_no_container_from_starting,
        any_user_writes_last_words_and_each_instance_begins_without,
        last_words_outlive_daemon_and_shim,
    ])
}

/// Writes 16 MiB to each of them, as far as that goes, and says how large they are then.
const FILLS: &str = "for f in /etc/hosts /etc/resolv.conf /etc/hostname /dev/termination-log; do \
    head -c 16777216 /dev/zero 2>/dev/null >> $f; done; \
    echo all $(cat /etc/hosts /etc/resolv.conf /etc/hostname /dev/termination-log | wc -c)";

/// Gives one of them all the extended attributes that it can have.
const ATTRIBUTES: &str = "import os, itertools\ntry:\n  for i in itertools.count(): \
    os.setxattr(\"/etc/hosts\", \"user.%d\" % i, b\"x\" * (2000 if i < 900 else 1))\nexcept OSError: pass";

/// What a folder takes, in KiB.
fn taken_kib(folder: &Path) -> Result<u64, Failure> {
    let output = Command::new("du").arg("-skx").arg(folder).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = text
        .split_whitespace()
        .next()
        .and_then(|word| word.parse().ok());
    number.ok_or_else(|| failed(format!("du: {output:?}")))
}

fn what_a_container_writes_to_borrowed_files_is_bounded(world: &World) -> Verdict {
    let script = format!("{FILLS}; trap 'exit 0' TERM; while :; do sleep 0.05; done");
    let running = world.run_pod(&pod_of("", &script), &[])?;
    running.wait_until("all is written", |lines| {
        lines.iter().any(|line| line.text.contains("| all "))
    })?;
    for folder in [&world.state, &world.root] {
        let taken = taken_kib(folder)?;
        ensure!(taken < 4096, "{} takes {taken} KiB", folder.display());
    }
    running.signal(Signal::SIGTERM)?;
    let output = running.finish()?;
    let told = runtime_tests::told::told(&output);
    let all: u64 = told
        .get("main.all")
        .and_then(|text| text.parse().ok())
        .unwrap_or(u64::MAX);
    ensure!(all <= 1 << 20, "{all} bytes: {}", output.shown());
    Ok(())
}

fn borrowed_files_that_are_full_keep_no_container_from_starting(world: &World) -> Verdict {
    needs!("python3");
    let script = serde_json::Value::from(format!(
        "test -e /v/been && {{ wc -c < /dev/termination-log; printf again > /dev/termination-log; exit 0; }}; \
         {FILLS}; python3 -c '{ATTRIBUTES}'; touch /v/been; exit 1"
    ));
    let manifest = format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: try}}
spec:
  restartPolicy: OnFailure
  volumes: [{{name: v, emptyDir: {{}}}}]
  initContainers:
  - {{name: fills, image: 'host:/', command: [sh, -c, {script}], volumeMounts: [{{name: v, mountPath: /v}}]}}
  - {{name: next, image: 'host:/', command: [sh, -c, 'grep -c 127.0.0.1 /etc/hosts']}}
  containers:
  - {{name: main, image: 'host:/', command: [sh, -c, 'printf bye > /dev/termination-log']}}
"
    );
    let output = world.ended(&manifest, &[], 0)?;
    has_told(&output, &[("fills.0", ""), ("next.1", "")])?;
    let pod = output.status.as_ref().ok_or_else(|| failed("no status"))?;
    ensure!(status::message(pod, "main") == "bye", "{:#}", pod["status"]);
    ensure!(
        status::message(pod, "fills") == "again",
        "{:#}",
        pod["status"]
    );
    Ok(())
}

fn any_user_writes_last_words_and_each_instance_begins_without(world: &World) -> Verdict {
    let script = "stat -c 'mode %a' /dev/termination-log; stat -c 'hosts %a %u' /etc/hosts; \
                  printf 'words of %s' $(id -u) > /dev/termination-log; echo x >> /etc/hosts || echo hosts closed";
    let manifest = pod_of("", script) + "    securityContext: {runAsUser: 1234}\n";
    let output = world.ended(&manifest, &[], 0)?;
    let pod = output.status.as_ref().ok_or_else(|| failed("no status"))?;
    let message = status::message(pod, "main");
    ensure!(message == "words of 1234", "{message:?}");
    has_told(&output, &[("main.mode", "666"), ("main.hosts", "closed")])
}

fn create(daemon: &Daemon, pod: &Value) -> Verdict {
    let path = "/api/v1/namespaces/default/pods";
    let (code, answer) = daemon.ask("POST", path, &pod.to_string())?;
    ensure!(code == 201, "{code} {answer}");
    Ok(())
}

/// What ends while no daemon runs has told the exit ledger its last words; they outlive its shim.
fn last_words_outlive_daemon_and_shim(world: &World) -> Verdict {
    let mut daemon = Daemon::start(world)?;
    let script = "until test -e /v/go; do sleep 0.02; done; printf 'the last' > /dev/termination-log; exit 3";
    create(
        &daemon,
        &json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ends"},
        "spec": {"restartPolicy": "Never", "volumes": [{"name": "v", "emptyDir": {}}], "containers": [
            {"name": "main", "image": "host:/", "command": ["sh", "-c", script],
             "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]}}),
    )?;
    let pod = daemon.until_pod("ends", "runs", |pod| {
        !pod["status"]["containerStatuses"][0]["state"]["running"].is_null()
    })?;
    let uid = pod["metadata"]["uid"]
        .as_str()
        .unwrap_or("no uid")
        .to_owned();
    daemon.kill()?;
    std::fs::write(daemon.root.join("pods").join(&uid).join("volumes/v/go"), "")?;
    let ledger = daemon.state.join("pods").join(&uid).join("ledger");
    let text = || std::fs::read_to_string(&ledger).unwrap_or_default();
    ensure!(until(10.0, || Ok(text().contains("Exited")))?, "{}", text());
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let command = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        if command.contains("--ledger") && command.contains(&uid) {
            kill(
                Pid::from_raw(entry.file_name().to_string_lossy().parse()?),
                Signal::SIGKILL,
            )?;
        }
    }
    daemon.up()?;
    let ended = daemon.until_pod("ends", "has ended", |pod| {
        pod["status"]["phase"] == "Failed"
    })?;
    let state = &ended["status"]["containerStatuses"][0]["state"]["terminated"];
    ensure!(
        state["exitCode"] == 3 && state["message"] == "the last",
        "{state:#}"
    );
    daemon.finish()
}
