//! Is the daemon a good service: does it say how things stand, end well, and leave Pods running?

use std::collections::BTreeMap;
use std::process::ExitCode;

use runtime_tests::daemon::{Daemon, spoken, until};
use runtime_tests::{Failure, Verdict, World, ensure, failed, run, tests};
use serde_json::Value;

fn main() -> ExitCode {
    run(tests![
        it_tells_its_service_manager,
        it_feeds_the_watchdog,
        ended_well_or_killed_it_leaves_pods_running,
        it_answers_for_its_health_and_its_numbers,
        its_log_can_be_read_by_machines,
        it_may_open_more_files_than_its_containers,
        a_second_one_is_refused,
        nothing_is_served_without_a_certificate,
        its_files_are_for_root_alone,
        our_own_commands_speak_over_the_socket,
    ])
}

const POD: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 2
  containers:
  - {name: main, image: "host:/", command: [sh, -c, "trap 'exit 0' TERM; echo hello; while :; do sleep 0.05; done"]}
"#;

fn ready(daemon: &Daemon) -> Result<Value, Failure> {
    daemon.until_pod("web", "readiness", |pod| {
        pod["status"]["containerStatuses"][0]["ready"] == true
    })
}

fn it_tells_its_service_manager(world: &World) -> Verdict {
    let mut daemon = Daemon::start(world)?;
    let status = daemon
        .told()
        .iter()
        .any(|line| line.starts_with("STATUS=ready"));
    ensure!(status, "{:?}", daemon.told());
    daemon.stop()?;
    ensure!(
        daemon.told().iter().any(|line| line == "STOPPING=1"),
        "{:?}",
        daemon.told()
    );
    daemon.up()?;
    daemon.finish()
}

fn it_feeds_the_watchdog(world: &World) -> Verdict {
    let mut daemon = Daemon::prepared(world)?;
    daemon
        .environment
        .push(("WATCHDOG_USEC".into(), "500000".into()));
    daemon.launch()?;
    daemon.until_told("WATCHDOG=1")?;
    daemon.until_told("STATUS=0 pods, 0 of them running")?;
    daemon.apply(POD)?;
    daemon.until_told("STATUS=1 pods, 1 of them running")?;
    daemon.finish()
}

fn ended_well_or_killed_it_leaves_pods_running(world: &World) -> Verdict {
    let mut daemon = Daemon::start(world)?;
    daemon.apply(POD)?;
    let before = ready(&daemon)?;
    let container = |pod: &Value| {
        let main = &pod["status"]["containerStatuses"][0];
        (
            main["containerID"].clone(),
            main["restartCount"].clone(),
            main["state"].clone(),
        )
    };
    for end in [Daemon::stop, Daemon::kill, Daemon::stop] {
        end(&mut daemon)?;
        let running = world
            .left_now()?
            .iter()
            .any(|each| each.contains("echo hello"));
        ensure!(
            running,
            "the container does not run: {:?}",
            world.left_now()?
        );
        daemon.up()?;
        // What it knows when it says that it is ready is what was.
        let now = daemon.pod("web")?;
        ensure!(container(&now) == container(&before), "{now:#}\n{before:#}");
        ensure!(
            now["metadata"]["uid"] == before["metadata"]["uid"],
            "{now:#}"
        );
    }
    let said = spoken(&mut daemon.outrigger(&["logs", "web"]), None)?.ended(0)?;
    ensure!(said == "hello\n", "{said}");
    daemon.finish()
}

/// The samples of a text in Prometheus' format, by name and labels.
fn samples(text: &str) -> Result<BTreeMap<String, f64>, Failure> {
    let mut found = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line
            .rsplit_once(' ')
            .ok_or_else(|| failed(format!("this is no sample: {line}")))?;
        let value = value
            .parse()
            .map_err(|_| failed(format!("this is no number: {line}")))?;
        ensure!(
            found.insert(name.to_owned(), value).is_none(),
            "{name} is there twice"
        );
    }
    Ok(found)
}

