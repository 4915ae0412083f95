//! What does a daemon do that may open few files: do its Pods go on, does its API answer, can what runs be deleted?

use std::net::TcpStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use runtime_tests::daemon::{Daemon, PORT, spoken, until};
use runtime_tests::{Failure, Verdict, World, ensure, failed, loops, run, tests};
use serde_json::{Value, json};

fn main() -> ExitCode {
    run(tests![
        pods_get_what_the_api_does_not_need,
        pods_that_are_over_use_no_files_up,
        a_crowd_of_idle_clients_is_borne,
    ])
}

const FILES: u64 = 64;
const STAYS: &str = "trap 'exit 0' TERM; while :; do sleep 0.1 & wait $!; done";
const PODS: &str = "/api/v1/namespaces/default/pods";

fn pod(name: &str, policy: &str, script: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"terminationGracePeriodSeconds": 1, "restartPolicy": policy, "containers": [
            {"name": "main", "image": "host:/", "command": ["sh", "-c", script]}]}})
}

/// A daemon that may open so few files.
fn poor(world: &World) -> Result<Daemon, Failure> {
    let mut daemon = Daemon::prepared(world)?;
    let limits = format!("ulimit -n {FILES}; exec \"$@\"");
    daemon.before = ["sh", "-c", &limits, "sh"].map(str::to_owned).to_vec();
    daemon.up()?;
    Ok(daemon)
}

fn create(daemon: &Daemon, pod: &Value) -> Verdict {
    let (code, answer) = daemon.ask("POST", PODS, &pod.to_string())?;
    ensure!(code == 201, "{code} {answer}");
    Ok(())
}

fn is_ready(pod: &Value) -> bool {
    pod["status"]["containerStatuses"][0]["ready"] == true
}

/// The names of the Pods that run.
fn running(daemon: &Daemon) -> Result<Vec<String>, Failure> {
    let (code, list) = daemon.ask("GET", PODS, "")?;
    ensure!(code == 200, "{code} {list}");
    let pods = list["items"].as_array().into_iter().flatten();
    let names = pods
        .filter(|pod| is_ready(pod))
        .map(|pod| pod["metadata"]["name"].as_str());
    Ok(names
        .map(|name| name.unwrap_or_default().to_owned())
        .collect())
}

fn pods_get_what_the_api_does_not_need(world: &World) -> Verdict {
    const ASKED: usize = 12;
    let mut daemon = poor(world)?;
    for number in 0..ASKED {
        create(&daemon, &pod(&format!("p{number}"), "Always", STAYS))?;
    }
    // Some run, and every other one says why it does not and what to do.
    let events = || -> Result<String, Failure> {
        Ok(daemon
            .ask("GET", "/api/v1/namespaces/default/events", "")?
            .1
            .to_string())
    };
    let mut up = Vec::new();
    let settled = until(30.0, || {
        up = running(&daemon)?;
        let told = events()?;
        let waits = |number: &usize| {
            let name = format!("p{number}");
            !up.contains(&name) && told.contains(&format!("\"name\":\"{name}\""))
        };
        let waiting = (0..ASKED).filter(waits).count();
        Ok(!up.is_empty() && up.len() + waiting == ASKED && told.contains("raise the hard limit"))
    })?;
    ensure!(settled, "{up:?} run; {}\n{}", events()?, daemon.log_text());
    ensure!((2..ASKED).contains(&up.len()), "{up:?}");
    let said = spoken(
        &mut daemon.outrigger(&["exec", &up[0], "--", "echo", "in"]),
        None,
    )?
    .ended(0)?;
    ensure!(said == "in\n", "{said}");
    daemon.kubectl()?.good("get pods")?;
    // Another daemon takes up those that run.
    daemon.kill()?;
    daemon.up()?;
    for name in &up {
        let found = daemon.until_pod(name, "goes on", is_ready)?;
        ensure!(
            found["status"]["containerStatuses"][0]["restartCount"] == 0,
            "{found}"
        );
    }
    // One that goes makes room for one that waits.
    daemon.kubectl()?.good(&format!("delete pod {}", up[0]))?;
    let more = until(60.0, || {
        Ok(running(&daemon)?.iter().any(|name| !up.contains(name)))
    })?;
    ensure!(
        more,
        "none of those that wait has started: {}",
        daemon.log_text()
    );
    daemon.finish()
}

fn pods_that_are_over_use_no_files_up(world: &World) -> Verdict {
    let daemon = poor(world)?;
    for number in 0..FILES {
        let name = format!("p{number}");
        create(&daemon, &pod(&name, "Never", "true"))?;
        daemon.until_pod(&name, "its end", |pod| {
            pod["status"]["phase"] == "Succeeded"
        })?;
    }
    let open = std::fs::read_dir(format!("/proc/{}/fd", daemon.pid()?))?.count();
    ensure!((open as u64) < FILES / 2 + 10, "{open} files are open");
    daemon.finish()
}

/// The processor's time that the daemon has had.
fn worked(daemon: &Daemon) -> Result<Duration, Failure> {
    const TICK_MS: u64 = 10;
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.pid()?))?;
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = after_name.split(' ').skip(11).take(2);
    let ticks: u64 = ticks.map(|field| field.parse().unwrap_or(0)).sum();
    Ok(Duration::from_millis(ticks * TICK_MS))
}

/// So many clients that say nothing. They come from several threads: whoever finds the queue full waits for a second.
fn crowd(count: u64) -> Result<Vec<TcpStream>, Failure> {
    const THREADS: u64 = 50;
    let some = || -> std::io::Result<Vec<TcpStream>> {
        let connect = |_| TcpStream::connect(("127.0.0.1", PORT));
        (0..count.div_ceil(THREADS)).map(connect).collect()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(some)).collect();
        let mut crowd = Vec::new();
        for thread in threads {
            let some = thread
                .join()
                .map_err(|_| failed("a thread of the test broke off"))?;
            crowd.extend(some?);
        }
        Ok(crowd)
    })
}

fn a_crowd_of_idle_clients_is_borne(world: &World) -> Verdict {
    let wanted = u64::from(loops::times(5_000)).max(1_000);
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    let daemon = poor(world)?;
    create(&daemon, &pod("web", "Always", "sleep 1; exit 3"))?;
    daemon.until_pod("web", "runs", |pod| {
        !pod["status"]["containerStatuses"][0]["state"]["running"].is_null()
    })?;
    let crowd = crowd(hard.saturating_sub(100).min(wanted))?;
    // Those who have something to say are heard, of both doors.
    daemon.kubectl()?.good("get pods")?;
    let (code, _) = daemon.ask("GET", PODS, "")?;
    ensure!(code == 200, "{code}");
    // What runs is looked after.
    daemon.until_pod("web", "was restarted", |pod| {
        pod["status"]["containerStatuses"][0]["restartCount"].as_u64() > Some(0)
    })?;
    // It does not go round in circles: less than a twentieth of a core, while the crowd is there.
    let (before, began) = (worked(&daemon)?, Instant::now());
    std::thread::sleep(Duration::from_secs(2));
    let (worked, took) = (worked(&daemon)?.saturating_sub(before), began.elapsed());
    ensure!(
        worked < took.mul_f64(0.05 * runtime_tests::time_scale()),
        "{worked:?} in {took:?}"
    );
    ensure!(!crowd.is_empty(), "nobody came");
    drop(crowd);
    let (code, _) = daemon.ask("GET", PODS, "")?;
    ensure!(code == 200, "{code}");
    daemon.kubectl()?.good("delete pod web")?;
    daemon.finish()
}
