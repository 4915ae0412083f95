//! wait, run, delete in all its forms, and eviction.

use std::time::Instant;

use runtime_tests::{Test, Verdict, World, ensure, tests};

use crate::{WEB, in_order, row, same, with_web};

pub(crate) fn all() -> Vec<Test> {
    tests![
        delete_waits_for_the_end,
        delete_now_and_by_force,
        delete_many,
        a_deaf_pod_ends_with_its_grace_period,
        wait_hears_of_conditions_and_deletion,
        run_gives_output_and_exit_code,
        an_eviction_deletes,
        a_cordoned_node_takes_no_new_pods_and_a_drained_one_has_none,
    ]
}

/// Does not listen to SIGTERM.
const DEAF: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: deaf, labels: {app: deaf}}
spec:
  terminationGracePeriodSeconds: 60
  containers:
  - {name: main, image: "host:/", command: [sh, -c, "trap '' TERM; while :; do sleep 0.05; done"]}
"#;

fn delete_waits_for_the_end(world: &World) -> Verdict {
    with_web(world, |daemon, kubectl| {
        same(&kubectl.good("delete pod web")?, "pod \"web\" deleted\n")?;
        ensure!(daemon.pod("web")?.is_null(), "it is still there");
        same(&kubectl.good("get pods -o name")?, "")?;
        kubectl.refused(
            "delete pod web",
            &["Error from server (NotFound): pods \"web\" not found"],
        )?;
        same(&kubectl.good("delete pod web --ignore-not-found")?, "")?;
        // Its name is free again, and it is another Pod.
        same(&kubectl.apply(WEB)?, "pod/web created\n")?;
        kubectl.good("wait --for=condition=Ready pod/web --timeout=20s")?;
        in_order(
            &kubectl.good("get events")?,
            &["Killing", "Stopping container main"],
        )
    })
}

fn delete_now_and_by_force(world: &World) -> Verdict {
    with_web(world, |daemon, kubectl| {
        kubectl.apply(DEAF)?;
        kubectl.good("wait --for=condition=Ready pod/deaf --timeout=20s")?;
        let began = Instant::now();
        same(
            &kubectl.good("delete pod deaf --now")?,
            "pod \"deaf\" deleted\n",
        )?;
        ensure!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
        kubectl.apply(DEAF)?;
        kubectl.good("wait --for=condition=Ready pod/deaf --timeout=20s")?;
        let said = kubectl.run(&["delete", "pod", "deaf", "--force", "--grace-period=0"])?;
        said.says("pod \"deaf\" force deleted")?;
        ensure!(daemon.pod("deaf")?.is_null(), "it is still there");
        // One that is being deleted slowly can be hastened.
        kubectl.apply(DEAF)?;
        kubectl.good("wait --for=condition=Ready pod/deaf --timeout=20s")?;
        kubectl.good("delete pod deaf --wait=false")?;
        let table = kubectl.good("get pods")?;
        ensure!(row(&table, "deaf")?[2] == "Terminating", "{table}");
        kubectl.good("delete pod deaf --grace-period=1")?;
        Ok(())
    })
}

fn delete_many(world: &World) -> Verdict {
    with_web(world, |_, kubectl| {
        let other = WEB
            .replace("name: web", "name: other")
            .replace("app: web", "app: other");
        let file = world.file("other.yaml", &other)?.display().to_string();
        for delete in [
            format!("delete -f {file}"),
            "delete pods -l app=other".to_owned(),
        ] {
            kubectl.apply(&other)?;
            same(&kubectl.good(&delete)?, "pod \"other\" deleted\n")?;
        }
        kubectl.apply(&other)?;
        let said = kubectl.good("delete pods --all")?;
        same(&said, "pod \"other\" deleted\npod \"web\" deleted\n")
    })
}

fn a_deaf_pod_ends_with_its_grace_period(world: &World) -> Verdict {
    with_web(world, |_, kubectl| {
        kubectl.apply(DEAF)?;
        kubectl.good("wait --for=condition=Ready pod/deaf --timeout=20s")?;
        let began = Instant::now();
        kubectl.good("delete pod deaf --grace-period=2")?;
        let took = began.elapsed().as_secs_f64();
        ensure!(
            (2.0..8.0 * runtime_tests::time_scale()).contains(&took),
            "{took}"
        );
        Ok(())
    })
}

