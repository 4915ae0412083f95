//! What is left when the program, its shim or its machine's patience ends without warning?

use std::process::ExitCode;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runtime_tests::{
    Failure, Line, Running, Source, Verdict, World, ensure, failed, pod_of, run, stage, status,
    tests,
};

fn main() -> ExitCode {
    run(tests![
        killed_without_warning_it_leaves_no_process_behind,
        what_a_killed_one_left_is_swept_by_the_next,
        a_pod_whose_shim_is_killed_ends_as_lost,
        a_pod_whose_shim_is_killed_goes_on_in_a_new_one,
        two_of_the_same_manifest_do_not_meet,
        a_third_signal_leaves_nothing_running,
        signals_before_anything_runs_are_heard,
    ])
}

/// One that does not listen, and one that has left its session.
const DEAF: &str = "trap '' TERM INT; setsid sleep 991 & echo up; while :; do sleep 1; done";

fn up(lines: &[Line]) -> bool {
    lines
        .iter()
        .any(|line| line.source == Source::Out && line.text.ends_with("| up"))
}

/// The shims: children of the program that have a ledger.
fn shims(of: u32) -> Result<Vec<Pid>, Failure> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let read =
            |name: &str| std::fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        let parent = read("status")
            .lines()
            .find_map(|line| line.strip_prefix("PPid:")?.trim().parse::<u32>().ok());
        if parent == Some(of) && read("cmdline").contains("--ledger") {
            let pid: i32 = entry.file_name().to_string_lossy().parse()?;
            found.push(Pid::from_raw(pid));
        }
    }
    Ok(found)
}

/// Waits until nothing of this Pod runs, and its cgroups and mounts are gone.
fn until_quiet(world: &World) -> Verdict {
    let deadline = std::time::Instant::now() + runtime_tests::at_most_s(5.0);
    loop {
        let left: Vec<String> = world
            .left_now()?
            .into_iter()
            .filter(|each| !each.starts_with("file "))
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        ensure!(
            std::time::Instant::now() < deadline,
            "left behind:\n  {}",
            left.join("\n  ")
        );
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

fn killed(world: &World) -> Verdict {
    let running = world.run_pod(&pod_of("", DEAF), &[])?;
    running.wait_until("it is up", up)?;
    running.signal(Signal::SIGKILL)?;
    running.finish()?;
    until_quiet(world)
}

/// The next run, which has to sweep, so that the leak check after the test finds nothing.
fn sweep(world: &World) -> Verdict {
    world.ended(&pod_of("", "exit 0"), &[], 0)?;
    Ok(())
}

fn killed_without_warning_it_leaves_no_process_behind(world: &World) -> Verdict {
    killed(world)?;
    sweep(world)
}

fn what_a_killed_one_left_is_swept_by_the_next(world: &World) -> Verdict {
    for _ in 0..3 {
        killed(world)?;
    }
    sweep(world)?;
    let left = world.left_now()?;
    ensure!(left.is_empty(), "left behind:\n  {}", left.join("\n  "));
    Ok(())
}

fn kill_the_shim(running: &Running) -> Verdict {
    running.wait_until("it is up", up)?;
    let shims = shims(running.pid())?;
    let [shim] = shims[..] else {
        return Err(failed(format!("the shims are {shims:?}")));
    };
    Ok(kill(shim, Signal::SIGKILL)?)
}

fn a_pod_whose_shim_is_killed_ends_as_lost(world: &World) -> Verdict {
    let running = world.run_pod(&pod_of("", DEAF), &[])?;
    kill_the_shim(&running)?;
    let output = running.finish()?.ended_with(137)?;
    let pod = output.status.as_ref().ok_or_else(|| failed("no status"))?;
    let state = status::containers(pod).join("");
    ensure!(
        state.starts_with("main: terminated ContainerStatusUnknown 137"),
        "{state}: {}",
        output.shown()
    );
    ensure!(
        output.text(Source::Err).contains("shim is gone"),
        "{}",
        output.shown()
    );
    Ok(())
}

fn a_pod_whose_shim_is_killed_goes_on_in_a_new_one(world: &World) -> Verdict {
    let script = "echo up; n=0; while :; do n=$((n+1)); echo says $n; sleep 0.1; done";
    let manifest = pod_of("  terminationGracePeriodSeconds: 1\n", script)
        .replace("Policy: Never", "Policy: Always");
    let running = world.run_pod(&manifest, &[])?;
    kill_the_shim(&running)?;
    // What the second one says is shown while it runs, not at its end.
    running.wait_until("the second one is heard", |lines| {
        lines
            .iter()
            .filter(|line| line.text.ends_with("| up"))
            .count()
            == 2
    })?;
    running.signal(Signal::SIGTERM)?;
    let output = running.finish()?;
    let pod = output.status.as_ref().ok_or_else(|| failed("no status"))?;
    let state = status::containers(pod).join("");
    ensure!(state.contains("restarts 1"), "{state}: {}", output.shown());
    Ok(())
}

fn two_of_the_same_manifest_do_not_meet(world: &World) -> Verdict {
    let script = "echo host $(cat /proc/sys/kernel/hostname) $(ls /proc | grep -c '^[0-9]'); sleep 0.5; exit 3";
    let first = world.run_pod(&pod_of("", script), &[])?;
    let path = world.file("pod.yaml", &pod_of("", script))?;
    let second = world
        .outrigger(&["run", &path.display().to_string()])
        .start()?;
    first.finish()?.ended_with(3)?;
    second.finish()?.ended_with(3)?;
    Ok(())
}

fn a_third_signal_leaves_nothing_running(world: &World) -> Verdict {
    let running = world.run_pod(&pod_of("", DEAF), &[])?;
    running.wait_until("it is up", up)?;
    for word in ["SIGINT", "again", "third"] {
        // Within 50 ms of the one before it would be the same wish.
        std::thread::sleep(std::time::Duration::from_millis(60));
        running.signal(Signal::SIGINT)?;
        let heard = running.wait_until("the signal is heard", |lines| {
            lines.iter().any(|line| line.text.contains(word))
        });
        if word != "third" {
            heard?;
        }
    }
    let output = running.finish()?;
    ensure!(
        output.code.is_none_or(|code| code != 0),
        "{}",
        output.shown()
    );
    until_quiet(world)?;
    sweep(world)
}

fn signals_before_anything_runs_are_heard(world: &World) -> Verdict {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let running = world.run_pod(&pod_of("", "sleep 100"), &[])?;
        running.wait_until("it is accepted", |lines| {
            lines.iter().any(|line| line.text.contains("accepted"))
        })?;
        running.signal(signal)?;
        // Within 50 ms it would be the same wish.
        std::thread::sleep(std::time::Duration::from_millis(60));
        running.signal(signal).ok();
        let output = running.finish()?;
        ensure!(
            output.took < runtime_tests::at_most_s(10.0) && output.code != Some(0),
            "{}",
            output.shown()
        );
        ensure!(
            stage::cgroup_folders(&world.cgroup).is_empty(),
            "cgroups are left"
        );
    }
    Ok(())
}
