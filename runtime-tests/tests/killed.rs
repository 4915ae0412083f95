//! Does a daemon that is killed again and again bring the lives of its Pods to the same ends as one that
//! is not?
//!
//! Once at random moments, once right after each line of each record, and once while it takes over what
//! killed shims left.
//!
//! `OUTRIGGER_KILLS`: how often it is killed at random moments (500, and 40 where time is stretched; fewer if
//! a busy machine takes long). `OUTRIGGER_KILL_SEED`: when.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runtime_tests::cast::Cast;
use runtime_tests::chance::Chance;
use runtime_tests::daemon::Daemon;
use runtime_tests::records::Records;
use runtime_tests::stories::{found_slower, stories};
use runtime_tests::{Failure, Verdict, World, ensure, run, tests};
use serde_json::{Value, json};

fn main() -> ExitCode {
    run(tests![
        lives_go_as_their_stories_say,
        killed_at_random_moments_lives_go_as_if_it_had_not_been,
        killed_at_each_step_lives_go_as_if_it_had_not_been,
        killed_while_it_takes_over_from_killed_shims_it_leaves_nothing,
    ])
}

const PODS_PATH: &str = "/api/v1/namespaces/default/pods";

/// After how many kills it is told how far that is.
const PROGRESS: usize = 250;

/// How long a daemon lives on average, unless it takes long to come up.
const MEAN_LIFE: Duration = Duration::from_millis(220);
/// How often the time that it takes to come up fits into that at least. If hardly any daemon came so far, lives
/// would not go on.
const STARTS_A_LIFE: u32 = 3;
/// One of so many daemons is measured.
const MEASURED_EACH: usize = 10;

fn lives_go_as_their_stories_say(world: &World) -> Verdict {
    let mut daemon = Daemon::prepared(world)?;
    daemon.up()?;
    let all = stories();
    let mut cast = Cast::new(&daemon.socket(), &world.work.join("told"), &all, 0)?;
    let played = cast.play();
    told_with(played, &daemon)?;
    daemon.finish()
}

fn killed_at_random_moments_lives_go_as_if_it_had_not_been(world: &World) -> Verdict {
    let (wanted, enough_time) = wanted()?;
    let mut chance = Chance::of_variable("OUTRIGGER_KILL_SEED");
    let mut daemon = Daemon::prepared(world)?;
    let (socket, folder) = (daemon.socket(), world.work.join("told"));
    let (kills, lives) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failed = AtomicBool::new(false);
    let began = Instant::now();
    let enough = || {
        kills.load(Ordering::Relaxed) >= wanted
            || enough_time.is_some_and(|time| began.elapsed() > time)
    };
    let (killed, played) = std::thread::scope(|scope| {
        let killer = scope.spawn(|| {
            let mut mean = MEAN_LIFE;
            while !enough() && !failed.load(Ordering::Relaxed) {
                match kills.load(Ordering::Relaxed) % MEASURED_EACH {
                    0 => mean = mean_life(&mut daemon)?,
                    _ => daemon.launch()?,
                }
                std::thread::sleep(chance.wait(mean));
                daemon.kill()?;
                let kills = kills.fetch_add(1, Ordering::Relaxed) + 1;
                if kills % PROGRESS == 0 {
                    let (lives, took) = (lives.load(Ordering::Relaxed), began.elapsed());
                    println!("killed {kills} times, {lives} lives, {} s", took.as_secs());
                }
            }
            daemon.up()
        });
        let played = play_on(&socket, &folder, &lives, || {
            let enough = enough();
            // One that has finished before that has found something, which is told below.
            ensure!(enough || !killer.is_finished(), "the killer gave up");
            Ok(!enough)
        });
        failed.store(played.is_err(), Ordering::Relaxed);
        let killed = killer.join();
        (
            killed.unwrap_or_else(|_| Err(runtime_tests::failed("the killer panicked"))),
            played,
        )
    });
    println!(
        "in all: {} kills, {} lives, {} s",
        kills.load(Ordering::Relaxed),
        lives.load(Ordering::Relaxed),
        began.elapsed().as_secs()
    );
    told_with(killed, &daemon)?;
    told_with(played, &daemon)?;
    finish(daemon)
}

/// Ends the daemon, and shows what its lives complained of: if something is left, that says why.
fn finish(daemon: Daemon) -> Verdict {
    let log = daemon.log.clone();
    let finished = daemon.finish();
    let log = std::fs::read_to_string(log).unwrap_or_default();
    let complains = |line: &&str| line.contains(" ERROR ") || line.contains(" WARN ");
    let complaints: Vec<&str> = log.lines().filter(complains).collect();
    for line in &complaints[complaints.len().saturating_sub(40)..] {
        println!("daemon: {line}");
    }
    finished
}

/// Whether this machine is so slow that samples have to do.
fn is_slow() -> bool {
    runtime_tests::time_scale() > 1.0
}

/// How many kills are wanted, and after how long there are enough if nobody has asked for a number: a very busy
/// machine kills fewer in the time that a test has.
fn wanted() -> Result<(usize, Option<Duration>), Failure> {
    if let Ok(asked) = std::env::var("OUTRIGGER_KILLS") {
        return Ok((asked.parse()?, None));
    }
    let usual = if is_slow() { 40 } else { 500 };
    let rest_s = 90.0;
    let limit_s = runtime_tests::stage::limit_s() - rest_s;
    Ok((usual, Some(runtime_tests::at_most_s(limit_s))))
}

