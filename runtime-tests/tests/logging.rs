//! What becomes of what containers write: much of it, long lines, bytes that are no text, a closed
//! or a full pipe?

use std::io::Read;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use runtime_tests::told::tells;
use runtime_tests::{Source, Verdict, World, ensure, failed, pod_of, run, stage, tests};

fn main() -> ExitCode {
    run(tests![
        much_output_is_rotated_and_shown_whole,
        a_line_of_a_mebibyte_comes_whole,
        bytes_that_are_no_text_come_as_they_are,
        there_is_nothing_to_read,
        output_can_be_opened_by_its_name_by_any_user,
        a_closed_output_does_not_disturb_the_pod,
        a_full_output_holds_nobody_but_the_reader_up,
        a_pod_that_restarts_has_a_file_for_each_attempt,
    ])
}

const BIG: &str = "yes 012345678901234567890123456789012345678901234567890123456789012345678 | head -c 24990000; sleep 1";

fn much_output_is_rotated_and_shown_whole(world: &World) -> Verdict {
    let running = world.run_pod(&pod_of("", BIG), &["--quiet"])?;
    // The files are removed with the Pod, so they are looked at while it runs.
    let deadline = Instant::now() + runtime_tests::at_most_s(20.0);
    let mut most = (0, 0);
    while Instant::now() < deadline && most.0 < 3 {
        let mut sizes = Vec::new();
        for pod in std::fs::read_dir(&world.logs)
            .into_iter()
            .flatten()
            .flatten()
        {
            let folder = pod.path().join("main");
            for file in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                sizes.push(file.metadata().map_or(0, |data| data.len()));
            }
        }
        most = most.max((sizes.len(), sizes.into_iter().max().unwrap_or(0)));
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = running.finish()?.ended_with(0)?;
    // 25 MB with their heads are about 40.
    ensure!(most.0 >= 3, "{} files", most.0);
    ensure!(most.1 < 11 << 20, "a file has {} bytes", most.1);
    let lines = output
        .lines
        .iter()
        .filter(|line| line.source == Source::Out);
    let bytes: usize = lines
        .map(|line| {
            line.text
                .split_once("| ")
                .map_or(0, |(_, text)| text.len() + 1)
        })
        .sum();
    ensure!(bytes == 24_990_000, "{bytes} of 24990000 bytes were shown");
    Ok(())
}

fn a_line_of_a_mebibyte_comes_whole(world: &World) -> Verdict {
    let script = "head -c 1048576 /dev/zero | tr '\\0' y; printf z";
    let output = world.ended(&pod_of("", script), &[], 0)?;
    let shown = output
        .text(Source::Out)
        .replace("main | ", "")
        .replace('\n', "");
    ensure!(
        shown.len() == 1_048_577 && shown.ends_with("yz"),
        "{} bytes",
        shown.len()
    );
    for line in &output.logs {
        ensure!(
            line.raw.len() < 20_000,
            "a chunk of {} bytes",
            line.raw.len()
        );
    }
    Ok(())
}

fn bytes_that_are_no_text_come_as_they_are(world: &World) -> Verdict {
    let script = "printf 'a\\000b\\377\\376c\\r\\n\\n last'";
    let path = world.file("pod.yaml", &pod_of("", script))?;
    let output = Command::new(stage::program_under_test()?)
        .args(world_flags(world))
        .args(["run", "--quiet"])
        .arg(path)
        .env("OUTRIGGER_CGROUP", &world.cgroup)
        .output()?;
    let wanted: &[u8] = b"main | a\0b\xff\xfec\r\nmain | \nmain |  last\n";
    ensure!(
        output.stdout == wanted,
        "{:?}",
        String::from_utf8_lossy(&output.stdout)
    );
    Ok(())
}

fn there_is_nothing_to_read(world: &World) -> Verdict {
    let script = "read x; echo read $?; echo is $(readlink /proc/self/fd/0)";
    tells(
        world,
        &pod_of("", script),
        &[("main.read", "1"), ("main.is", "/dev/null")],
    )
}

