//! What is kept of what a container says as it ends?

use std::process::ExitCode;

use runtime_tests::{Output, Verdict, World, ensure, failed, pod_of, run, status, tests};

fn main() -> ExitCode {
    run(tests![
        the_end_of_a_long_message_is_kept,
        a_message_may_lie_elsewhere,
        logs_stand_in_for_a_message_of_a_failure,
        logs_do_not_stand_in_for_a_success,
        a_link_in_place_of_the_message_is_not_followed,
    ])
}

fn message(output: &Output) -> Result<String, runtime_tests::Failure> {
    let pod = output.status.as_ref().ok_or_else(|| failed("no status"))?;
    Ok(status::message(pod, "main"))
}

fn the_end_of_a_long_message_is_kept(world: &World) -> Verdict {
    let script = "head -c 10000 /dev/zero | tr '\\0' x > /dev/termination-log; printf END >> /dev/termination-log; exit 1";
    let found = message(&world.ended(&pod_of("", script), &[], 1)?)?;
    ensure!(
        found.len() == 4096 && found.ends_with("xxEND"),
        "{} bytes: {found}",
        found.len()
    );
    Ok(())
}

fn a_message_may_lie_elsewhere(world: &World) -> Verdict {
    let manifest =
        pod_of("", "echo bye > /tmp/message") + "    terminationMessagePath: /tmp/message\n";
    let found = message(&world.ended(&manifest, &[], 0)?)?;
    ensure!(found.trim() == "bye", "{found:?}");
    Ok(())
}

const FALL_BACK: &str = "    terminationMessagePolicy: FallbackToLogsOnError\n";

fn logs_stand_in_for_a_message_of_a_failure(world: &World) -> Verdict {
    let script = "for i in $(seq 200); do echo line $i; done; exit 2";
    let found = message(&world.ended(&(pod_of("", script) + FALL_BACK), &[], 2)?)?;
    let lines: Vec<&str> = found.lines().collect();
    ensure!(
        lines.len() == 80
            && lines.first() == Some(&"line 121")
            && lines.last() == Some(&"line 200"),
        "{} lines: {found}",
        lines.len()
    );
    let script = "head -c 9000 /dev/zero | tr '\\0' y; exit 2";
    let found = message(&world.ended(&(pod_of("", script) + FALL_BACK), &[], 2)?)?;
    ensure!(
        found.len() <= 2048 && found.len() > 2000,
        "{} bytes",
        found.len()
    );
    // Its own words go before the log's.
    let script = "echo log; printf own > /dev/termination-log; exit 2";
    let found = message(&world.ended(&(pod_of("", script) + FALL_BACK), &[], 2)?)?;
    ensure!(found == "own", "{found:?}");
    Ok(())
}

fn logs_do_not_stand_in_for_a_success(world: &World) -> Verdict {
    let found = message(&world.ended(&(pod_of("", "echo log") + FALL_BACK), &[], 0)?)?;
    ensure!(found.is_empty(), "{found:?}");
    Ok(())
}

fn a_link_in_place_of_the_message_is_not_followed(world: &World) -> Verdict {
    // The mount cannot be taken away from inside; if it could, this would show a file of ours.
    let path = world.file("secret", "of the machine")?;
    let script = format!(
        "rm -f /dev/termination-log; ln -sfn {} /dev/termination-log; exit 1",
        path.display()
    );
    let found = message(&world.ended(&pod_of("", &script), &[], 1)?)?;
    ensure!(!found.contains("of the machine"), "{found:?}");
    Ok(())
}
