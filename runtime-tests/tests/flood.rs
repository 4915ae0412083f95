//! What can clients do to a daemon that has a Pod to look after? Very many connections, watchers that never
//! read, requests that never come to an end and very much nonsense must neither delay its probes nor fill
//! its memory, nor keep the machine's own administrator out.

#[path = "tls/client.rs"]
mod tls;

use std::fmt::Write as _;
use std::io::Write;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use runtime_tests::daemon::{Daemon, ask, until};
use runtime_tests::stories::{Line, Telling};
use runtime_tests::{Failure, Verdict, World, at_most_s, ensure, failed, run, tests};
use serde_json::{Value, json};
use tls::{Client, Tls, send, status};

fn main() -> ExitCode {
    run(tests![a_flood_reaches_neither_probes_nor_memory])
}

const PODS: &str = "/api/v1/namespaces/default/pods";
const MANY: usize = 1_000;
/// How much later than its period a probe may come, and how long a request on the unix socket may take.
const LATE_S: f64 = 0.25;
/// A probe passes through the daemon, the shim and a process of its own, each of which the machine may keep
/// waiting.
const HOPS: f64 = 3.0;
/// What a flood may cost at its highest, and what may remain of it.
const PEAK_KIB: u64 = 80 * 1024;
const REST_KIB: u64 = 24 * 1024;
/// What a connection may cost that nothing is asked on, and one whose watch is not read.
const IDLE_KIB: u64 = 20;
const DEAF_KIB: u64 = 56;

/// As many as the daemon lets in, of so many.
fn connect_all(client: &Client, count: usize) -> Vec<Tls> {
    let connect = |_| client.connect().ok();
    (0..count).filter_map(connect).collect()
}

/// A Pod whose liveness probe writes down when it runs, each second.
fn probed(world: &World, daemon: &Daemon) -> Result<Telling, Failure> {
    let telling = Telling::begin(&world.work, "probes")?;
    let probe = "read -r now rest </proc/uptime; echo \"$now probe\" >>/told/probes";
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probed"}, "spec": {
        "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "main", "image": "host:/", "command": ["sleep", "100000"],
            "livenessProbe": {"exec": {"command": ["sh", "-c", probe]}, "periodSeconds": 1},
            "volumeMounts": [{"name": "told", "mountPath": "/told"}]}],
        "volumes": [{"name": "told", "hostPath": {"path": world.work}}]}});
    let (code, answer) = daemon.ask("POST", PODS, &pod.to_string())?;
    ensure!(code == 201, "{code} {answer}");
    let probes = until(10.0, || Ok(telling.lines().len() >= 3))?;
    ensure!(probes, "it is not probed");
    Ok(telling)
}

/// The most that a probe came later than a second after the one before, and when that was.
fn latest_s(telling: &Telling) -> (f64, f64) {
    let lines = telling.lines();
    let gap = |two: &[Line]| (two[1].at_s - two[0].at_s - 1.0, two[1].at_s);
    let gaps = lines.windows(2).map(gap);
    gaps.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or_default()
}

fn pss_kib(daemon: &Daemon) -> Result<u64, Failure> {
    let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", daemon.pid()?))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let digits = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(digits.ok_or_else(|| failed("no Pss"))?.trim().parse()?)
}