fn output_can_be_opened_by_its_name_by_any_user(world: &World) -> Verdict {
    let script =
        "echo one yes > /dev/stdout; echo two yes > /dev/stderr; echo three yes > /proc/self/fd/1";
    let manifest = pod_of("", script) + "    securityContext: {runAsUser: 1234}\n";
    tells(
        world,
        &manifest,
        &[
            ("main.one", "yes"),
            ("main.two", "yes"),
            ("main.three", "yes"),
        ],
    )
}

fn world_flags(world: &World) -> Vec<String> {
    let flags = [
        ("--root", &world.root),
        ("--state", &world.state),
        ("--logs", &world.logs),
    ];
    flags
        .iter()
        .flat_map(|(flag, path)| [(*flag).to_string(), path.display().to_string()])
        .collect()
}

/// Runs a Pod with its output in our hands: reads the first bytes, does something, and gives what
/// was on standard error and the exit code.
fn with_pipe(
    world: &World,
    script: &str,
    act: impl FnOnce(std::process::ChildStdout) -> Verdict,
) -> Result<(String, Option<i32>), runtime_tests::Failure> {
    let path = world.file("pod.yaml", &pod_of("", script))?;
    let errors = world.work.join("errors");
    let mut child = Command::new(stage::program_under_test()?)
        .args(world_flags(world))
        .arg("run")
        .arg(path)
        .env("OUTRIGGER_CGROUP", &world.cgroup)
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&errors)?)
        .spawn()?;
    let mut pipe = child.stdout.take().ok_or_else(|| failed("no pipe"))?;
    let mut first = [0; 8];
    pipe.read_exact(&mut first)?;
    act(pipe)?;
    let deadline = Instant::now() + runtime_tests::at_most_s(30.0);
    let code = loop {
        if let Some(status) = child.try_wait()? {
            break status.code();
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            return Err(failed(format!(
                "it hung: {}",
                std::fs::read_to_string(errors)?
            )));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Ok((std::fs::read_to_string(errors)?, code))
}

fn a_closed_output_does_not_disturb_the_pod(world: &World) -> Verdict {
    let script = "for i in $(seq 20000); do echo line $i; done; exit 6";
    let (errors, code) = with_pipe(world, script, |pipe| {
        drop(pipe);
        Ok(())
    })?;
    ensure!(code == Some(6), "exit code {code:?}: {errors}");
    ensure!(
        !errors.contains("panicked") && errors.contains("exited with 6"),
        "{errors}"
    );
    Ok(())
}

fn a_full_output_holds_nobody_but_the_reader_up(world: &World) -> Verdict {
    let script = "for i in $(seq 20000); do echo line $i; done";
    let errors = world.work.join("errors");
    let mut rest = Vec::new();
    let (told, code) = with_pipe(world, script, |mut pipe| {
        // The container goes on while nobody reads: its end is told before we read on.
        let deadline = Instant::now() + runtime_tests::at_most_s(15.0);
        while !std::fs::read_to_string(&errors)?.contains("exited with 0") {
            ensure!(Instant::now() < deadline, "the container was held up");
            std::thread::sleep(Duration::from_millis(5));
        }
        pipe.read_to_end(&mut rest)?;
        Ok(())
    })?;
    ensure!(code == Some(0), "exit code {code:?}: {told}");
    let lines = rest.iter().filter(|byte| **byte == b'\n').count();
    ensure!(lines == 20_000, "{lines} lines");
    Ok(())
}

fn a_pod_that_restarts_has_a_file_for_each_attempt(world: &World) -> Verdict {
    let spec = "  volumes: [{name: data, emptyDir: {}}]\n";
    let script = "echo x >> /data/starts; n=$(wc -l < /data/starts); echo attempt $n; test $n = 2";
    let manifest = pod_of(spec, script).replace("Policy: Never", "Policy: OnFailure")
        + "    volumeMounts: [{name: data, mountPath: /data}]\n";
    let output = world.ended(&manifest, &[], 0)?;
    let found: Vec<String> = output
        .logs
        .iter()
        .map(|line| format!("{} {}", line.attempt, line.text))
        .collect();
    ensure!(
        found == ["0 attempt 1", "1 attempt 2"],
        "{found:?}: {}",
        output.shown()
    );
    Ok(())
}
