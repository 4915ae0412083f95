//! How long do a container's life and an exec take as a node sees them, how fast is the log, and
//! how large is an idle shim? Prints a line for each: name, unit, least, median, 90th percentile.
//!
//! `cycle [CYCLES [EXECS [LOG_MIB [SHIM]]]]`, as root; SHIM is a program that is a shim when it is
//! given a shim's arguments.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "nothing useful can be measured after a failure, and the tests share these files"
)]

#[path = "../tests/life/client.rs"]
mod client;
#[path = "../tests/life/pod.rs"]
mod pod;

use std::time::{Duration, Instant};

use client::Client;
use outrigger_wire::{Lease, Request};
use pod::Pod;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |at: usize, default: u32| {
        arguments
            .get(at)
            .map_or(default, |text| text.parse().unwrap())
    };
    let program = arguments
        .get(4)
        .map_or_else(client::program, std::path::PathBuf::from);
    let begin = Instant::now();
    let pod = Pod::with_program(&program);
    show("ready", "us", vec![micros(begin.elapsed())]);
    let mut client = pod.prepare(Lease::Connection);
    show("idle_before", "kib_pss", vec![pss_kib(pod.shim.id())]);
    show(
        "cycle",
        "us",
        (0..number(1, 200))
            .map(|at| cycle(&pod, &mut client, at))
            .collect(),
    );
    pod.start(&mut client, "idle", &["/bin/sleep", "1000"]);
    let mut execs = Vec::new();
    for _ in 0..number(2, 200) {
        let begin = Instant::now();
        client.exec("idle", &["/bin/true"], Some(5000)).unwrap();
        execs.push(micros(begin.elapsed()));
    }
    show("exec", "us", execs);
    log(&pod, &mut client, u64::from(number(3, 1024)));
    // Buffers are given back after a second of rest.
    std::thread::sleep(Duration::from_millis(1500));
    show("idle_after", "kib_pss", vec![pss_kib(pod.shim.id())]);
    pod.release(&mut client);
}

fn cycle(pod: &Pod, client: &mut Client, at: u32) -> u64 {
    let id = format!("c{at}");
    let start = Request::Start(Box::new(pod.container(&id, &["/bin/true"])));
    let begin = Instant::now();
    client.ask(start);
    assert_eq!(client.exit(&id), (0, None));
    client.ask(Request::Remove {
        container: id,
        recorded: 0,
    });
    micros(begin.elapsed())
}

/// Lines of 100 bytes in writes of 4 KiB.
fn log(pod: &Pod, client: &mut Client, mib: u64) {
    let line = "x".repeat(99);
    let rounds = mib.div_ceil(16);
    let script = format!(
        "yes {line} | head -c 16M > /tmp/lines; for i in $(seq {rounds}); do dd if=/tmp/lines bs=4k status=none; done"
    );
    let begin = Instant::now();
    pod.start(client, "log", &["/bin/sh", "-c", &script]);
    let mut largest_kib = 0;
    while client
        .events
        .iter()
        .all(|event| !matches!(event.kind, outrigger_wire::EventKind::Exited { .. }))
    {
        largest_kib = largest_kib.max(pss_kib(pod.shim.id()));
        client.ask(Request::Signal {
            container: "none".to_owned(),
            signal: 0,
        });
        std::thread::sleep(Duration::from_millis(20));
    }
    let seconds = begin.elapsed().as_secs_f64();
    assert_eq!(client.exit("log"), (0, None));
    show(
        "log",
        "mib_per_s",
        vec![(rounds as f64 * 16.0 / seconds) as u64],
    );
    show("busy", "kib_pss", vec![largest_kib]);
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap()
}

fn pss_kib(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find(|line| line.starts_with("Pss:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn show(name: &str, unit: &str, mut values: Vec<u64>) {
    values.sort_unstable();
    let at = |percent: usize| values[(values.len() - 1) * percent / 100];
    println!("{name}\t{unit}\t{}\t{}\t{}", at(0), at(50), at(90));
}