fn a_flood_reaches_neither_probes_nor_memory(world: &World) -> Verdict {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let daemon = Daemon::start(world)?;
    let client = Client::of(&daemon, true)?;
    let telling = probed(world, &daemon)?;
    let before_kib = pss_kib(&daemon)?;
    let calm = AtomicBool::new(false);
    let (flooded, asked, machine) = std::thread::scope(|scope| {
        let control = scope.spawn(|| machine_late_s(&calm));
        let administrator = scope.spawn(|| administer(&daemon, &calm));
        let flooded = flood(&daemon, &client);
        calm.store(true, Ordering::Relaxed);
        let asked = administrator.join();
        let asked = asked.unwrap_or_else(|_| Err(failed("the administrator's thread panicked")));
        let machine = control.join();
        let machine = machine.unwrap_or_else(|_| Err(failed("the control's thread panicked")));
        (flooded, asked, machine)
    });
    let (peak_kib, story) = flooded?;
    let machine_late_s = machine?;
    let mut asked = asked?;
    asked.sort_by(f64::total_cmp);
    let p99_s = asked[asked.len() * 99 / 100];
    let (late_s, late_at_s) = latest_s(&telling);
    let mut after_kib = 0;
    let allowed_kib = before_kib + REST_KIB;
    let rests = until(20.0, || {
        after_kib = pss_kib(&daemon)?;
        Ok(after_kib <= allowed_kib)
    })?;
    println!(
        "{story}probes at most {late_s:.3} s late (at {late_at_s}), the machine itself {machine_late_s:.3}; {} requests on the unix socket, p99 {:.0} ms; \
         PSS {before_kib} KiB before, {peak_kib} at most, {after_kib} after",
        asked.len(),
        p99_s * 1e3
    );
    let mut tls = client.connect()?;
    send(&mut tls, "GET", PODS, b"")?;
    ensure!(
        status(&mut tls) == Some(200),
        "the door does not open again"
    );
    let bound_s = LATE_S * runtime_tests::time_scale();
    ensure!(
        late_s < bound_s + HOPS * machine_late_s,
        "a probe came {late_s:.3} s late"
    );
    ensure!(
        p99_s < bound_s + machine_late_s,
        "an answer took {p99_s:.3} s"
    );
    ensure!(
        peak_kib < before_kib + PEAK_KIB,
        "{peak_kib} KiB at the height of it"
    );
    ensure!(rests, "{after_kib} KiB remain, of {before_kib} before");
    drop(tls);
    daemon.finish()
}

