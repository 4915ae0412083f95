//! Do very many Pods fit on one machine, and what do they cost the daemon? The figures are printed; those
//! in PROMISES.md come from `scripts/bench --only daemon`.
//!
//! `OUTRIGGER_MANY`: how many Pods (200), of three containers each.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use runtime_tests::daemon::{Daemon, until};
use runtime_tests::{Failure, Verdict, World, ensure, failed, run, tests};
use serde_json::{Value, json};

fn main() -> ExitCode {
    run(tests![
        many_pods_run_at_once_and_are_adopted_at_once,
        an_idle_daemon_sleeps,
    ])
}

const PODS: &str = "/api/v1/namespaces/default/pods";

fn pod(number: usize) -> Value {
    let container =
        |name: &str| json!({"name": name, "image": "host:/", "command": ["sleep", "100000"]});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("pod-{number}")},
        "spec": {"terminationGracePeriodSeconds": 1,
            "containers": [container("one"), container("two"), container("three")]}})
}

/// How many Pods run with all of their containers.
fn running(daemon: &Daemon) -> Result<usize, Failure> {
    let (code, list) = daemon.ask("GET", PODS, "")?;
    ensure!(code == 200, "{code} {list}");
    let runs = |pod: &&Value| {
        let containers = pod["status"]["containerStatuses"].as_array();
        containers.is_some_and(|all| {
            all.len() == 3 && all.iter().all(|one| !one["state"]["running"].is_null())
        })
    };
    Ok(list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(runs)
        .count())
}

/// A figure, as `scripts/bench` reads it.
fn figure(name: &str, value: f64, unit: &str) {
    println!("figure {name}: {value:.2} {unit}");
}

/// Kilobytes of memory that are this process' share.
fn pss_kib(daemon: &Daemon) -> Result<u64, Failure> {
    let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", daemon.pid()?))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let digits = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(digits.ok_or_else(|| failed("no Pss"))?.trim().parse()?)
}

/// What each of its threads has used of a processor, in seconds, and how often it went to sleep.
type Used = BTreeMap<OsString, (f64, u64)>;

fn used(daemon: &Daemon) -> Result<Used, Failure> {
    let mut threads = Used::new();
    for task in std::fs::read_dir(format!("/proc/{}/task", daemon.pid()?))?.flatten() {
        let read = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let ran = read("schedstat");
        let ran: f64 = ran.split(' ').next().unwrap_or("0").parse().unwrap_or(0.0);
        let status = read("status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        let sleeps = line.and_then(|count| count.trim().parse().ok());
        threads.insert(task.file_name(), (ran / 1e9, sleeps.unwrap_or(0)));
    }
    Ok(threads)
}

/// What it uses in ten seconds in which nothing is asked of it. Threads that are only kept for a while
/// after they were of use are waited for.
fn idle(daemon: &Daemon) -> Result<(f64, u64), Failure> {
    std::thread::sleep(Duration::from_secs(13));
    let before = used(daemon)?;
    std::thread::sleep(Duration::from_secs(10));
    let (mut seconds, mut wakes) = (0.0, 0);
    for (thread, after) in used(daemon)? {
        let (ran, slept) = before.get(&thread).copied().unwrap_or_default();
        seconds += after.0 - ran;
        wakes += after.1.saturating_sub(slept);
    }
    Ok((seconds, wakes))
}

fn an_idle_daemon_sleeps(world: &World) -> Verdict {
    let daemon = Daemon::start(world)?;
    let (seconds, wakes) = idle(&daemon)?;
    figure("idle daemon, PSS", pss_kib(&daemon)? as f64, "KiB");
    figure("idle daemon, wake-ups in 10 s", wakes as f64, "");
    figure("idle daemon, processor in 10 s", seconds * 1e3, "ms");
    // A look at the folder of manifests each 20 seconds, as the kubelet has it, and nothing else.
    ensure!(
        wakes <= 12,
        "it woke up {wakes} times in 10 s without a Pod"
    );
    daemon.finish()
}

fn many_pods_run_at_once_and_are_adopted_at_once(world: &World) -> Verdict {
    let count: usize = std::env::var("OUTRIGGER_MANY").map_or(Ok(200), |text| text.parse())?;
    let mut daemon = Daemon::start(world)?;
    let before_kib = pss_kib(&daemon)?;
    let began = Instant::now();
    for number in 0..count {
        let (code, answer) = daemon.ask("POST", PODS, &pod(number).to_string())?;
        ensure!(code == 201, "{code} {answer}");
    }
    let created_s = began.elapsed().as_secs_f64();
    let all = |daemon: &Daemon| until(100.0, || Ok(running(daemon)? == count));
    ensure!(all(&daemon)?, "only {} run", running(&daemon)?);
    let started_s = began.elapsed().as_secs_f64();
    let (seconds, wakes) = idle(&daemon)?;
    figure("all created", created_s, "s");
    figure("all run", started_s, "s");
    let pss_kib = pss_kib(&daemon)?;
    figure("daemon, PSS", pss_kib as f64, "KiB");
    figure("wake-ups in 10 s", wakes as f64, "");
    figure("processor in 10 s", seconds * 1e3, "ms");
    ensure!(
        seconds < 0.5,
        "with Pods at rest the daemon used {seconds:.2} s of a processor in 10 s"
    );
    // Measured: a fifth of a megabyte for each, most of it the last states of its object.
    let most_kib = before_kib + 400 * count as u64;
    ensure!(
        pss_kib < most_kib,
        "{pss_kib} KiB with {count} Pods, {before_kib} without"
    );
    adopted(&mut daemon, count)?;
    let began = Instant::now();
    daemon.finish()?;
    figure("all deleted", began.elapsed().as_secs_f64(), "s");
    Ok(())
}

fn adopted(daemon: &mut Daemon, count: usize) -> Verdict {
    let ids = |daemon: &Daemon| -> Result<Vec<String>, Failure> {
        let (_, list) = daemon.ask("GET", PODS, "")?;
        let items = list["items"].as_array().into_iter().flatten();
        Ok(items
            .map(|pod| pod["status"]["containerStatuses"].to_string())
            .collect())
    };
    let before = ids(daemon)?;
    let mut took = Vec::new();
    for _ in 0..3 {
        daemon.kill()?;
        let began = Instant::now();
        daemon.up()?;
        took.push(began.elapsed());
        ensure!(
            running(daemon)? == count,
            "{} of {count} run",
            running(daemon)?
        );
    }
    ensure!(ids(daemon)? == before, "they are not the same containers");
    took.sort();
    figure("adopted after SIGKILL", took[1].as_secs_f64() * 1e3, "ms");
    figure("daemon after that, PSS", pss_kib(daemon)? as f64, "KiB");
    ensure!(
        took[1] < runtime_tests::at_most_s(1.0),
        "an adoption of {count} Pods took {:?}",
        took[1]
    );
    Ok(())
}
