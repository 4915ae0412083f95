//! Is each wrong use answered with what is wrong, where, and what to do?

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use runtime_tests::{Failure, Source, Verdict, World, ensure, pod_of, run, stage, tests};

fn main() -> ExitCode {
    run(tests![
        help_goes_to_standard_output,
        wrong_arguments_are_errors_of_ours,
        what_cannot_be_read_is_named,
        what_is_no_pod_is_told_so,
        a_status_file_that_cannot_be_written_is_told_before_anything_runs,
        two_pods_of_one_name_are_refused,
        without_root_it_says_what_to_do,
        check_needs_no_root,
        a_name_of_an_image_that_is_not_there,
    ])
}

fn answer(world: &World, arguments: &[&str], code: i32, words: &[&str]) -> Verdict {
    let output = world.outrigger(arguments).finish()?.ended_with(code)?;
    let text = output.text(Source::Err);
    for word in words {
        ensure!(
            text.contains(word),
            "{arguments:?} does not say {word:?}: {}",
            output.shown()
        );
    }
    ensure!(!text.contains("panicked"), "{}", output.shown());
    Ok(())
}

fn help_goes_to_standard_output(world: &World) -> Verdict {
    for arguments in [
        &["--help"][..],
        &["help"],
        &["run", "--help"],
        &["check", "-h"],
        &["image", "--help"],
        &["image", "load", "--help"],
        &["--version"],
    ] {
        let output = world.outrigger(arguments).finish()?.ended_with(0)?;
        ensure!(
            !output.text(Source::Out).is_empty() && output.text(Source::Err).is_empty(),
            "{arguments:?}: {}",
            output.shown()
        );
    }
    Ok(())
}

fn wrong_arguments_are_errors_of_ours(world: &World) -> Verdict {
    answer(world, &[], 125, &["subcommand", "--help"])?;
    answer(world, &["fly"], 125, &["'fly'", "--help"])?;
    answer(world, &["run"], 125, &["<FILE>"])?;
    answer(world, &["run", "--nope", "x"], 125, &["'--nope'"])?;
    answer(
        world,
        &["run", "--timeout", "soon", "x"],
        125,
        &["soon", "30s"],
    )?;
    answer(world, &["completion", "none"], 125, &["bash", "zsh"])
}

fn what_cannot_be_read_is_named(world: &World) -> Verdict {
    for command in ["run", "check"] {
        answer(
            world,
            &[command, "/nowhere.yaml"],
            125,
            &["/nowhere.yaml", "No such file"],
        )?;
        answer(world, &[command, "/tmp"], 125, &["/tmp", "directory"])?;
        let path = world.work.join("bytes.yaml");
        std::fs::write(&path, b"kind: Pod\nname: \xff\xfe\n")?;
        let path = path.display().to_string();
        answer(world, &[command, &path], 125, &[&path, "UTF-8", "line 2"])?;
    }
    Ok(())
}

fn what_is_no_pod_is_told_so(world: &World) -> Verdict {
    for (name, text, words) in [
        ("empty.yaml", "", ["no Pod", "empty.yaml"]),
        (
            "comment.yaml",
            "# nothing\n---\n",
            ["no Pod", "comment.yaml"],
        ),
        (
            "objects.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
            ["no Pod", "objects.yaml"],
        ),
        ("text.yaml", "just text\n", ["text.yaml:1:1", "apiVersion"]),
        (
            "deployment.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n",
            ["deployment.yaml:2", "template"],
        ),
    ] {
        let path = world.file(name, text)?.display().to_string();
        answer(world, &["run", &path], 125, &words)?;
    }
    Ok(())
}

fn a_status_file_that_cannot_be_written_is_told_before_anything_runs(world: &World) -> Verdict {
    let path = world.file("pod.yaml", &pod_of("", "echo ran"))?;
    let path = path.display().to_string();
    let output = world
        .outrigger(&["run", "--status-file", "/no/folder/status.json", &path])
        .finish()?
        .ended_with(125)?;
    ensure!(
        output.text(Source::Err).contains("/no/folder/status.json")
            && !output.text(Source::Out).contains("ran"),
        "{}",
        output.shown()
    );
    Ok(())
}

fn two_pods_of_one_name_are_refused(world: &World) -> Verdict {
    let pod = pod_of("", "echo ran");
    let path = world.file("two.yaml", &format!("{pod}---\n{pod}"))?;
    let path = path.display().to_string();
    answer(
        world,
        &["run", &path],
        125,
        &["Duplicate", "try", "two.yaml:"],
    )
}

/// What a user without any privilege is told.
fn as_nobody(world: &World, arguments: &[&str]) -> Result<(Option<i32>, String), Failure> {
    let mut command = Command::new(stage::program_under_test()?);
    command
        .args(arguments)
        .env("OUTRIGGER_CGROUP", &world.cgroup)
        .uid(65534)
        .gid(65534);
    let output = command.output()?;
    let text = [output.stdout, output.stderr].concat();
    Ok((
        output.status.code(),
        String::from_utf8_lossy(&text).into_owned(),
    ))
}

fn manifest_for_all(world: &World) -> Result<String, Failure> {
    let path = world.file("pod.yaml", &pod_of("", "echo ran"))?;
    Ok(path.display().to_string())
}

fn without_root_it_says_what_to_do(world: &World) -> Verdict {
    let (code, text) = as_nobody(world, &["run", &manifest_for_all(world)?])?;
    ensure!(
        code == Some(125) && text.contains("root") && text.contains("sudo"),
        "exit code {code:?}: {text}"
    );
    Ok(())
}

fn check_needs_no_root(world: &World) -> Verdict {
    let (code, text) = as_nobody(world, &["check", &manifest_for_all(world)?])?;
    ensure!(
        code == Some(0) && text.contains("honoured"),
        "exit code {code:?}: {text}"
    );
    Ok(())
}

fn a_name_of_an_image_that_is_not_there(world: &World) -> Verdict {
    answer(
        world,
        &["image", "rm", "nope"],
        125,
        &["nope", "not on this machine"],
    )?;
    ensure!(!world.root.exists(), "removing nothing has made a store");
    answer(
        world,
        &["image", "load", "/nowhere.tar"],
        125,
        &["/nowhere.tar", "No such file"],
    )?;
    let path = world
        .file("no.tar", "not an archive")?
        .display()
        .to_string();
    answer(
        world,
        &["image", "load", &path],
        125,
        &["no.tar", "save the image again"],
    )?;
    // A store that was asked to take something stays.
    std::fs::rename(&world.root, world.work.join("root"))?;
    Ok(())
}
