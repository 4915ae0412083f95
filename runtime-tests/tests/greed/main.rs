//! What may a request cost? Random long and deep bodies of every form, one and eight at a time, must all be answered, and
//! neither fill the daemon's memory nor stay in it. How long they take, and who waits meanwhile, is a row of scripts/bench.

mod bodies;
mod envelope;

use std::io::{Read, Write};
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bodies::{Greedy, draw, short};
use runtime_tests::chance::Chance;
use runtime_tests::daemon::{Daemon, ask, until};
use runtime_tests::{Failure, Verdict, World, at_most_s, ensure, failed, loops, run, tests};
use serde_json::json;

fn main() -> ExitCode {
    run(tests![
        greedy_requests_are_answered_and_leave_nothing_behind
    ])
}

/// How many in `scripts/night`; in `scripts/test` a tenth.
const MANY: u32 = 10_000;
/// What the daemon may take at its most, the pages of its program among it.
const PEAK_KIB: u64 = 256 * 1024;
/// What may remain, of what there was before.
const REST_PERCENT: u64 = 120;
/// In so much time.
const REST_S: f64 = 10.0;
const AT_ONCE: usize = 8;

fn greedy_requests_are_answered_and_leave_nothing_behind(world: &World) -> Verdict {
    let daemon = Daemon::start(world)?;
    let chance = Chance::of_variable("OUTRIGGER_GREED_SEED");
    prepare(&daemon)?;
    // All that is needed for any of them is there before it is measured what they leave.
    for (number, greedy) in short(&mut chance.numbered(u32::MAX)).iter().enumerate() {
        send(&daemon.socket(), greedy).map_err(|why| told(number as u32, greedy, &why))?;
    }
    let before_kib = settled_kib(&daemon)?;
    // From here on the peak is counted anew.
    std::fs::write(format!("/proc/{}/clear_refs", daemon.pid()?), "5")?;
    let count = MANY.min(loops::times(2 * MANY));
    let socket = daemon.socket();
    let calm = AtomicBool::new(false);
    let (slowest, asked) = std::thread::scope(|scope| {
        let asking = scope.spawn(|| get_again_and_again(&socket, &calm));
        let alone = send_all(&socket, &chance, 1, 0..count / 2);
        let together = alone.and_then(|alone| {
            let together = send_all(&socket, &chance, AT_ONCE, count / 2..count)?;
            Ok((alone, together))
        });
        calm.store(true, Ordering::Relaxed);
        (together, joined(asking))
    });
    let ((alone_s, alone), (together_s, together)) = slowest?;
    let mut asked = asked?;
    asked.sort_by(f64::total_cmp);
    let peak_kib = memory_kib(&daemon, "status", "VmHWM:")?;
    let began = Instant::now();
    let (mut after_kib, most_kib) = (0, before_kib * REST_PERCENT / 100);
    let rests = until(REST_S, || {
        after_kib = memory_kib(&daemon, "smaps_rollup", "Pss:")?;
        Ok(after_kib <= most_kib)
    })?;
    let p99_s = asked.get(asked.len() * 99 / 100).copied();
    println!("{count} requests; the slowest alone was {alone}, of {AT_ONCE} {together}");
    println!(
        "figure greedy request alone, slowest: {:.0} ms",
        alone_s * 1e3
    );
    println!(
        "figure greedy request of {AT_ONCE}, slowest: {:.0} ms",
        together_s * 1e3
    );
    println!(
        "figure get meanwhile, p99: {:.2} ms",
        p99_s.unwrap_or_default() * 1e3
    );
    println!("figure greed, peak: {peak_kib} KiB");
    println!("figure greed, before: {before_kib} KiB");
    let rested_s = began.elapsed().as_secs_f64();
    println!("figure greed, afterwards: {after_kib} KiB");
    println!("figure greed, given back after: {rested_s:.1} s");
    ensure!(asked.len() > 10, "only {} gets meanwhile", asked.len());
    ensure!(peak_kib <= PEAK_KIB, "{peak_kib} KiB at the height of it");
    ensure!(rests, "{after_kib} KiB remain, of {before_kib} before");
    ask(&socket, "DELETE", &format!("{MAPS}/target"), "")?;
    daemon.finish()
}

const PODS: &str = "/api/v1/namespaces/default/pods";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// What patches can be applied to.
fn prepare(daemon: &Daemon) -> Verdict {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "target"},
        "data": {"k": "v"}});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "target"}, "spec": {
        "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "main", "image": "host:/", "command": ["sleep", "100000"],
            "env": [{"name": "A", "value": "b"}]}]}});
    for (path, object) in [(MAPS, map), (PODS, pod)] {
        let (code, answer) = daemon.ask("POST", path, &object.to_string())?;
        ensure!(code == 201, "{code} {answer}");
    }
    daemon.until_pod("target", "its start", |pod| {
        pod["status"]["phase"] == "Running"
    })?;
    Ok(())
}

fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, Result<T, Failure>>) -> Result<T, Failure> {
    let ended = thread.join();
    ended.unwrap_or_else(|_| Err(failed("a client panicked")))
}

fn told(number: u32, greedy: &Greedy, why: &str) -> Failure {
    let start: String = String::from_utf8_lossy(&greedy.body)
        .chars()
        .take(300)
        .collect();
    let path: String = greedy.path.chars().take(200).collect();
    failed(format!(
        "request {number}: {} {} {path}, {} bytes: {why}\n{start}",
        greedy.method,
        greedy.media_type,
        greedy.body.len()
    ))
}

/// Sends the requests of these numbers, so many at once; gives how long the slowest took, and which that was.
fn send_all(
    socket: &Path,
    chance: &Chance,
    at_once: usize,
    numbers: Range<u32>,
) -> Result<(f64, String), Failure> {
    let next = AtomicU32::new(numbers.start);
    std::thread::scope(|scope| {
        let send_some = || send_until(socket, chance, &next, numbers.end);
        let threads: Vec<_> = (0..at_once).map(|_| scope.spawn(send_some)).collect();
        let mut slowest = (0.0, String::new());
        for thread in threads {
            let one = joined(thread)?;
            if one.0 > slowest.0 {
                slowest = one;
            }
        }
        Ok(slowest)
    })
}

fn send_until(
    socket: &Path,
    chance: &Chance,
    next: &AtomicU32,
    until: u32,
) -> Result<(f64, String), Failure> {
    let mut slowest = (0.0, String::new());
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= until {
            return Ok(slowest);
        }
        let greedy = draw(&mut chance.numbered(number));
        let began = Instant::now();
        send(socket, &greedy).map_err(|why| told(number, &greedy, &why))?;
        let took_s = began.elapsed().as_secs_f64();
        let is_watch = greedy.path.contains("watch=1");
        if took_s > slowest.0 && !is_watch {
            let what = format!("{number} ({}, {} bytes)", greedy.what, greedy.body.len());
            slowest = (took_s, what);
        }
    }
}

/// Sends one and reads its answer to the end. It may be refused, in a moderate number of words.
fn send(socket: &Path, greedy: &Greedy) -> Result<(), String> {
    const MOST_ANSWER_BYTES: usize = 8 * 1024 * 1024;
    let failed = |error: std::io::Error| error.to_string();
    let mut stream = UnixStream::connect(socket).map_err(failed)?;
    stream
        .set_read_timeout(Some(at_most_s(60.0)))
        .map_err(failed)?;
    let head = format!(
        "{} {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n",
        greedy.method,
        greedy.path,
        greedy.media_type,
        greedy.body.len()
    );
    stream.write_all(head.as_bytes()).map_err(failed)?;
    stream.write_all(&greedy.body).map_err(failed)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(failed)?;
    let first = String::from_utf8_lossy(&answer[..answer.len().min(200)]).into_owned();
    let code = first
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse::<u16>().ok());
    match code {
        Some(200..=428 | 430..=499) if answer.len() <= MOST_ANSWER_BYTES => Ok(()),
        _ => Err(format!("answered in {} bytes: {first}", answer.len())),
    }
}

/// Asks for one object again and again; gives how long each answer took.
fn get_again_and_again(socket: &Path, calm: &AtomicBool) -> Result<Vec<f64>, Failure> {
    let mut took = Vec::new();
    while !calm.load(Ordering::Relaxed) {
        let began = Instant::now();
        let (code, answer) = ask(socket, "GET", &format!("{PODS}/target"), "")?;
        ensure!(code == 200, "{code} {answer}");
        took.push(began.elapsed().as_secs_f64());
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(took)
}

/// What the daemon takes when it gives nothing back any more.
fn settled_kib(daemon: &Daemon) -> Result<u64, Failure> {
    const STILL: Duration = Duration::from_secs(3);
    let (mut least_kib, mut since) = (u64::MAX, Instant::now());
    let settles = until(30.0, || {
        let kib = memory_kib(daemon, "smaps_rollup", "Pss:")?;
        if kib < least_kib {
            (least_kib, since) = (kib, Instant::now());
        }
        Ok(since.elapsed() >= STILL)
    })?;
    ensure!(settles, "its memory does not settle");
    Ok(least_kib)
}

/// A line of one of the files in which the kernel tells what the daemon takes.
fn memory_kib(daemon: &Daemon, file: &str, name: &str) -> Result<u64, Failure> {
    let text = std::fs::read_to_string(format!("/proc/{}/{file}", daemon.pid()?))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let digits = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(digits
        .ok_or_else(|| failed("no such line"))?
        .trim()
        .parse()?)
}
