//! Does the real kubectl find with us what it finds with a cluster?

mod changing;
mod ending;
mod inside;
mod logs;
mod looking;
mod terminal;

use std::process::ExitCode;

use runtime_tests::daemon::{Daemon, Kubectl};
use runtime_tests::{Verdict, World, ensure, failed, run};

fn main() -> ExitCode {
    let mut all = Vec::new();
    all.extend(looking::all());
    all.extend(changing::all());
    all.extend(inside::all());
    all.extend(logs::all());
    all.extend(terminal::all());
    all.extend(ending::all());
    run(all)
}

/// Two init containers, one of which stays beside the main; 2 of 2 are ready then.
const WEB: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 5
  initContainers:
  - {name: setup, image: "host:/", command: [sh, -c, "echo setting up"]}
  - name: stays
    image: host:/
    restartPolicy: Always
    command: [sh, -c, "trap 'exit 0' TERM; echo staying; while :; do sleep 0.05; done"]
  containers:
  - name: main
    image: host:/
    command: [sh, -c, "trap 'exit 0' TERM; echo hello; echo more; while :; do sleep 0.05; done"]
    resources: {requests: {cpu: 10m, memory: 20Mi}, limits: {cpu: 500m, memory: 200Mi}}
"#;

/// Runs a test with a daemon in which [`WEB`] is ready.
fn with_web(world: &World, body: impl Fn(&Daemon, &Kubectl<'_>) -> Verdict) -> Verdict {
    let daemon = Daemon::start(world)?;
    let kubectl = daemon.kubectl()?;
    kubectl.apply(WEB)?;
    kubectl.good("wait --for=condition=Ready pod/web --timeout=20s")?;
    body(&daemon, &kubectl)?;
    daemon.finish()
}

/// The words of a table's lines.
fn cells(table: &str) -> Vec<Vec<&str>> {
    let lines = table.lines();
    lines
        .map(|line| line.split_whitespace().collect())
        .collect()
}

/// The line of a table that begins with a word.
fn row<'a>(table: &'a str, first: &str) -> Result<Vec<&'a str>, runtime_tests::Failure> {
    let found = cells(table)
        .into_iter()
        .find(|line| line.first() == Some(&first));
    found.ok_or_else(|| failed(format!("there is no line {first}:\n{table}")))
}

/// Fails unless this text is that one.
fn same(found: &str, wanted: &str) -> Verdict {
    ensure!(found == wanted, "{wanted:?} was expected, not {found:?}");
    Ok(())
}

/// Fails unless a text has all of these in it, in this order.
fn in_order(text: &str, wanted: &[&str]) -> Verdict {
    let mut rest = text;
    for each in wanted {
        let Some(at) = rest.find(each) else {
            return Err(failed(format!(
                "{each:?} is not where it should be:\n{text}"
            )));
        };
        rest = &rest[at + each.len()..];
    }
    Ok(())
}
