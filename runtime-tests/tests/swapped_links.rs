//! A container has folders among its volumes in which the node, too, works: of logs, of objects. What can it make the node
//! show, write or remove by putting links, pipes and devices where the node expects files?

use std::process::ExitCode;

use runtime_tests::daemon::{Daemon, Speaking, spoken, until};
use runtime_tests::{Failure, Source, Verdict, World, ensure, failed, run, tests};
use serde_json::Value;

fn main() -> ExitCode {
    run(tests![
        logs_show_nothing_of_another_file,
        a_follower_is_led_to_no_other_file,
        a_container_is_not_started_with_its_log_elsewhere,
        last_words_are_not_those_of_another_file,
        a_run_shows_nothing_of_another_file,
        a_link_planted_in_a_volume_leads_nowhere,
    ])
}

/// What the test's folders are called in the container that swaps.
const THERE: &str = "/t";
/// An entry as a log has it, of a file that is none.
const CANARY: &str = "2026-01-01T00:00:00.000000000Z stdout F CANARY\n";

/// A Pod whose words are of interest, and one that has the folder of all logs among its volumes.
const PODS: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  restartPolicy: POLICY
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: "host:/"
    terminationMessagePolicy: FallbackToLogsOnError
    command: [sh, -c, "echo hello; trap 'exit 0' TERM; trap 'exit 7' USR1; while :; do sleep 0.05; done"]
---
apiVersion: v1
kind: Pod
metadata: {name: evil}
spec:
  terminationGracePeriodSeconds: 1
  volumes: [{name: all, hostPath: {path: /run/outrigger-test}}]
  containers:
  - name: main
    image: "host:/"
    command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
    volumeMounts: [{name: all, mountPath: /t}]
"#;

/// Both Pods run, and `web` has said hello; with the folder of its logs as the container sees it.
fn set_up(world: &World, policy: &str) -> Result<(Daemon, String), Failure> {
    let daemon = Daemon::start(world)?;
    world.file("canary", CANARY)?;
    daemon.apply(&PODS.replace("POLICY", policy))?;
    let runs = |pod: &Value| pod["status"]["containerStatuses"][0]["ready"] == true;
    let web = daemon.until_pod("web", "readiness", runs)?;
    daemon.until_pod("evil", "readiness", runs)?;
    let said = until(10.0, || Ok(logs(&daemon)? == "hello\n"))?;
    ensure!(said, "{}", daemon.log_text());
    let uid = web["metadata"]["uid"].as_str().unwrap_or_default();
    Ok((daemon, format!("{THERE}/logs/default_web_{uid}")))
}

fn logs(daemon: &Daemon) -> Result<String, Failure> {
    spoken(&mut daemon.outrigger(&["logs", "web"]), None)?.ended(0)
}

/// Lets the evil container do something.
fn evil(daemon: &Daemon, script: &str) -> Verdict {
    let exec = ["exec", "evil", "--", "sh", "-ec", script];
    spoken(&mut daemon.outrigger(&exec), None)?.ended(0)?;
    Ok(())
}

