//! Which system calls can a container make, by default, by a profile of the machine, and without any?

mod calls;
mod profiles;

use std::process::ExitCode;

use calls::*;
use profiles::*;
use runtime_tests::daemon::{Daemon, spoken};
use runtime_tests::{Verdict, World, ensure, run, tests};
use serde_json::{Value, json};

fn main() -> ExitCode {
    run(tests![
        the_hosts_keys_are_out_of_reach,
        what_other_engines_refuse_is_refused,
        arguments_decide_about_some_calls,
        another_architecture_is_no_way_around,
        a_capability_brings_its_calls,
        every_process_of_a_pod_is_confined,
        a_container_wins_over_its_pod_and_a_privileged_one_is_unconfined,
        a_profile_of_the_machine_is_obeyed_to_the_letter,
        a_profile_that_cannot_be_used_is_told_by_its_file,
        a_profile_is_compiled_once_for_all_pods,
    ])
}

/// A command that writes down in which mode of seccomp it runs.
fn note(who: &str) -> String {
    format!(
        "grep '^Seccomp:' /proc/self/status > /notes/{who}.new && mv /notes/{who}.new /notes/{who}"
    )
}

/// A Pod with a process of each kind, of which those with a name write into a folder of the machine.
fn of_every_kind(notes: &str) -> String {
    let mount = "volumeMounts: [{name: notes, mountPath: /notes}]";
    let sh = |script: &str| json!(["sh", "-c", script]).to_string();
    let stays = |who: &str| {
        sh(&format!(
            "{}; trap 'exit 0' TERM; while :; do sleep 0.1; done",
            note(who)
        ))
    };
    let exec = |who: &str| format!("{{exec: {{command: {}}}}}", sh(&note(who)));
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  terminationGracePeriodSeconds: 5\n  \
         volumes: [{{name: notes, hostPath: {{path: {}}}}}]\n  initContainers:\n  \
         - {{name: init, image: 'host:/', command: {}, {mount}}}\n  \
         - {{name: sidecar, image: 'host:/', restartPolicy: Always, command: {}, {mount}, startupProbe: {{periodSeconds: 1, exec: {{command: {}}}}}}}\n  \
         containers:\n  - name: main\n    image: host:/\n    command: {}\n    {mount}\n    \
         readinessProbe: {{periodSeconds: 1, exec: {{command: {}}}}}\n    lifecycle: {{postStart: {}, preStop: {}}}\n  \
         - {{name: user, image: 'host:/', command: {}, securityContext: {{runAsUser: 1234, allowPrivilegeEscalation: false}}}}\n",
        notes,
        sh(&note("init")),
        stays("sidecar"),
        sh(&note("startup")),
        stays("main"),
        sh(&note("readiness")),
        exec("poststart"),
        exec("prestop"),
        sh("grep '^Seccomp:' /proc/self/status; trap 'exit 0' TERM; while :; do sleep 0.1; done"),
    )
}

fn every_process_of_a_pod_is_confined(world: &World) -> Verdict {
    let notes = world.work.join("notes");
    std::fs::create_dir(&notes)?;
    let daemon = Daemon::start(world)?;
    daemon.apply(&of_every_kind(&notes.display().to_string()))?;
    let ready = |pod: &Value| {
        let statuses = pod["status"]["containerStatuses"].as_array();
        statuses.is_some_and(|all| all.iter().all(|one| one["ready"] == true))
    };
    daemon.until_pod("p", "readiness", ready)?;
    let debug = json!({"spec": {"ephemeralContainers": [{
        "name": "debug", "image": "host:/", "targetContainerName": "main",
        "command": ["sh", "-c", "grep '^Seccomp:' /proc/self/status"],
    }]}});
    let path = "/api/v1/namespaces/default/pods/p/ephemeralcontainers";
    let (code, answer) = daemon.ask("PATCH", path, &debug.to_string())?;
    ensure!(code == 200, "{code} {answer}");
    daemon.until_pod("p", "the end of the debug container", |pod| {
        pod["status"]["ephemeralContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0
    })?;
    let said = |words: &[&str]| spoken(&mut daemon.outrigger(words), None)?.ended(0);
    for (who, words) in [
        (
            "exec",
            &[
                "exec",
                "p",
                "-c",
                "main",
                "--",
                "grep",
                "^Seccomp:",
                "/proc/self/status",
            ][..],
        ),
        (
            "exec as a user",
            &[
                "exec",
                "p",
                "-c",
                "user",
                "--",
                "grep",
                "^Seccomp:",
                "/proc/self/status",
            ],
        ),
        ("the user", &["logs", "p", "-c", "user"]),
        ("debug", &["logs", "p", "-c", "debug"]),
    ] {
        let text = said(words)?;
        ensure!(text == "Seccomp:\t2\n", "{who}: {text:?}");
    }
    said(&["delete", "pod", "p"])?;
    for who in [
        "init",
        "sidecar",
        "startup",
        "main",
        "readiness",
        "poststart",
        "prestop",
    ] {
        let text = std::fs::read_to_string(notes.join(who))?;
        ensure!(text == "Seccomp:\t2\n", "{who}: {text:?}");
    }
    daemon.finish()
}
