//! What if the daemon dies while it takes up its Pods?

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runtime_tests::chance::Chance;
use runtime_tests::daemon::{Daemon, until};
use runtime_tests::{Verdict, World, ensure, loops};
use serde_json::{Value, json};

use crate::{id, is_left, processes, runs, started, text, uid};

fn progress(daemon: &Daemon) -> Value {
    let text = std::fs::read_to_string(daemon.root.join("adoption.json")).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Has the daemon crash as soon as this Pod is under way, alone, and suspected of an earlier death or not.
fn dies_with(daemon: &mut Daemon, pod: &Value, suspected: bool) -> Verdict {
    daemon.launch()?;
    let under_way = until(15.0, || {
        let progress = progress(daemon);
        Ok(progress["underWay"] == json!(uid(pod)) && progress["suspects"].is_null() != suspected)
    })?;
    ensure!(under_way, "{:#}\n{}", progress(daemon), daemon.log_end());
    daemon.crash()
}

pub(crate) fn a_pod_that_kills_the_daemon_twice_is_set_aside(world: &World) -> Verdict {
    let mut daemon = Daemon::start(world)?;
    let pods = [
        started(world, &daemon, "web")?,
        started(world, &daemon, "bomb")?,
    ];
    let bomb = &pods[1];
    daemon.kill()?;
    // As long as its shim does not answer the Pod is under way, so that the daemon is killed at that moment.
    let shim = Pid::from_raw(i32::try_from(processes(bomb)?[0])?);
    kill(shim, Signal::SIGSTOP)?;
    std::fs::write(daemon.root.join("adoption.json"), r#"{"stage":"together"}"#)?;
    dies_with(&mut daemon, bomb, false)?;
    dies_with(&mut daemon, bomb, true)?;
    daemon.up()?;
    let left = daemon.pod("bomb")?;
    let message = text(&left["status"]["message"]);
    ensure!(
        is_left(&left) && message.contains("twice in a row"),
        "{:#}",
        left["status"]
    );
    let web = daemon.until_pod("web", "runs", runs)?;
    ensure!(id(&web) == id(&pods[0]), "{:#}", web["status"]);
    kill(shim, Signal::SIGCONT)?;
    let retry = daemon.outrigger(&["system", "retry", "bomb"]).output()?;
    ensure!(retry.status.success(), "{retry:?}\n{}", daemon.log_end());
    let after = daemon.until_pod("bomb", "runs", runs)?;
    ensure!(id(&after) == id(bomb), "{:#}", after["status"]);
    let cleared = until(10.0, || Ok(progress(&daemon).is_null()))?;
    ensure!(cleared, "{:#}", progress(&daemon));
    daemon.finish()
}

pub(crate) fn random_kills_during_adoption_set_nobody_aside(world: &World) -> Verdict {
    let mut chance = Chance::of_variable("OUTRIGGER_KILL_SEED");
    let mut daemon = Daemon::start(world)?;
    let names = ["a", "b", "c", "d"];
    let mut pods = Vec::new();
    for name in names {
        pods.push(started(world, &daemon, name)?);
    }
    daemon.kill()?;
    for _ in 0..loops::times(400) {
        daemon.launch()?;
        let end = Instant::now() + chance.wait(Duration::from_millis(150));
        // A moment of chance is what this is about.
        std::thread::sleep(end.saturating_duration_since(Instant::now()));
        daemon.cut_off()?;
        let aside = &progress(&daemon)["setAside"];
        ensure!(aside.is_null(), "{aside:#}");
    }
    daemon.up()?;
    for (name, before) in names.iter().zip(&pods) {
        let after = daemon.until_pod(name, "runs", runs)?;
        ensure!(id(&after) == id(before), "{name}: {:#}", after["status"]);
    }
    daemon.finish()
}