fn logs_show_nothing_of_another_file(world: &World) -> Verdict {
    let (daemon, folder) = set_up(world, "Always")?;
    let canary = world.work.join("canary").display().to_string();
    let elsewhere = world.work.join("elsewhere");
    std::fs::create_dir_all(elsewhere.join("main"))?;
    for place in ["0.log", "main/0.log"] {
        std::fs::write(elsewhere.join(place), CANARY)?;
    }
    let elsewhere = elsewhere.display();
    let log = format!("{folder}/main/0.log");
    for (what, swap) in [
        ("a link", format!("ln -s {canary} {log}")),
        ("a second name", format!("ln {THERE}/work/canary {log}")),
        ("a pipe", format!("mkfifo {log}")),
        ("a folder", format!("mkdir {log}")),
    ] {
        evil(&daemon, &format!("mv {log} {THERE}/work/kept; {swap}"))?;
        let shown = logs(&daemon)?;
        ensure!(!shown.contains("CANARY"), "{what}: {shown}");
        evil(&daemon, &format!("rm -r {log}; mv {THERE}/work/kept {log}"))?;
    }
    // One that may make devices; to open some of them is to do something to the machine.
    let there = "mv 0.log kept; mknod 0.log c 1 5";
    let own = world
        .logs
        .join(folder.rsplit('/').next().unwrap_or_default());
    let here = |script: &str| {
        let mut shell = std::process::Command::new("sh");
        spoken(
            shell.args(["-ec", script]).current_dir(own.join("main")),
            None,
        )?
        .ended(0)
    };
    here(there)?;
    ensure!(logs(&daemon)?.is_empty(), "a device is shown");
    here("mv kept 0.log")?;
    for swap in [
        format!("ln -s {canary} {log}.20260101-000000"),
        format!("ln {THERE}/work/canary {log}.20260101-000000"),
    ] {
        evil(&daemon, &swap)?;
        let shown = logs(&daemon)?;
        ensure!(shown == "hello\n", "{swap}: {shown}");
        evil(&daemon, &format!("rm {log}.20260101-000000"))?;
    }
    for (folder, below) in [(format!("{folder}/main"), ""), (folder, "")] {
        let swap = format!("mv {folder} {THERE}/work/kept; ln -s {elsewhere}{below} {folder}");
        evil(&daemon, &swap)?;
        let shown = logs(&daemon)?;
        ensure!(!shown.contains("CANARY"), "{swap}: {shown}");
        evil(
            &daemon,
            &format!("rm {folder}; mv {THERE}/work/kept {folder}"),
        )?;
    }
    ensure!(
        logs(&daemon)? == "hello\n",
        "its own log is not shown any more"
    );
    daemon.finish()
}

fn a_follower_is_led_to_no_other_file(world: &World) -> Verdict {
    let (daemon, folder) = set_up(world, "Always")?;
    let canary = world.work.join("canary").display().to_string();
    let log = format!("{folder}/main/0.log");
    let mut follower = Speaking::start(&mut daemon.outrigger(&["logs", "-f", "web"]))?;
    follower.until("its first line", |said| said.contains("hello"))?;
    evil(
        &daemon,
        &format!("mv {log} {log}.20260101-000000; ln -s {canary} {log}"),
    )?;
    spoken(&mut daemon.outrigger(&["delete", "pod", "web"]), None)?.ended(0)?;
    let said = follower.finish()?;
    ensure!(!said.out.contains("CANARY"), "{}", said.shown());
    daemon.finish()
}

fn a_container_is_not_started_with_its_log_elsewhere(world: &World) -> Verdict {
    let (daemon, folder) = set_up(world, "Always")?;
    let elsewhere = world.work.join("elsewhere");
    std::fs::create_dir(&elsewhere)?;
    let swap = format!(
        "mv {folder} {THERE}/work/kept; ln -s {} {folder}",
        elsewhere.display()
    );
    evil(&daemon, &swap)?;
    spoken(
        &mut daemon.outrigger(&["exec", "web", "--", "sh", "-c", "kill -USR1 1"]),
        None,
    )?;
    let web = daemon.until_pod("web", "an error that names the link", |pod| {
        let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"];
        waiting["reason"] == "CreateContainerError"
    })?;
    let waiting = &web["status"]["containerStatuses"][0]["state"]["waiting"];
    let message = waiting["message"].as_str().unwrap_or_default();
    ensure!(message.contains("link"), "{message}");
    let made = std::fs::read_dir(&elsewhere)?.count();
    ensure!(made == 0, "{made} things were made behind the link");
    daemon.finish()
}

fn last_words_are_not_those_of_another_file(world: &World) -> Verdict {
    let (daemon, folder) = set_up(world, "Never")?;
    let elsewhere = world.work.join("elsewhere/main");
    std::fs::create_dir_all(&elsewhere)?;
    std::fs::write(elsewhere.join("0.log"), CANARY)?;
    let above = world.work.join("elsewhere");
    evil(
        &daemon,
        &format!(
            "mv {folder} {THERE}/work/kept; ln -s {} {folder}",
            above.display()
        ),
    )?;
    spoken(
        &mut daemon.outrigger(&["exec", "web", "--", "sh", "-c", "kill -USR1 1"]),
        None,
    )?;
    let web = daemon.until_pod("web", "its end", |pod| pod["status"]["phase"] == "Failed")?;
    let ended = &web["status"]["containerStatuses"][0]["state"]["terminated"];
    ensure!(ended["exitCode"] == 7, "{ended}");
    ensure!(!ended.to_string().contains("CANARY"), "{ended}");
    daemon.finish()
}

