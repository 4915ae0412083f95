//! Do the files of the manifests folder become Pods, and do Pods follow their files?

use std::process::ExitCode;

use runtime_tests::daemon::{Daemon, until};
use runtime_tests::{Failure, Verdict, World, ensure, failed, needs, run, tests};
use serde_json::Value;

fn main() -> ExitCode {
    run(tests![
        a_file_that_appears_changes_and_goes_takes_its_pod_along,
        a_bad_file_is_told_of_and_the_others_go_on,
        one_file_has_many_documents,
        files_that_change_while_the_daemon_is_down_are_seen,
        without_inotify_the_folder_is_read_again_and_again,
        a_static_pod_is_deleted_by_its_file_only,
    ])
}

fn pod(name: &str, script: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  terminationGracePeriodSeconds: 2\n  \
         containers:\n  - {{name: main, image: \"host:/\", command: [sh, -c, \"trap 'exit 0' TERM; {script}; \
         while :; do sleep 0.05; done\"]}}\n"
    )
}

/// Puts a file into the folder at once, as an editor or `mv` does.
fn put(daemon: &Daemon, name: &str, text: &str) -> Verdict {
    let aside = daemon.manifests.with_file_name("aside");
    std::fs::write(&aside, text)?;
    Ok(std::fs::rename(aside, daemon.manifests.join(name))?)
}

fn is_ready(pod: &Value) -> bool {
    pod["status"]["containerStatuses"][0]["ready"] == true
}

fn ready(daemon: &Daemon, name: &str) -> Result<Value, Failure> {
    daemon.until_pod(name, "readiness", is_ready)
}

fn gone(daemon: &Daemon, name: &str) -> Verdict {
    daemon.until_pod(name, "its end", Value::is_null)?;
    Ok(())
}

fn uid(pod: &Value) -> String {
    pod["metadata"]["uid"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn a_file_that_appears_changes_and_goes_takes_its_pod_along(world: &World) -> Verdict {
    let daemon = Daemon::start(world)?;
    put(&daemon, "web.yaml", &pod("web", "echo one"))?;
    let first = ready(&daemon, "web")?;
    let notes = &first["metadata"]["annotations"];
    ensure!(
        notes["kubernetes.io/config.source"] == "file"
            && notes["kubernetes.io/config.hash"].is_string(),
        "{notes:#}"
    );
    // A file that is written again with the same text changes nothing; the next change shows that it was read.
    put(&daemon, "web.yaml", &pod("web", "echo one"))?;
    put(&daemon, "other.yaml", &pod("other", "echo other"))?;
    ready(&daemon, "other")?;
    ensure!(
        uid(&daemon.pod("web")?) == uid(&first),
        "it was replaced without a reason"
    );
    put(&daemon, "web.yaml", &pod("web", "echo two"))?;
    let second = daemon.until_pod("web", "its replacement", |pod| {
        is_ready(pod) && uid(pod) != uid(&first)
    })?;
    let script = &second["spec"]["containers"][0]["command"][2];
    ensure!(
        script
            .as_str()
            .is_some_and(|text| text.contains("echo two")),
        "{script}"
    );
    std::fs::remove_file(daemon.manifests.join("web.yaml"))?;
    gone(&daemon, "web")?;
    ensure!(is_ready(&daemon.pod("other")?), "the other one went too");
    daemon.finish()
}

fn a_bad_file_is_told_of_and_the_others_go_on(world: &World) -> Verdict {
    let daemon = Daemon::start(world)?;
    put(&daemon, "good.yaml", &pod("good", "echo good"))?;
    let bad = pod("bad", "echo bad").replace("image:", "imag:");
    put(&daemon, "bad.yaml", &bad)?;
    put(&daemon, "noise.yaml", "{{{ not: yaml")?;
    put(&daemon, "readme.txt", "not a manifest")?;
    ready(&daemon, "good")?;
    let told = until(20.0, || {
        let log = daemon.log_text();
        let (_, events) = daemon.ask("GET", "/api/v1/events", "")?;
        let events = events.to_string();
        Ok(["bad.yaml", "noise.yaml"]
            .iter()
            .all(|file| log.contains(file) && events.contains(file)))
    })?;
    ensure!(told, "nobody told of the bad files:\n{}", daemon.log_text());
    ensure!(daemon.pod("bad")?.is_null(), "it was taken");
    // A file that becomes good becomes a Pod, and one that becomes bad keeps the Pod that it was.
    put(&daemon, "bad.yaml", &pod("bad", "echo bad"))?;
    let before = ready(&daemon, "bad")?;
    put(&daemon, "bad.yaml", &bad)?;
    put(&daemon, "last.yaml", &pod("last", "echo last"))?;
    ready(&daemon, "last")?;
    ensure!(
        uid(&daemon.pod("bad")?) == uid(&before),
        "a typing error ended a running Pod"
    );
    daemon.finish()
}

fn one_file_has_many_documents(world: &World) -> Verdict {
    let daemon = Daemon::start(world)?;
    let settings =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {word: hello}\n";
    let reads = "apiVersion: v1\nkind: Pod\nmetadata: {name: reads}\nspec:\n  terminationGracePeriodSeconds: 1\n  \
                 containers:\n  - name: main\n    image: host:/\n    command: [sh, -c, \"test $WORD = hello && sleep 1000\"]\n    \
                 env: [{name: WORD, valueFrom: {configMapKeyRef: {name: settings, key: word}}}]\n";
    let all = [
        pod("one", "echo one"),
        settings.to_owned(),
        reads.to_owned(),
    ]
    .join("---\n");
    put(&daemon, "all.yaml", &all)?;
    ready(&daemon, "one")?;
    ready(&daemon, "reads")?;
    put(&daemon, "all.yaml", &[settings, reads].join("---\n"))?;
    gone(&daemon, "one")?;
    std::fs::remove_file(daemon.manifests.join("all.yaml"))?;
    gone(&daemon, "reads")?;
    daemon.finish()
}

fn files_that_change_while_the_daemon_is_down_are_seen(world: &World) -> Verdict {
    let mut daemon = Daemon::start(world)?;
    for name in ["stays", "changes", "goes"] {
        put(&daemon, &format!("{name}.yaml"), &pod(name, "echo one"))?;
    }
    let stays = ready(&daemon, "stays")?;
    let changes = ready(&daemon, "changes")?;
    ready(&daemon, "goes")?;
    daemon.kill()?;
    put(&daemon, "changes.yaml", &pod("changes", "echo two"))?;
    std::fs::remove_file(daemon.manifests.join("goes.yaml"))?;
    put(&daemon, "comes.yaml", &pod("comes", "echo new"))?;
    daemon.up()?;
    ready(&daemon, "comes")?;
    gone(&daemon, "goes")?;
    daemon.until_pod("changes", "its replacement", |pod| {
        is_ready(pod) && uid(pod) != uid(&changes)
    })?;
    let now = daemon.pod("stays")?;
    let id = |pod: &Value| pod["status"]["containerStatuses"][0]["containerID"].clone();
    ensure!(
        uid(&now) == uid(&stays) && id(&now) == id(&stays),
        "it was started again: {now:#}"
    );
    daemon.finish()
}

/// Becomes another program in which `inotify_init1` fails as it does when all instances are taken. To take
/// them all would take them from the whole machine.
const NO_INOTIFY: &str = r#"
import ctypes, os, platform, struct, sys
number = {"x86_64": 294, "aarch64": 26}[platform.machine()]
load, is_it, give = 0x20, 0x15, 0x06
EMFILE, ERRNO, ALLOW = 24, 0x00050000, 0x7FFF0000
steps = [(load, 0, 0, 0), (is_it, 0, 1, number), (give, 0, 0, ERRNO | EMFILE), (give, 0, 0, ALLOW)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
PR_SET_SECCOMP, FILTER = 22, 2
if ctypes.CDLL(None).prctl(PR_SET_SECCOMP, FILTER, program, 0, 0) != 0:
    sys.exit("prctl failed")
os.execv(sys.argv[1], sys.argv[1:])
"#;

fn without_inotify_the_folder_is_read_again_and_again(world: &World) -> Verdict {
    needs!("python3");
    let mut daemon = Daemon::prepared(world)?;
    daemon.before = ["/usr/bin/python3", "-c", NO_INOTIFY]
        .map(str::to_owned)
        .to_vec();
    daemon.up()?;
    put(&daemon, "web.yaml", &pod("web", "echo one"))?;
    ready(&daemon, "web")?;
    ensure!(
        daemon.log_text().contains("inotify"),
        "it does not say that it cannot watch:\n{}",
        daemon.log_text()
    );
    std::fs::remove_file(daemon.manifests.join("web.yaml"))?;
    gone(&daemon, "web")?;
    daemon.finish()
}

fn a_static_pod_is_deleted_by_its_file_only(world: &World) -> Verdict {
    let daemon = Daemon::start(world)?;
    put(&daemon, "web.yaml", &pod("web", "echo one"))?;
    let before = ready(&daemon, "web")?;
    let (status, answer) = daemon.ask("DELETE", "/api/v1/namespaces/default/pods/web", "")?;
    let message = answer["message"]
        .as_str()
        .ok_or_else(|| failed("no message"))?;
    ensure!(
        status == 403 && message.contains("web.yaml"),
        "{status} {message}"
    );
    ensure!(uid(&daemon.pod("web")?) == uid(&before), "it was deleted");
    // A Pod of the API is not taken by a file with the same name.
    daemon.apply(&pod("mine", "echo mine"))?;
    let mine = ready(&daemon, "mine")?;
    put(&daemon, "mine.yaml", &pod("mine", "echo theirs"))?;
    let told = until(20.0, || Ok(daemon.log_text().contains("mine.yaml")))?;
    ensure!(told, "nothing was said of it:\n{}", daemon.log_text());
    ensure!(uid(&daemon.pod("mine")?) == uid(&mine), "it was replaced");
    daemon.finish()
}
