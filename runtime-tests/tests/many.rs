//! Do very many Pods fit on one machine, and what do they cost the daemon? The figures are printed; those
//! in PROMISES.md come from `scripts/bench --only daemon`.
//!
//! Other work on the machine must not decide: what has no rest is awaited as long as it moves on, what an
//! idle daemon does is counted in its own processor time and wake-ups, and an adoption is measured
//! against a task of known size that is done again and again at the same time.
//!
//! `OUTRIGGER_MANY`: how many Pods (200), of three containers each; `OUTRIGGER_MANY_REST_S`: for how long
//! the daemon is watched while they run (10).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use runtime_tests::daemon::Daemon;
use runtime_tests::{Failure, Verdict, World, at_most_s, ensure, failed, run, tests};
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

/// How many Pods are ready with all of their containers.
fn running(daemon: &Daemon) -> Result<usize, Failure> {
    let (code, list) = daemon.ask("GET", PODS, "")?;
    ensure!(code == 200, "{code} {list}");
    let runs = |pod: &&Value| {
        let containers = pod["status"]["containerStatuses"].as_array();
        let conditions = pod["status"]["conditions"].as_array();
        containers.is_some_and(|all| {
            all.len() == 3 && all.iter().all(|one| !one["state"]["running"].is_null())
        }) && conditions.is_some_and(|all| {
            all.iter()
                .any(|one| one["type"] == "Ready" && one["status"] == "True")
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
fn pss_kib(process: &str) -> Result<u64, Failure> {
    let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let digits = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(digits.ok_or_else(|| failed("no Pss"))?.trim().parse()?)
}

/// The shares of all shims, least first. No other process is in this test's own namespace.
fn shims_kib() -> Result<Vec<u64>, Failure> {
    let mut shares = Vec::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let is_shim = std::fs::read(entry.path().join("cmdline"))
            .is_ok_and(|line| line.split(|&byte| byte == 0).nth(1) == Some(b"shim"));
        if let (true, Some(process)) = (is_shim, entry.file_name().to_str()) {
            shares.push(pss_kib(process)?);
        }
    }
    shares.sort_unstable();
    Ok(shares)
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

/// What it uses while nothing is asked of it, and for how long that was watched. Threads that are only
/// kept for a while after they were of use are waited for.
struct Rest {
    watched_s: f64,
    ran_s: f64,
    wakes: u64,
}

fn rest(daemon: &Daemon) -> Result<Rest, Failure> {
    let watched_s = std::env::var("OUTRIGGER_MANY_REST_S").map_or(Ok(10.0), |text| text.parse())?;
    std::thread::sleep(Duration::from_secs(13));
    let before = used(daemon)?;
    std::thread::sleep(Duration::from_secs_f64(watched_s));
    let (mut ran_s, mut wakes) = (0.0, 0);
    for (thread, after) in used(daemon)? {
        let (ran, slept) = before.get(&thread).copied().unwrap_or_default();
        ran_s += after.0 - ran;
        wakes += after.1.saturating_sub(slept);
    }
    Ok(Rest {
        watched_s,
        ran_s,
        wakes,
    })
}

impl Rest {
    fn tell(&self, of: &str) {
        let in_ten = 10.0 / self.watched_s;
        figure(
            &format!("{of}, wake-ups in 10 s"),
            self.wakes as f64 * in_ten,
            "",
        );
        figure(
            &format!("{of}, processor in 10 s"),
            self.ran_s * in_ten * 1e3,
            "ms",
        );
    }
}

fn an_idle_daemon_sleeps(world: &World) -> Verdict {
    let daemon = Daemon::start(world)?;
    let rest = rest(&daemon)?;
    figure(
        "idle daemon, PSS",
        pss_kib(&daemon.pid()?.to_string())? as f64,
        "KiB",
    );
    rest.tell("idle daemon");
    // A look at the machine and at the folder of manifests each minute, and nothing else.
    let most = 12.0 * rest.watched_s / 10.0;
    ensure!(
        (rest.wakes as f64) <= most,
        "it woke up {} times in {} s without a Pod",
        rest.wakes,
        rest.watched_s
    );
    daemon.finish()
}

fn many_pods_run_at_once_and_are_adopted_at_once(world: &World) -> Verdict {
    let count: usize = std::env::var("OUTRIGGER_MANY").map_or(Ok(200), |text| text.parse())?;
    let mut daemon = Daemon::start(world)?;
    let own_kib = |daemon: &Daemon| pss_kib(&daemon.pid()?.to_string());
    let before_kib = own_kib(&daemon)?;
    let began = Instant::now();
    for number in 0..count {
        let (code, answer) = daemon.ask("POST", PODS, &pod(number).to_string())?;
        ensure!(code == 201, "{code} {answer}");
    }
    figure("all created", began.elapsed().as_secs_f64(), "s");
    as_long_as_it_moves(count, || Ok(count - running(&daemon)?))?;
    figure("all ready", began.elapsed().as_secs_f64(), "s");
    let rest = rest(&daemon)?;
    rest.tell("daemon with pods at rest");
    ensure!(
        rest.ran_s < 0.05 * rest.watched_s,
        "with Pods at rest the daemon used {:.2} s of a processor in {} s",
        rest.ran_s,
        rest.watched_s
    );
    let kib = own_kib(&daemon)?;
    figure("daemon with pods, PSS", kib as f64, "KiB");
    let shims = shims_kib()?;
    ensure!(shims.len() == count, "{} shims", shims.len());
    figure("shim, PSS", shims[count / 2] as f64, "KiB");
    // Measured: a fifth of a megabyte for each, most of it the last states of its object.
    let most_kib = before_kib + 400 * count as u64;
    ensure!(
        kib < most_kib,
        "{kib} KiB with {count} Pods, {before_kib} without"
    );
    api(&daemon, count)?;
    adopted(&mut daemon, count)?;
    let began = Instant::now();
    let (code, answer) = daemon.ask("DELETE", &format!("{PODS}?gracePeriodSeconds=1"), "")?;
    ensure!(code == 200, "{code} {answer}");
    as_long_as_it_moves(count, || {
        let (_, list) = daemon.ask("GET", PODS, "")?;
        Ok(list["items"].as_array().map_or(count, Vec::len))
    })?;
    figure("all deleted", began.elapsed().as_secs_f64(), "s");
    daemon.finish()
}

/// Waits until nothing is left to happen; fails when that comes no nearer for long.
fn as_long_as_it_moves(all: usize, left: impl Fn() -> Result<usize, Failure>) -> Verdict {
    let (mut least, mut since) = (all, Instant::now());
    loop {
        let left = left()?;
        if left == 0 {
            return Ok(());
        }
        if left < least {
            (least, since) = (left, Instant::now());
        }
        ensure!(
            since.elapsed() < at_most_s(20.0),
            "{left} of {all} are missing, and that did not change for {:?}",
            since.elapsed()
        );
        // Asking costs the daemon, too.
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// How long the API takes to read one Pod, to read all, and to apply a change, each on a connection of its own.
fn api(daemon: &Daemon, count: usize) -> Verdict {
    let socket = daemon.socket();
    let measure = |name: &str, times: usize, request: &dyn Fn(usize) -> String| -> Verdict {
        let mut took = Vec::new();
        for number in 0..times {
            let request = request(number);
            let began = Instant::now();
            let mut stream = UnixStream::connect(&socket)?;
            stream.write_all(request.as_bytes())?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer)?;
            took.push(began.elapsed().as_secs_f64() * 1e3);
            let start = String::from_utf8_lossy(&answer[..answer.len().min(300)]).into_owned();
            ensure!(start.starts_with("HTTP/1.1 200 "), "{name}: {start}");
        }
        took.sort_by(f64::total_cmp);
        figure(&format!("{name}, p50"), took[times / 2], "ms");
        figure(&format!("{name}, p99"), took[times * 99 / 100], "ms");
        Ok(())
    };
    let head = |method: &str, path: &str, body: &str| {
        format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: application/json\r\n\
             Content-Type: application/strategic-merge-patch+json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    measure("API: get a pod", 400, &|number| {
        head("GET", &format!("{PODS}/pod-{}", number % count), "")
    })?;
    measure("API: list all pods", 100, &|_| head("GET", PODS, ""))?;
    measure("API: apply to a pod", 400, &|number| {
        let change = json!({"metadata": {"annotations": {"turn": number.to_string()}},
            "spec": {"containers": [{"name": "one", "image": "host:/"}]}});
        let path = format!("{PODS}/pod-{}", number % count);
        head("PATCH", &path, &change.to_string())
    })
}

/// Does a task of known size again and again while something else happens. Gives what that is worth, and
/// how many times as long as alone the task took meanwhile.
fn beside<T>(what: impl FnOnce() -> T) -> (T, f64) {
    let task = || {
        let began = Instant::now();
        // What an adoption is made of: computing, and other processes that have to have their turn.
        let mut value = 1_u64;
        for step in 0..100_000_u64 {
            value = std::hint::black_box(value.wrapping_mul(6_364_136_223_846_793_005) ^ step);
        }
        let child = std::process::Command::new("/bin/true").status();
        drop(child);
        began.elapsed().as_secs_f64()
    };
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let control = scope.spawn(|| {
            let mut took = Vec::new();
            while !over.load(Ordering::Relaxed) {
                took.push(task());
                std::thread::sleep(Duration::from_millis(5));
            }
            took
        });
        let result = what();
        over.store(true, Ordering::Relaxed);
        let beside = control.join().unwrap_or_default();
        let alone = (0..40).map(|_| task()).fold(f64::INFINITY, f64::min);
        let mean = beside.iter().sum::<f64>() / beside.len().max(1) as f64;
        (result, (mean / alone).max(1.0))
    })
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
        let (up, slower) = beside(|| daemon.up().map(|()| began.elapsed().as_secs_f64()));
        took.push((up?, slower));
        let run = running(daemon)?;
        ensure!(run == count, "{run} of {count} run");
    }
    ensure!(ids(daemon)? == before, "they are not the same containers");
    took.sort_by(|one, other| (one.0 / one.1).total_cmp(&(other.0 / other.1)));
    let (middle_s, slower) = took[1];
    figure("adopted after SIGKILL", middle_s * 1e3, "ms");
    figure("the machine was slower by then", slower, "times");
    let kib = pss_kib(&daemon.pid()?.to_string())?;
    figure("daemon after that, PSS", kib as f64, "KiB");
    ensure!(
        middle_s < at_most_s(slower).as_secs_f64(),
        "adoptions of {count} Pods took so many seconds, while the machine was so many times slower than \
         alone: {took:.2?}"
    );
    Ok(())
}
