//! Another process has the lock of a Pod when the daemon starts: what becomes of the Pod, and of its deletion?

use std::process::{Child, Command, ExitCode, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runtime_tests::daemon::Daemon;
use runtime_tests::{Failure, Verdict, World, ensure, failed, run, tests};
use serde_json::Value;

fn main() -> ExitCode {
    run(tests![
        a_pod_goes_on_when_what_held_its_lock_lets_go,
        a_deletion_goes_on_when_what_held_it_lets_go,
    ])
}

/// A daemon whose Pod's lock was taken by somebody of root's while it was down, and who has it.
fn held(world: &World) -> Result<(Daemon, Child), Failure> {
    let mut daemon = Daemon::start(world)?;
    daemon.apply(LASTING)?;
    let ready = |pod: &Value| pod["status"]["containerStatuses"][0]["ready"] == true;
    let pod = daemon.until_pod("web", "readiness", ready)?;
    daemon.stop()?;
    let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
    let mut holder = Command::new("flock")
        .arg("--nonblock")
        .arg(daemon.state.join("pods").join(format!("{uid}.lock")))
        .args(["sh", "-c", "echo held; exec sleep 1000"])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = [0; 5];
    let pipe = holder.stdout.as_mut();
    let pipe = pipe.ok_or_else(|| failed("the holder says nothing"))?;
    std::io::Read::read_exact(pipe, &mut said)?;
    daemon.up()?;
    let left = daemon.until_pod("web", "is left", |pod| {
        pod["status"]["reason"] == "NotTakenUp"
    })?;
    let message = left["status"]["message"].as_str().unwrap_or_default();
    ensure!(message.contains("fuser"), "{message}");
    Ok((daemon, holder))
}

/// `flock` has started another process, which has the lock too.
fn let_go(mut holder: Child) -> Verdict {
    let children = format!("/proc/{0}/task/{0}/children", holder.id());
    for pid in std::fs::read_to_string(children)?.split_whitespace() {
        kill(Pid::from_raw(pid.parse()?), Signal::SIGKILL)?;
    }
    holder.wait()?;
    Ok(())
}

const LASTING: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: main, image: "host:/", command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 0.1 & wait $!; done"]}
"#;

fn a_pod_goes_on_when_what_held_its_lock_lets_go(world: &World) -> Verdict {
    let (daemon, holder) = held(world)?;
    let_go(holder)?;
    let pod = daemon.until_pod("web", "goes on", |pod| {
        pod["status"]["containerStatuses"][0]["ready"] == true
    })?;
    ensure!(
        pod["status"]["containerStatuses"][0]["restartCount"] == 0,
        "{pod}"
    );
    daemon.finish()
}

fn a_deletion_goes_on_when_what_held_it_lets_go(world: &World) -> Verdict {
    let (daemon, holder) = held(world)?;
    let path = "/api/v1/namespaces/default/pods/web";
    let (code, answer) = daemon.ask("DELETE", path, "")?;
    ensure!(code == 200, "{code} {answer}");
    let_go(holder)?;
    daemon.until_pod("web", "is gone", Value::is_null)?;
    daemon.finish()
}
