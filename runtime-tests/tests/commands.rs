//! What do our own commands show of what the daemon has, and do they leave the terminal as it was?

use std::process::{Command, ExitCode};

use runtime_tests::daemon::{Daemon, Said, Speaking, spoken};
use runtime_tests::{Failure, Verdict, World, ensure, run, tests};
use serde_json::Value;

fn main() -> ExitCode {
    run(tests![
        objects_are_sorted_and_shown_in_columns_of_ones_own,
        logs_of_several_pods_are_told_apart,
        a_pod_that_cannot_be_taken_up_is_shown_with_the_cause,
        a_terminal_follows_its_size_and_is_given_back_when_the_daemon_dies,
    ])
}

/// A Pod of two containers that say their names.
fn pod(name: &str, label: &str) -> String {
    let container = |of: &str| {
        format!(
            "  - {{name: {of}, image: 'host:/', command: [sh, -c, 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do \
             echo {name} {of} $i; done; exec sleep 1000']}}\n"
        )
    };
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: {label}}}}}\nspec:\n  \
         terminationGracePeriodSeconds: 1\n  containers:\n{}{}",
        container("main"),
        container("log")
    )
}

fn ours(daemon: &Daemon, line: &str) -> Result<Said, Failure> {
    let words: Vec<&str> = line.split(' ').collect();
    spoken(&mut daemon.outrigger(&words), None)
}

fn with_pods(world: &World, pods: &[(&str, &str)]) -> Result<Daemon, Failure> {
    let daemon = Daemon::start(world)?;
    for (name, label) in pods {
        daemon.apply(&pod(name, label))?;
    }
    for (name, _) in pods {
        daemon.until_pod(name, "runs", |pod| {
            let statuses = pod["status"]["containerStatuses"].as_array();
            statuses.is_some_and(|all| all.iter().all(|each| each["ready"] == true))
        })?;
    }
    Ok(daemon)
}

fn objects_are_sorted_and_shown_in_columns_of_ones_own(world: &World) -> Verdict {
    let daemon = with_pods(world, &[("web-10", "b"), ("web-2", "a")])?;
    let names = "--no-headers -o custom-columns=N:.metadata.name";
    let by_name = ours(
        &daemon,
        &format!("get pods --sort-by=.metadata.name {names}"),
    )?;
    ensure!(by_name.out == "web-2\nweb-10\n", "{}", by_name.shown());
    let by_label = ours(&daemon, "get pods --sort-by={.metadata.labels.app}")?.ended(0)?;
    let order: Vec<&str> = by_label.lines().skip(1).map(|line| &line[..6]).collect();
    ensure!(order == ["web-2 ", "web-10"], "{by_label}");
    let none = ours(&daemon, "get pods --sort-by=.spec.nothing")?;
    ensure!(none.code == 1, "{}", none.shown());
    none.says("couldn't find any field with path \".spec.nothing\"")?;
    let columns = "-o custom-columns=NAME:.metadata.name,IMAGES:.spec.containers[*].image,X:.x";
    let said = ours(&daemon, &format!("get pod web-2 {columns}"))?.ended(0)?;
    let expected = "NAME    IMAGES          X\nweb-2   host:/,host:/   <none>\n";
    ensure!(said == expected, "{said}");
    let each = "-o=jsonpath={range .items[*]}{.metadata.name}={.metadata.labels.app};{end}";
    let mut command = daemon.outrigger(&["get", "pods", "--sort-by=.metadata.name", each]);
    let said = spoken(&mut command, None)?.ended(0)?;
    ensure!(said == "web-2=a;web-10=b;", "{said}");
    let bad = ours(&daemon, "get pods -o go-template={{.x}}")?;
    bad.says("kubectl has more")?;
    let selected = ours(&daemon, "get pods -l app=b -o name")?.ended(0)?;
    ensure!(selected == "pod/web-10\n", "{selected}");
    daemon.finish()
}