fn it_answers_for_its_health_and_its_numbers(world: &World) -> Verdict {
    let daemon = Daemon::start(world)?;
    daemon.apply(POD)?;
    ready(&daemon)?;
    for path in ["/healthz", "/livez", "/readyz"] {
        let (status, text) = daemon.ask("GET", path, "")?;
        ensure!(status == 200 && text == "ok", "{path}: {status} {text}");
    }
    let (status, text) = daemon.ask("GET", "/metrics", "")?;
    let text = text.as_str().unwrap_or_default();
    let samples = samples(text)?;
    for (name, wanted) in [
        ("kubelet_running_pods", 1.0),
        (
            "kubelet_running_containers{container_state=\"running\"}",
            1.0,
        ),
        ("kubelet_started_pods_total", 1.0),
        ("kubelet_started_containers_total", 1.0),
        ("kubelet_pod_start_duration_seconds_count", 1.0),
        (
            "kubelet_pod_start_duration_seconds_bucket{le=\"+Inf\"}",
            1.0,
        ),
    ] {
        let found = samples.get(name);
        ensure!(
            status == 200 && found == Some(&wanted),
            "{name}: {found:?}\n{text}"
        );
    }
    // Each has its type said before it.
    for name in samples.keys() {
        let family = name.split('{').next().unwrap_or_default();
        let plain = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| family.strip_suffix(end))
            .unwrap_or(family);
        ensure!(
            text.contains(&format!("# TYPE {family} "))
                || text.contains(&format!("# TYPE {plain} ")),
            "{name} has no type"
        );
    }
    daemon.finish()
}

fn its_log_can_be_read_by_machines(world: &World) -> Verdict {
    let mut daemon = Daemon::prepared(world)?;
    daemon.flags = vec!["--log-format".into(), "json".into()];
    daemon.environment.push(("RUST_LOG".into(), "debug".into()));
    daemon.up()?;
    daemon.apply(POD)?;
    ready(&daemon)?;
    daemon.stop()?;
    let text = daemon.log_text();
    for line in text.lines() {
        let one: Value =
            serde_json::from_str(line).map_err(|error| failed(format!("{error}: {line}")))?;
        ensure!(
            one["level"].is_string()
                && one["timestamp"].is_string()
                && one["fields"]["message"].is_string(),
            "{line}"
        );
    }
    ensure!(
        text.contains("\"message\":\"ready\"") && text.contains("DEBUG"),
        "{text}"
    );
    daemon.up()?;
    daemon.finish()
}

fn it_may_open_more_files_than_its_containers(world: &World) -> Verdict {
    let mut daemon = Daemon::prepared(world)?;
    let limits = "ulimit -Sn 200; ulimit -Hn 1500; exec \"$@\"";
    daemon.before = ["sh", "-c", limits, "sh"].map(str::to_owned).to_vec();
    daemon.up()?;
    daemon.apply(&POD.replace("echo hello", "ulimit -Sn"))?;
    ready(&daemon)?;
    let mut logs = String::new();
    // It is ready when it has been started, and has perhaps not said anything yet.
    until(10.0, || {
        logs = spoken(&mut daemon.outrigger(&["logs", "web"]), None)?.ended(0)?;
        Ok(!logs.is_empty())
    })?;
    ensure!(logs == "1024\n", "a container may open {logs}");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.pid()?))?;
    let files = limits.lines().find(|line| line.contains("open files"));
    let soft = files.and_then(|line| line.split_whitespace().nth(3));
    ensure!(soft == Some("1500"), "{limits}");
    let log = daemon.log_text();
    ensure!(log.contains("only 1500 files may be open"), "{log}");
    daemon.finish()
}

fn a_second_one_is_refused(world: &World) -> Verdict {
    let daemon = Daemon::start(world)?;
    let said = spoken(
        daemon
            .outrigger(&["daemon", "--listen", "127.0.0.1:7777"])
            .arg("--kubeconfig")
            .arg(world.work.join("other")),
        None,
    )?;
    ensure!(said.code == 1, "{}", said.shown());
    said.says("another outrigger daemon works in")?;
    said.says(&format!("process {}", daemon.pid()?))?;
    // One with other folders finds the port in use, and says how to choose another one.
    let other = world.work.join("other-root");
    let said = spoken(
        daemon
            .outrigger(&["daemon", "--listen", "127.0.0.1:6553"])
            .arg("--root")
            .arg(&other)
            .arg("--kubeconfig")
            .arg(world.work.join("other")),
        None,
    )?;
    ensure!(said.code == 1, "{}", said.shown());
    said.says("--listen")?;
    // One with the same sockets is refused before it has written the way to itself over the way to the first.
    let kubeconfig = std::fs::read_to_string(&daemon.kubeconfig)?;
    let said = spoken(
        daemon
            .outrigger(&["daemon", "--listen", "127.0.0.1:7777"])
            .arg("--root")
            .arg(&other)
            .arg("--kubeconfig")
            .arg(&daemon.kubeconfig),
        None,
    )?;
    ensure!(said.code == 1, "{}", said.shown());
    said.says("another daemon serves")?;
    ensure!(
        std::fs::read_to_string(&daemon.kubeconfig)? == kubeconfig,
        "the first one's kubeconfig is another one's now"
    );
    ensure!(
        daemon.ask("GET", "/readyz", "")?.0 == 200,
        "the first one is disturbed"
    );
    daemon.finish()
}

