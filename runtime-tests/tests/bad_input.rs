//! What does it say to wrong manifests, and what happens when a container cannot be made?

use std::process::ExitCode;

use runtime_tests::{Failure, Output, Source, Verdict, World, ensure, failed, run, status, tests};

fn main() -> ExitCode {
    run(tests![
        a_good_manifest_passes,
        errors_name_everything,
        a_missing_file_is_named,
        an_unknown_flag_is_our_own_error,
        a_missing_image,
        a_missing_object,
        a_bad_command_under_never,
        a_bad_command_under_on_failure,
        a_missing_host_path,
        an_impossible_limit,
        a_hundred_broken_manifests,
    ])
}

const GOOD: &str = "apiVersion: v1
kind: Pod
metadata:
  name: good
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 3
  initContainers:
  - name: first
    image: host:/
    command: [sh, -c, 'exit 0']
  - name: beside
    image: host:/
    restartPolicy: Always
    command: [sleep, '1000']
    startupProbe:
      exec: {command: ['true']}
      periodSeconds: 1
  containers:
  - name: main
    image: host:/
    command: [echo, hello]
    env:
    - name: COLOUR
      value: green
    resources:
      limits: {memory: 64Mi, cpu: 500m}
    volumeMounts:
    - {name: data, mountPath: /data}
  volumes:
  - name: data
    emptyDir: {}
";

fn with(world: &World, verb: &str, manifest: &str, flags: &[&str]) -> Result<Output, Failure> {
    let path = world.file("pod.yaml", manifest)?;
    let path = path
        .to_str()
        .ok_or_else(|| failed("the path is not UTF-8"))?;
    world
        .outrigger(&[&[verb], flags, &[path]].concat())
        .finish()
}

fn says(output: &Output, words: &[&str]) -> Verdict {
    let text = output.text(Source::Err) + &output.text(Source::Out);
    for word in words {
        ensure!(
            text.contains(word),
            "{word:?} is not said: {}",
            output.shown()
        );
    }
    Ok(())
}

fn a_good_manifest_passes(world: &World) -> Verdict {
    with(world, "check", GOOD, &[])?.ended_with(0)?;
    Ok(())
}

fn errors_name_everything(world: &World) -> Verdict {
    let broken = GOOD
        .replace("name: main\n", "name: Main_1\n")
        .replace("periodSeconds: 1", "periodSeconds: -1");
    let broken = broken.replace("restartPolicy: Never", "restartPolicy: Sometimes");
    for verb in ["check", "run"] {
        let output = with(world, verb, &broken, &[])?.ended_with(125)?;
        says(
            &output,
            &[
                "spec.restartPolicy",
                "Sometimes",
                "spec.containers[0].name",
                "Main_1",
            ],
        )?;
        says(
            &output,
            &["spec.initContainers[1].startupProbe.periodSeconds"],
        )?;
        // The line on which the policy stands.
        says(&output, &["6"])?;
    }
    let misspelt = GOOD.replace(
        "terminationGracePeriodSeconds",
        "terminationGracePeriodSecond",
    );
    let output = with(world, "run", &misspelt, &[])?.ended_with(125)?;
    says(&output, &["terminationGracePeriodSecond", "7"])
}

fn a_missing_file_is_named(world: &World) -> Verdict {
    let output = world
        .outrigger(&["run", "/nowhere/pod.yaml"])
        .finish()?
        .ended_with(125)?;
    says(&output, &["/nowhere/pod.yaml"])
}

fn an_unknown_flag_is_our_own_error(world: &World) -> Verdict {
    let output = world
        .outrigger(&["run", "--no-such-flag", "x.yaml"])
        .finish()?
        .ended_with(125)?;
    says(&output, &["--no-such-flag"])
}

fn a_missing_image(world: &World) -> Verdict {
    let broken = GOOD.replace(
        "name: main\n    image: host:/",
        "name: main\n    image: oci:/nowhere/image",
    );
    let output = with(world, "run", &broken, &[])?.ended_with(125)?;
    says(&output, &["/nowhere/image"])?;
    ensure!(output.logs.is_empty(), "something ran: {}", output.shown());
    Ok(())
}

fn a_missing_object(world: &World) -> Verdict {
    let broken = GOOD.replace("emptyDir: {}", "configMap: {name: not-there}");
    let output = with(world, "run", &broken, &[])?.ended_with(125)?;
    says(&output, &["not-there"])?;
    let optional = GOOD.replace(
        "emptyDir: {}",
        "configMap: {name: not-there, optional: true}",
    );
    with(world, "run", &optional, &[])?.ended_with(0)?;
    Ok(())
}