fn logs_of_several_pods_are_told_apart(world: &World) -> Verdict {
    let daemon = with_pods(world, &[("one", "a"), ("two", "a"), ("other", "b")])?;
    let all = ours(&daemon, "logs -l app=a --all-containers --prefix --tail=1")?.ended(0)?;
    let mut lines: Vec<&str> = all.lines().collect();
    lines.sort_unstable();
    let expected = [
        "[pod/one/log] one log 12",
        "[pod/one/main] one main 12",
        "[pod/two/log] two log 12",
        "[pod/two/main] two main 12",
    ];
    ensure!(lines == expected, "{all}");
    let last = ours(&daemon, "logs -l app=b -c main")?.ended(0)?;
    ensure!(
        last.lines().count() == 10 && last.starts_with("other main 3\n"),
        "{last}"
    );
    let whole = ours(&daemon, "logs other -c main")?.ended(0)?;
    ensure!(whole.lines().count() == 12, "{whole}");
    let none = ours(&daemon, "logs -l app=c")?;
    none.says("No resources found in default namespace.")?;
    let both = ours(&daemon, "logs one -l app=a")?;
    ensure!(both.code != 0, "{}", both.shown());
    ensure!(ours(&daemon, "logs")?.code != 0, "logs of nothing");
    daemon.finish()
}

fn a_pod_that_cannot_be_taken_up_is_shown_with_the_cause(world: &World) -> Verdict {
    let mut daemon = with_pods(world, &[("lost", "a"), ("other", "a")])?;
    let before = daemon.pod("lost")?;
    let uid = before["metadata"]["uid"].as_str().unwrap_or_default();
    daemon.kill()?;
    let record = daemon.root.join(format!("lives/{uid}.jsonl"));
    let away = daemon.root.join("away");
    std::fs::rename(&record, &away)?;
    // What is there and cannot be read.
    std::fs::create_dir(&record)?;
    daemon.up()?;
    let table = ours(&daemon, "get pod lost")?.ended(0)?;
    ensure!(table.contains("NotTakenUp"), "{table}");
    let info = ours(&daemon, "system info")?.ended(0)?;
    ensure!(
        info.contains("Not taken up:    default/lost: It is left as it is"),
        "{info}"
    );
    ensure!(!info.contains("default/other"), "{info}");
    let told = ours(&daemon, "describe pod lost")?.ended(0)?;
    ensure!(
        told.matches("NotTakenUp").count() >= 2 && told.contains(".jsonl"),
        "{told}"
    );
    daemon.kill()?;
    std::fs::remove_dir(&record)?;
    std::fs::rename(&away, &record)?;
    daemon.up()?;
    let after = daemon.pod("lost")?;
    ensure!(
        after["status"]["containerStatuses"] == before["status"]["containerStatuses"],
        "{:#}",
        after["status"]
    );
    ensure!(
        after["status"]["reason"] == Value::Null,
        "{:#}",
        after["status"]
    );
    daemon.finish()
}

/// A command in a terminal, with what the terminal is like after it.
fn in_terminal(world: &World, command: &Command) -> Result<Speaking, Failure> {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<String> = words
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    let line = format!(
        "tty >{}; stty rows 33 cols 99; {}; echo ended with $?; stty -a | tr ' ;' '\\n\\n' | grep -x -e icanon -e echo -e -echo -e -icanon",
        world.work.join("tty").display(),
        words.join(" ")
    );
    let mut terminal = Command::new("script");
    terminal.args(["-qefc", &line, "/dev/null"]);
    terminal.envs(
        command
            .get_envs()
            .filter_map(|(key, value)| Some((key, value?))),
    );
    Speaking::start(terminal.env("SHELL", "/bin/sh").env("TERM", "xterm"))
}

fn a_terminal_follows_its_size_and_is_given_back_when_the_daemon_dies(world: &World) -> Verdict {
    let mut daemon = with_pods(world, &[("web", "a")])?;
    let command = daemon.outrigger(&["exec", "-it", "web", "-c", "main", "--", "sh"]);
    let mut session = in_terminal(world, &command)?;
    session.write("stty size; echo in''side\n")?;
    session.until("the size is the terminal's", |said| {
        said.contains("33 99") && said.contains("inside")
    })?;
    let tty = std::fs::read_to_string(world.work.join("tty"))?;
    let resize = ["-F", tty.trim(), "rows", "21", "cols", "77"];
    spoken(Command::new("stty").args(resize), None)?.ended(0)?;
    session.write("while ! stty size | grep '21 77'; do sleep 0.05; done\n")?;
    session.until("the size follows", |said| said.contains("21 77\r\n"))?;
    daemon.kill()?;
    let said = session.finish()?;
    said.says("closed the stream before the command ended")?;
    said.says("ended with 1")?;
    let modes: Vec<&str> = said.out.lines().map(str::trim).rev().take(2).collect();
    ensure!(
        modes.contains(&"icanon") && modes.contains(&"echo"),
        "the terminal is not as it was: {}",
        said.shown()
    );
    daemon.up()?;
    daemon.finish()
}