/// The control: a command like the probe's, each second, by nobody but the kernel and us. How much later it
/// comes than a second after the one before is what the machine does to everybody.
fn machine_late_s(calm: &AtomicBool) -> Result<f64, Failure> {
    let (mut due, mut last, mut late_s) = (Instant::now(), None, 0.0_f64);
    while !calm.load(Ordering::Relaxed) {
        let output = Command::new("sh")
            .args(["-c", "read -r now rest </proc/uptime; echo $now"])
            .output()?;
        let at_s: f64 = String::from_utf8_lossy(&output.stdout).trim().parse()?;
        late_s = late_s.max(last.map_or(0.0, |last| at_s - last - 1.0));
        last = Some(at_s);
        due += Duration::from_secs(1);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok(late_s)
}

/// Asks again and again on the unix socket, which has connections that nobody else can use; gives how long
/// each answer took.
fn administer(daemon: &Daemon, calm: &AtomicBool) -> Result<Vec<f64>, Failure> {
    let mut took = Vec::new();
    while !calm.load(Ordering::Relaxed) {
        let began = Instant::now();
        let (code, answer) = ask(&daemon.socket(), "GET", PODS, "")?;
        ensure!(code == 200, "{code} {answer}");
        took.push(began.elapsed().as_secs_f64());
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(took)
}

/// All that a bad neighbour can think of, one after the other; gives the most memory seen, and a story.
fn flood(daemon: &Daemon, client: &Client) -> Result<(u64, String), Failure> {
    let mut story = String::new();
    let mut peak_kib = 0;
    let mut note = |what: &str| -> Result<u64, Failure> {
        let kib = pss_kib(daemon)?;
        peak_kib = peak_kib.max(kib);
        let now = std::fs::read_to_string("/proc/uptime")?;
        let now_s = now.split(' ').next().unwrap_or_default();
        writeln!(story, "{now_s} {what}: {kib} KiB PSS")?;
        Ok(kib)
    };
    let calm_kib = note("nobody")?;
    let each_kib = |kib: u64, count: usize| kib.saturating_sub(calm_kib) / count as u64;
    let idle = connect_all(client, MANY);
    let kib = note(&format!("{} idle connections", idle.len()))?;
    ensure!(idle.len() > MANY / 2, "only {} connections", idle.len());
    let kib = each_kib(kib, idle.len());
    ensure!(kib <= IDLE_KIB, "an idle connection costs {kib} KiB");
    drop(idle);

    let mut deaf_kib = 0;
    let mut watchers = connect_all(client, MANY);
    watchers.retain_mut(|tls| send(tls, "GET", "/api/v1/pods?watch=1", b"").is_ok());
    for number in 0..200 {
        let path = format!("{PODS}/probed");
        let filler = "x".repeat(10_000);
        let patch =
            json!({"metadata": {"annotations": {"filler": filler, "number": number.to_string()}}});
        let (code, answer) = daemon.ask("PATCH", &path, &patch.to_string())?;
        ensure!(code == 200, "{code} {answer}");
        if number % 50 == 49 {
            let count = watchers.len();
            deaf_kib = note(&format!(
                "{count} watchers that never read, {number} changes"
            ))?;
        }
    }
    ensure!(
        watchers.len() > MANY / 2,
        "only {} watchers",
        watchers.len()
    );
    let kib = each_kib(deaf_kib, watchers.len());
    ensure!(
        kib <= DEAF_KIB,
        "a watcher that never reads costs {kib} KiB"
    );
    drop(watchers);

    let bodies = endless_bodies(client);
    note(&format!(
        "{} bodies of requests that never end",
        bodies.len()
    ))?;
    drop(bodies);
    slow_heads(client)?;
    note("heads of requests that never end")?;
    let refused = nonsense(client)?;
    note(&format!(
        "{refused} manifests of 64 KiB of nonsense, all refused"
    ))?;
    Ok((peak_kib, story))
}

/// Requests whose bodies lack the last byte, together far more than the daemon takes in at once: some are refused.
fn endless_bodies(client: &Client) -> Vec<Tls> {
    const BYTES: usize = 2 * 1024 * 1024;
    let head =
        format!("POST {PODS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {BYTES}\r\n\r\n");
    let body = vec![b'x'; BYTES - 1];
    let mut all = connect_all(client, 60);
    for tls in &mut all {
        // Who is refused may find the connection closed.
        let _ = tls
            .write_all(head.as_bytes())
            .and_then(|()| tls.write_all(&body));
    }
    all
}

/// Each sends a letter now and then; all must have been cut off after a while.
fn slow_heads(client: &Client) -> Verdict {
    let mut slow = connect_all(client, 300);
    let deadline = Instant::now() + at_most_s(25.0);
    let head = b"GET /api/v1/pods HTTP/1.1\r\nX-Slow: ";
    slow.retain_mut(|tls| tls.write_all(head).and_then(|()| tls.flush()).is_ok());
    ensure!(slow.len() > 100, "only {} slow ones", slow.len());
    while !slow.is_empty() {
        slow.retain_mut(|tls| tls.write_all(b"x").and_then(|()| tls.flush()).is_ok());
        ensure!(
            Instant::now() < deadline,
            "{} heads that never end are still waited for",
            slow.len()
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// Manifests that are none, thousands of them, four clients at a time; gives how many were refused.
fn nonsense(client: &Client) -> Result<usize, Failure> {
    const EACH: usize = 500;
    let deep = "[".repeat(64 * 1024);
    let long = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x".repeat(60_000)},
        "spec": {"containers": []}})
    .to_string();
    let odd = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "odd"},
        "spec": Value::from(vec!["nonsense"; 5_000])})
    .to_string();
    let noise: String = (0..64 * 1024_u32)
        .map(|at| char::from((at * 7 % 94 + 33) as u8))
        .collect();
    let bodies = [deep, long, odd, noise];
    let counts = std::thread::scope(|scope| {
        let send_all = |body: &str| -> Result<usize, Failure> {
            for number in 0..EACH {
                let mut tls = client.connect()?;
                send(&mut tls, "POST", PODS, body.as_bytes())?;
                let code = status(&mut tls);
                ensure!(
                    code.is_some_and(|code| (400..500).contains(&code)),
                    "nonsense number {number} was answered with {code:?}"
                );
            }
            Ok(EACH)
        };
        let threads: Vec<_> = bodies
            .iter()
            .map(|body| scope.spawn(move || send_all(body)))
            .collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<usize, Failure>>| {
            thread
                .join()
                .unwrap_or_else(|_| Err(failed("a client panicked")))
        };
        threads.into_iter().map(join).collect::<Result<Vec<_>, _>>()
    })?;
    Ok(counts.into_iter().sum())
}
