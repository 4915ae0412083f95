//! How does `outrigger run` end: by the Pod's own end, by a signal, by a limit?

use std::process::ExitCode;

use nix::sys::signal::Signal;
use runtime_tests::{Line, Output, Source, Verdict, World, ensure, pod_of, run, status, tests};

fn main() -> ExitCode {
    run(tests![
        exit_codes,
        the_first_main_that_failed_gives_the_code,
        a_timeout_exits_124,
        an_interrupt_deletes_gracefully,
        a_terminate_signal_deletes_gracefully,
        a_signal_that_comes_twice_at_once_is_one_wish,
        a_second_interrupt_forces,
        an_interrupt_during_init_starts_no_main,
        a_deadline_fails_the_pod,
    ])
}

fn said(word: &'static str) -> impl Fn(&[Line]) -> bool {
    move |lines| {
        lines
            .iter()
            .any(|line| line.source == Source::Out && line.text.contains(word))
    }
}

fn phase_is(output: &Output, expected: &str) -> Verdict {
    let phase = output
        .status
        .as_ref()
        .map(status::phase)
        .unwrap_or_default();
    ensure!(
        phase == expected,
        "phase {phase:?}, expected {expected:?}: {}",
        output.shown()
    );
    Ok(())
}

fn exit_codes(world: &World) -> Verdict {
    phase_is(&world.ended(&pod_of("", "exit 0"), &[], 0)?, "Succeeded")?;
    phase_is(&world.ended(&pod_of("", "exit 3"), &[], 3)?, "Failed")?;
    // The signal is sent from a child, because process 1 does not feel its own; 128 + 9.
    phase_is(
        &world.ended(&pod_of("", "sh -c 'kill -9 $$$$'; exit $?"), &[], 137)?,
        "Failed",
    )
}

fn the_first_main_that_failed_gives_the_code(world: &World) -> Verdict {
    let second = "  - name: other\n    image: host:/\n    command: [sh, -c, exit 4]\n";
    // The other one is started after it, which takes longer where everything does.
    let first = format!("sleep {}; exit 3", whole_scale());
    let output = world.ended(&(pod_of("", &first) + second), &[], 4)?;
    phase_is(&output, "Failed")
}

/// A second, or more where everything takes longer.
fn whole_scale() -> f64 {
    runtime_tests::time_scale().ceil()
}

fn a_timeout_exits_124(world: &World) -> Verdict {
    let manifest = pod_of(
        "",
        "trap 'echo bye; exit 0' TERM; echo up; sleep 1000 & wait",
    );
    let output = world.ended(
        &manifest,
        &["--timeout", &format!("{}s", whole_scale())],
        124,
    )?;
    ensure!(
        output.text(Source::Out).contains("bye"),
        "no SIGTERM came: {}",
        output.shown()
    );
    ensure!(
        output.took < runtime_tests::at_most_s(3.0),
        "it took too long: {}",
        output.shown()
    );
    Ok(())
}

fn interrupted(world: &World, signal: Signal) -> Verdict {
    let manifest = pod_of(
        "",
        "trap 'echo bye; sleep 0.3; exit 0' TERM; echo up; while :; do sleep 1000 & wait $!; done",
    );
    let running = world.run_pod(&manifest, &[])?;
    running.wait_until("the main is up", said("up"))?;
    running.signal(signal)?;
    let output = running.finish()?.ended_with(0)?;
    ensure!(
        output.text(Source::Out).contains("bye"),
        "no SIGTERM came: {}",
        output.shown()
    );
    phase_is(&output, "Succeeded")
}

fn an_interrupt_deletes_gracefully(world: &World) -> Verdict {
    interrupted(world, Signal::SIGINT)
}

fn a_terminate_signal_deletes_gracefully(world: &World) -> Verdict {
    interrupted(world, Signal::SIGTERM)
}

/// `timeout` sends its signal to its child, and then to the group that the child is in.
fn a_signal_that_comes_twice_at_once_is_one_wish(world: &World) -> Verdict {
    let manifest = pod_of(
        "",
        "trap 'sleep 1.5; echo bye; exit 0' TERM; echo up; while :; do sleep 1000 & wait $!; done",
    );
    let running = world.run_pod(&manifest, &[])?;
    running.wait_until("the main is up", said("up"))?;
    // The second must not come before the first was taken, or the kernel makes one of them.
    running.signal(Signal::SIGTERM)?;
    std::thread::sleep(std::time::Duration::from_millis(3));
    running.signal(Signal::SIGTERM)?;
    let output = running.finish()?.ended_with(0)?;
    ensure!(
        output.text(Source::Out).contains("bye"),
        "the grace period was not kept: {}",
        output.shown()
    );
    phase_is(&output, "Succeeded")
}

fn a_second_interrupt_forces(world: &World) -> Verdict {
    let manifest = pod_of(
        "",
        "trap 'echo deaf' TERM; echo up; while :; do sleep 1000 & wait $!; done",
    );
    let running = world.run_pod(&manifest, &[])?;
    running.wait_until("the main is up", said("up"))?;
    running.signal(Signal::SIGINT)?;
    running.wait_until("the main has felt SIGTERM", said("deaf"))?;
    // Within 50 ms it would be the same wish.
    std::thread::sleep(std::time::Duration::from_millis(100));
    running.signal(Signal::SIGINT)?;
    let output = running.finish()?.ended_with(137)?;
    ensure!(
        output.took < runtime_tests::at_most_s(5.0),
        "the grace period was kept: {}",
        output.shown()
    );
    phase_is(&output, "Failed")
}

fn an_interrupt_during_init_starts_no_main(world: &World) -> Verdict {
    let init = "  initContainers:\n  - name: first\n    image: host:/\n    command: [sh, -c, 'trap \"exit 5\" TERM; \
                echo up; sleep 1000 & wait']\n";
    let running = world.run_pod(&pod_of(init, "echo never"), &[])?;
    running.wait_until("the init is up", said("up"))?;
    running.signal(Signal::SIGINT)?;
    let output = running.finish()?.ended_with(1)?;
    ensure!(
        !output.text(Source::Out).contains("never"),
        "the main ran: {}",
        output.shown()
    );
    phase_is(&output, "Failed")
}

fn a_deadline_fails_the_pod(world: &World) -> Verdict {
    let manifest = pod_of(
        &format!("  activeDeadlineSeconds: {}\n", whole_scale()),
        "trap 'exit 0' TERM; sleep 1000 & wait",
    );
    let output = world.run_pod(&manifest, &[])?.finish()?;
    ensure!(
        output.took < runtime_tests::at_most_s(3.0),
        "it took too long: {}",
        output.shown()
    );
    phase_is(&output, "Failed DeadlineExceeded")
}