const BAD_COMMAND: &str = "apiVersion: v1
kind: Pod
metadata: {name: bad-command}
spec:
  restartPolicy: Never
  containers:
  - name: main
    image: host:/
    command: [/no/such/program]
";

fn container_is(output: &Output, expected: &str) -> Verdict {
    let pod = output
        .status
        .as_ref()
        .ok_or_else(|| failed(format!("no status file: {}", output.shown())))?;
    let found = status::containers(pod);
    ensure!(
        found.iter().any(|line| line.starts_with(expected)),
        "{expected:?} is not in {found:?}\n{}",
        output.shown()
    );
    Ok(())
}

fn watched(world: &World, manifest: &str, flags: &[&str]) -> Result<Output, Failure> {
    let path = world.file("pod.yaml", manifest)?;
    let path = path
        .to_str()
        .ok_or_else(|| failed("the path is not UTF-8"))?;
    world
        .outrigger(&[&["run"], flags, &[path]].concat())
        .with_status(world)
        .finish()
}

/// So long that everything which is to be seen happens, on slow machines too.
fn seconds(seconds: f64) -> String {
    format!("{}s", runtime_tests::at_most_s(seconds).as_secs())
}

fn a_bad_command_under_never(world: &World) -> Verdict {
    let output = watched(world, BAD_COMMAND, &[])?.ended_with(128)?;
    says(&output, &["/no/such/program"])?;
    container_is(&output, "main: terminated StartError 128")
}

fn a_bad_command_under_on_failure(world: &World) -> Verdict {
    let output = watched(
        world,
        &BAD_COMMAND.replace("Never", "OnFailure"),
        &["--timeout", &seconds(2.0)],
    )?;
    let output = output.ended_with(124)?;
    says(&output, &["/no/such/program"])
}

fn a_missing_host_path(world: &World) -> Verdict {
    let manifest = GOOD.replace(
        "emptyDir: {}",
        "hostPath: {path: /nowhere/at/all, type: Directory}",
    );
    let output = watched(world, &manifest, &["--timeout", &seconds(1.0)])?;
    ensure!(matches!(output.code, Some(124 | 125)), "{}", output.shown());
    says(&output, &["hostPath type check failed", "/nowhere/at/all"])?;
    ensure!(output.logs.is_empty(), "something ran: {}", output.shown());
    Ok(())
}

fn an_impossible_limit(world: &World) -> Verdict {
    // Four kilobytes do not hold a process: whatever is done, it must end and say so.
    let manifest = GOOD.replace("memory: 64Mi", "memory: 4Ki");
    let output = watched(world, &manifest, &["--timeout", &seconds(5.0)])?;
    ensure!(
        output.code.is_some_and(|code| code != 0),
        "it succeeded: {}",
        output.shown()
    );
    ensure!(
        output.took < runtime_tests::at_most_s(10.0),
        "it took too long: {}",
        output.shown()
    );
    Ok(())
}

/// Breaks the good manifest in a hundred ways, always the same ones: a line lost, doubled, shifted,
/// a character changed, the end cut off.
fn a_hundred_broken_manifests(world: &World) -> Verdict {
    let lines: Vec<&str> = GOOD.lines().collect();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..100 {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let at = usize::try_from(seed >> 33)? % lines.len();
        let mut broken: Vec<String> = lines.iter().map(ToString::to_string).collect();
        match round % 6 {
            0 => drop(broken.remove(at)),
            1 => broken.insert(at, lines[at].to_string()),
            2 => broken[at].insert(0, ' '),
            3 => broken[at] = broken[at].replace(':', " "),
            4 => broken.truncate(at),
            _ => broken[at] = broken[at].replace(['a', 'e'], "\u{0}").replace('1', "-1e9"),
        }
        let output = with(world, "check", &(broken.join("\n") + "\n"), &[])?;
        let answered = matches!(output.code, Some(0 | 125));
        ensure!(
            answered,
            "round {round}, line {}: {}\n{}",
            at + 1,
            output.shown(),
            broken.join("\n")
        );
        let silent = output.code == Some(125) && output.text(Source::Err).trim().is_empty();
        ensure!(
            !silent,
            "round {round}: refused without a word: {}",
            output.shown()
        );
        ensure!(
            !output.text(Source::Err).contains("panicked"),
            "round {round}: {}",
            output.shown()
        );
    }
    Ok(())
}
