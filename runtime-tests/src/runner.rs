//! Which tests run, how many at a time, and how is it told?
//!
//! The words and the switches are those of Rust's own test harness, so that whoever reads its
//! output (people, `scripts/test`) can read ours.

use std::collections::VecDeque;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::{Failure, Verdict, World, stage};

/// A test's name and what it does.
pub struct Test {
    name: String,
    body: Box<dyn Fn(&World) -> Verdict + Sync>,
}

impl Test {
    /// A test by name.
    pub fn new(name: impl Into<String>, body: impl Fn(&World) -> Verdict + Sync + 'static) -> Test {
        Test {
            name: name.into(),
            body: Box::new(body),
        }
    }
}

/// The tests of these functions, called as they are.
#[macro_export]
macro_rules! tests {
    ($($name:ident),+ $(,)?) => { vec![$($crate::Test::new(stringify!($name), $name)),+] };
}

/// The exit code of an inner process whose test was skipped.
const SKIPPED: i32 = 77;

/// The whole of a test binary's `main`.
#[must_use]
pub fn run(tests: Vec<Test>) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments
        .first()
        .and_then(|first| first.strip_prefix("--inside="))
    {
        Some("namespaces") => stage::enter(&arguments[1..]),
        Some("init") => stage::be_init(&arguments[1..]),
        Some("test") => inside(&tests, arguments.get(1).map_or("", String::as_str)),
        _ => outside(&tests, &Choice::read(&arguments)),
    }
}

/// Runs one test in this process, which stands in its namespaces already.
fn inside(tests: &[Test], name: &str) -> ExitCode {
    let Some(test) = tests.iter().find(|test| test.name == name) else {
        eprintln!("no test is called {name}");
        return ExitCode::FAILURE;
    };
    let verdict = World::new().and_then(|world| {
        let verdict = (test.body)(&world);
        match (verdict, world.leaks()) {
            (Ok(()), leaks) => leaks,
            (Err(Failure::Failed(why)), Err(leaks)) => {
                Err(Failure::Failed(format!("{why}\n{leaks}")))
            }
            (verdict, _) => verdict,
        }
    });
    match verdict {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            match failure {
                Failure::Skipped(_) => ExitCode::from(SKIPPED as u8),
                Failure::Failed(_) => ExitCode::FAILURE,
            }
        }
    }
}

/// What the command line asks for.
struct Choice {
    filters: Vec<String>,
    exact: bool,
    list: bool,
    show: bool,
    at_once: usize,
}

/// Most of a test's time is a Pod's sleep, so many fit beside each other; not on a slow machine.
fn at_once() -> usize {
    let asked = std::env::var("RUST_TEST_THREADS")
        .ok()
        .and_then(|text| text.parse().ok());
    asked.unwrap_or(if crate::time_scale() > 1.0 { 3 } else { 12 })
}

impl Choice {
    fn read(arguments: &[String]) -> Choice {
        let mut choice = Choice {
            filters: Vec::new(),
            exact: false,
            list: false,
            show: false,
            at_once: at_once(),
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--exact" => choice.exact = true,
                "--list" => choice.list = true,
                "--nocapture" | "--no-capture" => choice.show = true,
                "--test-threads" => {
                    choice.at_once = rest.next().and_then(|n| n.parse().ok()).unwrap_or(1);
                }
                other => match other.strip_prefix("--test-threads=") {
                    Some(number) => choice.at_once = number.parse().unwrap_or(1),
                    None if other.starts_with('-') => {}
                    None => choice.filters.push(other.to_string()),
                },
            }
        }
        choice
    }

    fn takes(&self, name: &str) -> bool {
        let fits = |filter: &String| {
            if self.exact {
                name == filter
            } else {
                name.contains(filter.as_str())
            }
        };
        self.filters.is_empty() || self.filters.iter().any(fits)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    Skipped,
}

fn outside(tests: &[Test], choice: &Choice) -> ExitCode {
    let names: Vec<&str> = tests
        .iter()
        .map(|test| test.name.as_str())
        .filter(|name| choice.takes(name))
        .collect();
    if choice.list {
        for name in names {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", names.len());
    let began = Instant::now();
    let queue: Mutex<VecDeque<&str>> = Mutex::new(names.into());
    let counts = [const { AtomicUsize::new(0) }; 3];
    std::thread::scope(|scope| {
        for _ in 0..choice.at_once.max(1) {
            scope.spawn(|| {
                while let Some(name) = next(&queue) {
                    let outcome = one(name, choice.show);
                    counts[outcome as usize].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let [passed, failed, skipped] = counts.map(AtomicUsize::into_inner);
    let strict = std::env::var("OUTRIGGER_SKIPS_FAIL").is_ok_and(|value| value == "1");
    let failed = if strict { failed + skipped } else { failed };
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; {} ignored; 0 measured; 0 filtered out; \
         finished in {:.2}s\n",
        if strict { 0 } else { skipped },
        began.elapsed().as_secs_f64()
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn next<'a>(queue: &Mutex<VecDeque<&'a str>>) -> Option<&'a str> {
    queue.lock().ok()?.pop_front()
}

/// Runs one test in namespaces of its own and tells how it went.
fn one(name: &str, show: bool) -> Outcome {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    if !nix::unistd::geteuid().is_root() {
        println!("test {name} ... ignored\nSKIP: namespaces and cgroups need root");
        return Outcome::Skipped;
    }
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let cgroup = format!("/outrigger-test-{}-{number}", std::process::id());
    let ended = stage::own_program().and_then(|program| {
        let mut command = Command::new(program);
        command
            .args(["--inside=namespaces", name])
            .env("OUTRIGGER_CGROUP", &cgroup)
            .stdin(Stdio::null());
        if show {
            command.stdout(Stdio::inherit()).stderr(Stdio::inherit());
        }
        command.output()
    });
    let left = stage::remove_cgroups(&cgroup);
    let (outcome, text) = match ended {
        Err(error) => (
            Outcome::Failed,
            format!("the test's process could not be started: {error}"),
        ),
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text).into_owned();
            match output.status.code() {
                Some(0) if left.is_empty() => (Outcome::Passed, text),
                Some(0) => (
                    Outcome::Failed,
                    format!("{text}cgroups left behind: {left:?}"),
                ),
                Some(SKIPPED) => (Outcome::Skipped, text),
                _ => (Outcome::Failed, text),
            }
        }
    };
    match outcome {
        Outcome::Passed => println!("test {name} ... ok"),
        Outcome::Skipped => println!("test {name} ... ignored\n{}", text.trim_end()),
        Outcome::Failed => println!(
            "test {name} ... FAILED\n---- {name} ----\n{}\n",
            text.trim_end()
        ),
    }
    outcome
}
