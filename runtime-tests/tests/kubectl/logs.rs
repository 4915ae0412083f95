//! logs in all its forms.

use runtime_tests::{Test, Verdict, World, ensure, tests};

use crate::{in_order, same, with_web};

pub(crate) fn all() -> Vec<Test> {
    tests![
        logs_are_chosen_by_container_number_and_label,
        logs_are_followed_until_the_container_ends,
        logs_of_the_attempt_before,
        logs_are_chosen_by_time,
    ]
}

fn pod(name: &str, policy: &str, script: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  restartPolicy: {policy}\n  \
         terminationGracePeriodSeconds: 1\n  containers:\n  - {{name: main, image: \"host:/\", \
         command: [sh, -c, \"{script}\"]}}\n"
    )
}

fn logs_are_chosen_by_container_number_and_label(world: &World) -> Verdict {
    with_web(world, |_, kubectl| {
        same(&kubectl.good("logs web")?, "hello\nmore\n")?;
        same(&kubectl.good("logs web --tail=1")?, "more\n")?;
        same(&kubectl.good("logs web --limit-bytes=3")?, "hel")?;
        same(&kubectl.good("logs web -c setup")?, "setting up\n")?;
        same(&kubectl.good("logs web -c stays")?, "staying\n")?;
        // kubectl asks for the containers in no particular order.
        let all = kubectl.good("logs web --all-containers --prefix --tail=1")?;
        let mut lines: Vec<&str> = all.lines().collect();
        lines.sort_unstable();
        ensure!(
            lines
                == [
                    "[pod/web/main] more",
                    "[pod/web/setup] setting up",
                    "[pod/web/stays] staying"
                ],
            "{all}"
        );
        same(
            &kubectl.good("logs -l app=web --prefix --tail=1")?,
            "[pod/web/main] more\n",
        )?;
        let stamped = kubectl.good("logs web --tail=1 --timestamps")?;
        let (stamp, text) = stamped.split_once(' ').unwrap_or_default();
        ensure!(stamp.starts_with("20") && text == "more\n", "{stamped}");
        kubectl.refused(
            "logs web -c nope",
            &["container nope is not valid for pod web"],
        )?;
        kubectl.refused(
            "logs web --previous",
            &["previous terminated container \"main\" in pod \"web\" not found"],
        )?;
        kubectl.refused("logs nope", &["pods \"nope\" not found"])
    })
}

fn logs_are_followed_until_the_container_ends(world: &World) -> Verdict {
    with_web(world, |daemon, kubectl| {
        kubectl.apply(&pod(
            "counts",
            "Never",
            "i=0; while test $i -lt 20000; do i=$((i+1)); echo line $i; done; \
             echo waiting; while ! test -e /tmp/go; do sleep 0.02; done; echo last; exit 3",
        ))?;
        kubectl.good("wait --for=condition=Ready pod/counts --timeout=20s")?;
        let mut follow = kubectl.start(&["logs", "-f", "counts"])?;
        follow.until("what is there already", |text| text.contains("\nwaiting\n"))?;
        kubectl.good("exec counts -- touch /tmp/go")?;
        let said = follow.finish()?;
        let lines: Vec<&str> = said.out.lines().collect();
        ensure!(
            said.code == 0
                && lines.len() == 20_002
                && lines[19_999] == "line 20000"
                && lines[20_001] == "last",
            "{} lines, exit code {}: {}",
            lines.len(),
            said.code,
            said.err
        );
        // The log of a finished Pod stays until the Pod is deleted.
        daemon.until_pod("counts", "its end", |pod| {
            pod["status"]["phase"] == "Failed"
        })?;
        same(&kubectl.good("logs counts --tail=2")?, "waiting\nlast\n")
    })
}

fn logs_of_the_attempt_before(world: &World) -> Verdict {
    with_web(world, |daemon, kubectl| {
        let script = "n=$(cat /data/n || echo 0); n=$((n+1)); echo $n > /data/n; echo attempt $n; \
                      test $n = 1 && exit 1; sleep 1000";
        let manifest = pod("twice", "Always", script).replace(
            "  containers:\n  - {",
            "  volumes: [{name: data, emptyDir: {}}]\n  containers:\n  - {volumeMounts: [{name: data, mountPath: /data}], ",
        );
        kubectl.apply(&manifest)?;
        daemon.until_pod("twice", "the second attempt", |pod| {
            let main = &pod["status"]["containerStatuses"][0];
            main["restartCount"] == 1 && main["ready"] == true
        })?;
        in_order(&kubectl.good("logs twice --previous")?, &["attempt 1\n"])?;
        same(&kubectl.good("logs twice --tail=1")?, "attempt 2\n")
    })
}

fn logs_are_chosen_by_time(world: &World) -> Verdict {
    with_web(world, |_, kubectl| {
        let stamped = kubectl.good("logs web --timestamps")?;
        let second = stamped
            .lines()
            .nth(1)
            .and_then(|line| line.split(' ').next());
        let since = second.unwrap_or_default();
        same(&kubectl.good("logs web --since=1h")?, "hello\nmore\n")?;
        in_order(
            &kubectl.good(&format!("logs web --since-time={since}"))?,
            &["more\n"],
        )?;
        same(
            &kubectl.good("logs web --since-time=2999-01-01T00:00:00Z")?,
            "",
        )
    })
}