fn wait_hears_of_conditions_and_deletion(world: &World) -> Verdict {
    with_web(world, |_, kubectl| {
        same(
            &kubectl.good("wait --for=jsonpath={.status.phase}=Running pod/web --timeout=5s")?,
            "pod/web condition met\n",
        )?;
        kubectl
            .refused(
                "wait --for=condition=Ready=false pod/web --timeout=0s",
                &["condition not met"],
            )
            .or_else(|_| {
                kubectl.refused(
                    "wait --for=condition=Ready=false pod/web --timeout=1s",
                    &["timed out"],
                )
            })?;
        let mut waits = kubectl.start(&["wait", "--for=delete", "pod/web", "--timeout=20s"])?;
        waits.close_stdin();
        kubectl.good("delete pod web")?;
        same(&waits.finish()?.ended(0)?, "pod/web condition met\n").or_else(|problem| {
            // It came too late to see it, which is as good.
            if kubectl.good("get pods -o name")?.is_empty() {
                Ok(())
            } else {
                Err(problem)
            }
        })
    })
}

fn run_gives_output_and_exit_code(world: &World) -> Verdict {
    with_web(world, |_, kubectl| {
        let run = ["run", "once", "--image=localhost/host", "--restart=Never"];
        let rest = ["--rm", "-i", "--command", "--", "sh", "-c", "cat; exit 7"];
        let said = kubectl.with_stdin(&[&run[..], &rest[..]].concat(), "through\n")?;
        said.says("through")?;
        ensure!(said.code == 7, "{}", said.shown());
        kubectl.good("wait --for=delete pod/once --timeout=20s")?;
        let rest = ["--command", "--", "true"];
        kubectl.run(&[&run[..], &rest[..]].concat())?.ended(0)?;
        kubectl.good("wait --for=jsonpath={.status.phase}=Succeeded pod/once --timeout=20s")?;
        let table = kubectl.good("get pods")?;
        ensure!(
            row(&table, "once")?[1..3] == ["0/1", "Completed"],
            "{table}"
        );
        Ok(())
    })
}

fn an_eviction_deletes(world: &World) -> Verdict {
    with_web(world, |_, kubectl| {
        let eviction = r#"{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"web","namespace":"default"}}"#;
        let path = "/api/v1/namespaces/default/pods/web/eviction";
        let said = kubectl.with_stdin(&["create", "--raw", path, "-f", "-"], eviction)?;
        in_order(&said.ended(0)?, &["Success"])?;
        kubectl.good("wait --for=delete pod/web --timeout=20s")?;
        same(&kubectl.good("get pods -o name")?, "")
    })
}

fn a_cordoned_node_takes_no_new_pods_and_a_drained_one_has_none(world: &World) -> Verdict {
    with_web(world, |daemon, kubectl| {
        let node = kubectl.good("get nodes -o name")?;
        let node = node.trim().trim_start_matches("node/");
        same(
            &kubectl.good(&format!("cordon {node}"))?,
            &format!("node/{node} cordoned\n"),
        )?;
        let nodes = kubectl.good("get nodes")?;
        ensure!(
            row(&nodes, node)?[1] == "Ready,SchedulingDisabled",
            "{nodes}"
        );
        kubectl.good("run held --image=localhost/host --restart=Never -- true")?;
        let held = daemon.pod("held")?;
        ensure!(
            held["status"]["conditions"][0]["reason"] == "Unschedulable"
                && held["spec"]["nodeName"].is_null(),
            "{held:#}"
        );
        in_order(
            &kubectl.good("describe pod held")?,
            &["PodScheduled", "FailedScheduling", "were unschedulable"],
        )?;
        kubectl.refused("logs held", &["does not have a host assigned"])?;
        kubectl.good(&format!("uncordon {node}"))?;
        kubectl.good("wait --for=jsonpath={.status.phase}=Succeeded pod/held --timeout=20s")?;
        kubectl.good(&format!("taint node {node} own=yes:NoSchedule"))?;
        kubectl.refused(
            &format!("taint node {node} own=yes:NoExecute"),
            &["nothing here evicts Pods"],
        )?;
        kubectl.good(&format!("taint node {node} own-"))?;
        kubectl.refused(
            &format!("label node {node} a/b/c=d"),
            &["metadata.labels: Invalid value: \"a/b/c\""],
        )?;
        let drained = kubectl.good(&format!("drain {node} --force --timeout=20s"))?;
        in_order(&drained, &[&format!("node/{node} drained")])?;
        same(&kubectl.good("get pods -o name")?, "")?;
        kubectl.good(&format!("uncordon {node}"))?;
        Ok(())
    })
}