/// Brings a daemon up, and says how long one is to live on average, as that took so long.
fn mean_life(daemon: &mut Daemon) -> Result<Duration, Failure> {
    let began = Instant::now();
    daemon.up()?;
    let mean = MEAN_LIFE.max(began.elapsed() * STARTS_A_LIFE);
    found_slower(mean.div_duration_f64(MEAN_LIFE));
    Ok(mean)
}

/// Plays all stories, two casts at a time, as long as there is more to come; counts the lives that ended.
fn play_on(
    socket: &std::path::Path,
    folder: &std::path::Path,
    ended: &AtomicUsize,
    more: impl Fn() -> Result<bool, Failure>,
) -> Verdict {
    let all = stories();
    let mut running = Vec::new();
    let mut number = 0;
    loop {
        while running.len() < 2 && more()? {
            running.push(Cast::new(socket, folder, &all, number)?);
            number += 1;
        }
        if running.is_empty() {
            return Ok(());
        }
        let mut going = Vec::new();
        more()?;
        for mut cast in running {
            if cast.go_on()? {
                cast.check()?;
                ended.fetch_add(all.len(), Ordering::Relaxed);
            } else {
                going.push(cast);
            }
        }
        running = going;
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Each story is lived once for each line of its record, and the daemon is killed right after that line.
/// Many are lived at once, so each sees the kills that are meant for others, too.
fn killed_at_each_step_lives_go_as_if_it_had_not_been(world: &World) -> Verdict {
    const AT_ONCE: usize = 28;
    let mut daemon = Daemon::prepared(world)?;
    let mut records = Records::watch(&daemon.root)?;
    let (socket, folder) = (daemon.socket(), world.work.join("told"));
    let all = stories();
    // Of each story: the line of the next life, or none if its record has no more lines.
    let mut next: Vec<Option<usize>> = vec![Some(1); all.len()];
    let mut living: Vec<Step<'_>> = Vec::new();
    let (mut kills, mut lives) = (0, 0);
    daemon.up()?;
    loop {
        while living.len() < AT_ONCE
            && let Some(story) = (0..all.len())
                .filter(|it| next[*it].is_some())
                .min_by_key(|it| next[*it])
        {
            let line = next[story].unwrap_or(1);
            next[story] = Some(line + if is_slow() { 8 } else { 1 });
            living.push(Step {
                cast: Cast::new(&socket, &folder, &all[story..=story], line)?,
                name: format!("{}-{line}", all[story].name),
                story,
                line,
                killed: false,
            });
        }
        if living.is_empty() {
            break;
        }
        for (name, lines) in records.changed()? {
            let due =
                |step: &&mut Step<'_>| step.name == name && !step.killed && lines >= step.line;
            if let Some(step) = living.iter_mut().find(due) {
                step.killed = true;
                daemon.kill()?;
                daemon.launch()?;
                kills += 1;
            }
        }
        let mut going = Vec::new();
        for mut step in living {
            if told_with(step.cast.go_on(), &daemon)? {
                told_with(step.cast.check(), &daemon)?;
                lives += 1;
                if !step.killed {
                    next[step.story] = None;
                }
            } else {
                going.push(step);
            }
        }
        living = going;
    }
    println!("killed {kills} times, each after another line, in {lives} lives");
    daemon.until_told("READY=1")?;
    finish(daemon)
}

/// The shims of a few Pods die while there is no daemon. The next one takes over what they left, and is
/// killed at it, each time a little later in its life; the one after it has to finish that.
fn killed_while_it_takes_over_from_killed_shims_it_leaves_nothing(world: &World) -> Verdict {
    const PODS: usize = 4;
    const LATEST: Duration = Duration::from_millis(240);
    let times = if is_slow() { 8 } else { 30 };
    let later_by = LATEST.mul_f64(runtime_tests::time_scale()) / times;
    let mut daemon = Daemon::prepared(world)?;
    daemon.up()?;
    for time in 1..=times {
        let names: Vec<String> = (0..PODS).map(|pod| format!("lost-{time}-{pod}")).collect();
        for name in &names {
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
                "spec": {"restartPolicy": "Never", "containers": [
                    {"name": "main", "image": "host:/", "command": ["sleep", "991"]}]}});
            daemon.ask("POST", PODS_PATH, &pod.to_string())?;
        }
        for name in &names {
            daemon.until_pod(name, "its start", |pod| phase(pod) == "Running")?;
        }
        daemon.kill()?;
        for shim in shims()? {
            kill(shim, Signal::SIGKILL)?;
        }
        daemon.launch()?;
        std::thread::sleep(later_by * time);
        daemon.kill()?;
        daemon.up()?;
        for name in &names {
            daemon.until_pod(name, "its end", |pod| phase(pod) == "Failed")?;
            daemon.ask("DELETE", &format!("{PODS_PATH}/{name}"), "")?;
        }
    }
    finish(daemon)
}

/// The shims in this test's own process namespace.
fn shims() -> Result<Vec<Pid>, Failure> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        // One that has just ended has no command line any more.
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&command).contains("\0--ledger\0") {
            found.push(Pid::from_raw(entry.file_name().to_string_lossy().parse()?));
        }
    }
    Ok(found)
}

fn phase(pod: &Value) -> &str {
    pod["status"]["phase"].as_str().unwrap_or_default()
}

/// A life in which the daemon is killed after a certain line.
struct Step<'a> {
    cast: Cast<'a>,
    name: String,
    story: usize,
    line: usize,
    killed: bool,
}

/// The failure together with what the daemons said.
fn told_with<T>(result: Result<T, Failure>, daemon: &Daemon) -> Result<T, Failure> {
    result.map_err(|failure| runtime_tests::failed(format!("{failure}\n{}", daemon.log_end())))
}