fn nothing_is_served_without_a_certificate(world: &World) -> Verdict {
    let daemon = Daemon::start(world)?;
    for path in ["/api/v1/pods", "/readyz", "/metrics"] {
        let said = daemon.kubectl()?.run(&[
            "get",
            "--raw",
            path,
            "--kubeconfig=/dev/null",
            "--server=https://127.0.0.1:6553",
            "--insecure-skip-tls-verify",
            "--token=x",
        ])?;
        ensure!(said.code != 0 && said.out.is_empty(), "{}", said.shown());
    }
    daemon.finish()
}

fn its_files_are_for_root_alone(world: &World) -> Verdict {
    use std::os::unix::fs::PermissionsExt;
    let daemon = Daemon::start(world)?;
    daemon
        .kubectl()?
        .good("create secret generic s --from-literal=p=word")?;
    for path in [
        daemon.kubeconfig.clone(),
        world.root.join("objects.redb"),
        world.state.join("api.sock"),
        world.root.join("pki/ca.pem"),
        world.root.join("pki/admin.pem"),
    ] {
        let mode = std::fs::metadata(&path)?.permissions().mode();
        ensure!(mode & 0o077 == 0, "{}: {:o}", path.display(), mode & 0o777);
    }
    daemon.finish()
}

fn our_own_commands_speak_over_the_socket(world: &World) -> Verdict {
    let daemon = Daemon::start(world)?;
    let file = world.file("web.yaml", POD)?.display().to_string();
    let own = |words: &str| -> Result<String, Failure> {
        let words: Vec<&str> = words.split(' ').collect();
        spoken(&mut daemon.outrigger(&words), None)?.ended(0)
    };
    let has = |text: String, wanted: &str| -> Verdict {
        ensure!(text.contains(wanted), "{wanted:?} is not in\n{text}");
        Ok(())
    };
    has(own(&format!("apply -f {file}"))?, "pod/web created\n")?;
    own("wait --for=condition=Ready pod/web --timeout=20s")?;
    has(own(&format!("apply -f {file}"))?, "pod/web unchanged\n")?;
    // kubectl and our own command go on with each other's work, and show the same.
    has(daemon.kubectl()?.apply(POD)?, "pod/web unchanged\n")?;
    for words in [
        "get pods -o name",
        "get pods -o yaml",
        "get nodes -o name",
        "logs web",
    ] {
        let (ours, theirs) = (own(words)?, daemon.kubectl()?.good(words)?);
        ensure!(ours.trim() == theirs.trim(), "{words}:\n{ours}\n{theirs}");
    }
    has(own("get pods")?, "web    1/1     Running   0")?;
    has(own("describe pod web")?, "QoS Class:")?;
    has(own("events")?, "Started container main")?;
    has(own("top pod")?, "web")?;
    let said = spoken(
        &mut daemon.outrigger(&["exec", "web", "--", "sh", "-c", "echo in; exit 6"]),
        None,
    )?;
    ensure!(said.out == "in\n" && said.code == 6, "{}", said.shown());
    let said = spoken(
        &mut daemon.outrigger(&["exec", "-i", "web", "--", "cat"]),
        Some("through"),
    )?;
    has(said.ended(0)?, "through")?;
    own(&format!("cp {file} web:/tmp/there"))?;
    has(own("exec web -- cat /tmp/there")?, "name: web")?;
    own("cp web:/tmp/there back")?;
    has(
        std::fs::read_to_string(world.work.join("back"))?,
        "name: web",
    )?;
    has(own("system info")?, "outrigger")?;
    let said = spoken(&mut daemon.outrigger(&["get", "pod", "nope"]), None)?;
    ensure!(said.code == 1, "{}", said.shown());
    said.says("Error from server (NotFound): pods \"nope\" not found")?;
    has(own("delete pod web")?, "pod \"web\" deleted")?;
    daemon.finish()
}
