//! Does a daemon that is killed again and again bring the lives of its Pods to the same ends as one that
//! is not?
//!
//! Once at random moments, and once right after each line of each record.
//!
//! `OUTRIGGER_KILLS`: how often it is killed (500). `OUTRIGGER_KILL_SEED`: when.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use runtime_tests::cast::Cast;
use runtime_tests::chance::Chance;
use runtime_tests::daemon::Daemon;
use runtime_tests::records::Records;
use runtime_tests::stories::stories;
use runtime_tests::{Failure, Verdict, World, ensure, run, tests};

fn main() -> ExitCode {
    run(tests![
        lives_go_as_their_stories_say,
        killed_at_random_moments_lives_go_as_if_it_had_not_been,
        killed_at_each_step_lives_go_as_if_it_had_not_been,
    ])
}

/// How long a daemon lives on average.
const MEAN_LIFE: Duration = Duration::from_millis(220);

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
    let wanted: usize = std::env::var("OUTRIGGER_KILLS").map_or(Ok(500), |text| text.parse())?;
    let mut chance = Chance::of_variable("OUTRIGGER_KILL_SEED");
    let mut daemon = Daemon::prepared(world)?;
    let (socket, folder) = (daemon.socket(), world.work.join("told"));
    let (kills, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let began = Instant::now();
    let (killed, played) = std::thread::scope(|scope| {
        let killer = scope.spawn(|| {
            while kills.load(Ordering::Relaxed) < wanted && !failed.load(Ordering::Relaxed) {
                daemon.launch()?;
                std::thread::sleep(chance.wait(MEAN_LIFE));
                daemon.kill()?;
                kills.fetch_add(1, Ordering::Relaxed);
            }
            daemon.up()
        });
        let played = play_on(&socket, &folder, || {
            let enough = kills.load(Ordering::Relaxed) >= wanted;
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
        "killed {} times in {:.0} s",
        kills.load(Ordering::Relaxed),
        began.elapsed().as_secs_f64()
    );
    told_with(killed, &daemon)?;
    let ended = told_with(played, &daemon)?;
    println!("{ended} lives");
    daemon.finish()
}

/// Plays all stories, two casts at a time, as long as there is more to come; gives how many lives ended.
fn play_on(
    socket: &std::path::Path,
    folder: &std::path::Path,
    more: impl Fn() -> Result<bool, Failure>,
) -> Result<usize, Failure> {
    let all = stories();
    let mut running = Vec::new();
    let (mut number, mut ended) = (0, 0);
    loop {
        while running.len() < 2 && more()? {
            running.push(Cast::new(socket, folder, &all, number)?);
            number += 1;
        }
        if running.is_empty() {
            return Ok(ended);
        }
        let mut going = Vec::new();
        more()?;
        for mut cast in running {
            if cast.go_on()? {
                cast.check()?;
                ended += all.len();
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
            next[story] = Some(line + 1);
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
    daemon.finish()
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
