//! Does `outrigger run` show and do all that it promises, and leave nothing behind however often
//! it runs?

use std::process::ExitCode;

use runtime_tests::life::events;
use runtime_tests::{Running, Source, Verdict, World, ensure, failed, pod_of, run, tests};

fn main() -> ExitCode {
    run(tests![
        the_manifest_may_come_from_standard_input,
        several_pods_run_at_once,
        logs_are_cri_files,
        much_output_arrives_complete,
        quiet_leaves_only_the_containers_lines,
        objects_reach_the_container,
        processes_die_with_their_container,
        the_host_is_not_written,
        a_hundred_runs_in_fours,
    ])
}

fn the_manifest_may_come_from_standard_input(world: &World) -> Verdict {
    let launch = world
        .outrigger(&["run", "-"])
        .stdin(&pod_of("", "echo from a pipe"));
    let output = launch.finish()?.ended_with(0)?;
    ensure!(
        output.text(Source::Out).contains("from a pipe"),
        "{}",
        output.shown()
    );
    Ok(())
}

fn several_pods_run_at_once(world: &World) -> Verdict {
    let one = pod_of("", "sleep 1; echo first");
    let two = pod_of("", "sleep 1; echo second; exit 6").replace("name: try", "name: other");
    let path = world.file("two.yaml", &format!("{one}---\n{two}"))?;
    let output = world
        .outrigger(&["run", &path.display().to_string()])
        .finish()?
        .ended_with(6)?;
    let text = output.text(Source::Out);
    ensure!(
        text.contains("first") && text.contains("second"),
        "{}",
        output.shown()
    );
    ensure!(
        text.contains("other/main"),
        "with several pods a line names its pod: {}",
        output.shown()
    );
    ensure!(
        output.took < runtime_tests::at_most_s(1.9),
        "they ran one after the other: {}",
        output.shown()
    );
    Ok(())
}

fn logs_are_cri_files(world: &World) -> Verdict {
    let manifest = pod_of("", "echo one; echo two >&2; printf three; sleep 0.3");
    let output = world.ended(&manifest, &[], 0)?;
    let mut lines: Vec<String> = output
        .logs
        .iter()
        .map(|line| format!("{} {} {}", line.stream, line.tag, line.text))
        .collect();
    lines.sort();
    // `three` ends without an end of line; CRI calls that a partial line.
    ensure!(
        lines.len() == 3 && lines[..2] == ["stderr F two", "stdout F one"],
        "{lines:?}"
    );
    ensure!(lines[2].ends_with(" three"), "{lines:?}");
    for line in &output.logs {
        let stamped = line
            .raw
            .get(..30)
            .is_some_and(|stamp| stamp.as_bytes()[10] == b'T');
        ensure!(
            stamped && line.at_s > output.began_s - 1.0,
            "no RFC 3339 time with nanoseconds: {}",
            line.raw
        );
        let named =
            line.pod.starts_with("default_try_") && line.container == "main" && line.attempt == 0;
        ensure!(named, "written to another folder: {line:?}");
    }
    for word in ["one", "two", "three"] {
        ensure!(
            output.text(Source::Out).contains(word),
            "{word} was not shown: {}",
            output.shown()
        );
    }
    Ok(())
}

fn much_output_arrives_complete(world: &World) -> Verdict {
    let script = "seq 1 20000; head -c 100000 /dev/zero | tr '\\0' x; echo; echo end";
    let output = world.ended(&pod_of("", script), &["--quiet"], 0)?;
    let shown: Vec<&str> = output
        .lines
        .iter()
        .filter(|line| line.source == Source::Out)
        .filter_map(|line| line.text.split_once("| ").map(|(_, text)| text))
        .collect();
    for number in 1..=20_000_usize {
        let found = shown.get(number - 1);
        ensure!(
            found == Some(&number.to_string().as_str()),
            "line {number} is {found:?}"
        );
    }
    let long: usize = shown[20_000..]
        .iter()
        .map(|text| text.matches('x').count())
        .sum();
    ensure!(
        long == 100_000,
        "{long} of 100000 bytes of the long line were shown"
    );
    ensure!(
        shown.last() == Some(&"end"),
        "the last line is {:?}",
        shown.last()
    );
    Ok(())
}

fn quiet_leaves_only_the_containers_lines(world: &World) -> Verdict {
    let output = world.ended(&pod_of("", "echo word"), &["--quiet"], 0)?;
    ensure!(output.text(Source::Err).is_empty(), "{}", output.shown());
    ensure!(
        output.text(Source::Out).contains("word"),
        "{}",
        output.shown()
    );
    Ok(())
}

fn objects_reach_the_container(world: &World) -> Verdict {
    let objects = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {colour: green, size: \"12\"}\n---\n\
                   apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\nstringData: {token: abc}\n---\n";
    let spec = "  volumes:\n  - name: settings\n    configMap: {name: settings}\n  - name: keys\n    secret: \
                {secretName: keys, defaultMode: 256}\n";
    let mounts = "    envFrom:\n    - configMapRef: {name: settings}\n    volumeMounts:\n    - {name: settings, mountPath: \
                  /etc/settings}\n    - {name: keys, mountPath: /etc/keys}\n";
    let script = "echo $colour $(cat /etc/settings/size) $(cat /etc/keys/token) $(stat -Lc %a /etc/keys/token)";
    let output = world.ended(
        &(objects.to_string() + &pod_of(spec, script) + mounts),
        &[],
        0,
    )?;
    ensure!(
        output.text(Source::Out).contains("green 12 abc 400"),
        "{}",
        output.shown()
    );
    Ok(())
}

fn processes_die_with_their_container(world: &World) -> Verdict {
    // One that has left its session and closed its outputs; the leak check after the test looks.
    let script =
        "setsid sh -c 'exec >/dev/null 2>&1 </dev/null; sleep 1000' & sleep 0.2; echo gone";
    let output = world.ended(&pod_of("", script), &[], 0)?;
    ensure!(
        output.took < runtime_tests::at_most_s(2.0),
        "it waited for the orphan: {}",
        output.shown()
    );
    Ok(())
}

fn the_host_is_not_written(world: &World) -> Verdict {
    let script = "echo mine > /etc/hostname-of-a-test && echo written; mount | grep -c ' / ' ";
    let output = world.ended(&pod_of("", script), &[], 0)?;
    ensure!(
        output.text(Source::Out).contains("written"),
        "the overlay is not writable: {}",
        output.shown()
    );
    ensure!(
        !std::path::Path::new("/etc/hostname-of-a-test").exists(),
        "the host's /etc was written"
    );
    Ok(())
}

fn a_hundred_runs_in_fours(world: &World) -> Verdict {
    let path = world.file("pod.yaml", &pod_of("", "echo hello"))?;
    let path = path
        .to_str()
        .ok_or_else(|| failed("the path is not UTF-8"))?;
    for round in 0..25 {
        let four: Vec<Running> = (0..4)
            .map(|_| world.outrigger(&["run", path]).start())
            .collect::<Result<_, _>>()?;
        for running in four {
            let output = running.finish()?.ended_with(0)?;
            let starts = events(&output)
                .iter()
                .filter(|event| event.what == "started")
                .count();
            ensure!(
                starts == 1,
                "round {round}: {starts} starts: {}",
                output.shown()
            );
            ensure!(
                output.text(Source::Out).contains("hello"),
                "round {round}: {}",
                output.shown()
            );
        }
    }
    Ok(())
}