fn a_run_shows_nothing_of_another_file(world: &World) -> Verdict {
    world.file("canary", CANARY)?;
    let canary = world.work.join("canary").display().to_string();
    let manifest = format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: try}}
spec:
  restartPolicy: Never
  volumes: [{{name: all, hostPath: {{path: /run/outrigger-test}}}}]
  containers:
  - name: main
    image: "host:/"
    command: [sh, -c, "echo hello; while [ ! -e {THERE}/work/go ]; do sleep 0.05; done; echo bye"]
    volumeMounts: [{{name: all, mountPath: {THERE}}}]
  - name: evil
    image: "host:/"
    command: [sh, -c, "while ! grep -q hello {THERE}/logs/*/main/0.log; do sleep 0.05; done;
      cd {THERE}/logs/*/main && mv 0.log 0.log.20260101-000000 && ln -s {canary} 0.log && touch {THERE}/work/go"]
    volumeMounts: [{{name: all, mountPath: {THERE}}}]
"#
    );
    let output = world.ended(&manifest, &[], 0)?;
    let text = output.text(Source::Out);
    ensure!(!text.contains("CANARY"), "{text}");
    ensure!(
        text.contains("main | hello") || text.contains("main  | hello"),
        "{text}"
    );
    Ok(())
}

const OBJECT: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {key: VALUE}\n";
const PRIVILEGED: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: evil}
spec:
  terminationGracePeriodSeconds: 1
  volumes: [{name: settings, configMap: {name: settings}}]
  containers:
  - name: main
    image: "host:/"
    securityContext: {privileged: true}
    command: [sh, -c, "mount -o remount,bind,rw /vol && touch /vol/free; trap 'exit 0' TERM; while :; do sleep 0.1; done"]
    readinessProbe: {exec: {command: [test, -e, /vol/free]}, periodSeconds: 1}
    volumeMounts: [{name: settings, mountPath: /vol}]
"#;

fn a_link_planted_in_a_volume_leads_nowhere(world: &World) -> Verdict {
    let daemon = Daemon::start(world)?;
    daemon.apply(&OBJECT.replace("VALUE", "one"))?;
    daemon.apply(PRIVILEGED)?;
    daemon.until_pod("evil", "readiness", |pod| {
        pod["status"]["containerStatuses"][0]["ready"] == true
    })?;
    let canary = world.file("canary", "as it was")?;
    let precious = world.work.join("precious");
    std::fs::create_dir(&precious)?;
    std::fs::write(precious.join("file"), "as it was")?;
    let (canary, precious) = (canary.display().to_string(), precious.display().to_string());
    let plain = format!("ln -sf {canary} /vol/key");
    let data = format!("rm /vol/..data; ln -s {precious} /vol/..data");
    let far = "rm /vol/..data; ln -s ../../../../../work/precious /vol/..data".to_owned();
    let next = format!("ln -s {precious} /vol/..data_tmp");
    let pipe = "cd /vol/..data && rm key && mkfifo key".to_owned();
    let folder = "rm /vol/key && mkdir -p /vol/key/below".to_owned();
    for (number, plant) in [plain, data, far, next, pipe, folder].iter().enumerate() {
        evil(&daemon, plant)?;
        let value = format!("value{number}");
        daemon.apply(&OBJECT.replace("VALUE", &value))?;
        let shown = until(10.0, || {
            let exec = ["exec", "evil", "--", "timeout", "1", "cat", "/vol/key"];
            Ok(spoken(&mut daemon.outrigger(&exec), None)?.out == value)
        })?;
        ensure!(
            shown,
            "after {plant:?} the volume does not follow\n{}",
            daemon.log_text()
        );
        let same = |path: &str| -> Result<bool, Failure> {
            let text = std::fs::read_to_string(path)
                .map_err(|error| failed(format!("{plant:?}: {path}: {error}")))?;
            Ok(text == "as it was")
        };
        ensure!(
            same(&canary)? && same(&format!("{precious}/file"))?,
            "{plant:?} led out"
        );
        let more = std::fs::read_dir(&precious)?.count();
        ensure!(more == 1, "{plant:?}: {more} things in the folder");
    }
    daemon.finish()
}
