//! get in all its forms, describe, events, explain, top, and what kubectl asks of the server itself.

use runtime_tests::{Test, Verdict, World, ensure, tests};

use crate::{cells, in_order, row, same, with_web};

pub(crate) fn all() -> Vec<Test> {
    tests![
        get_shows_a_pod_in_every_form,
        get_chooses_by_labels_fields_and_names,
        get_watches,
        get_pages_and_sorts,
        describe_tells_of_containers_conditions_and_events,
        events_are_told_with_the_kubelets_reasons,
        explain_knows_the_fields,
        top_measures,
        the_server_says_what_it_is,
        status_uses_kubectls_words,
    ]
}

fn get_shows_a_pod_in_every_form(world: &World) -> Verdict {
    with_web(world, |_, kubectl| {
        let table = kubectl.good("get pods")?;
        ensure!(
            cells(&table)[0] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
                && cells(&table)[1][..4] == ["web", "2/2", "Running", "0"],
            "{table}"
        );
        let table = kubectl.good("get po -o wide")?;
        in_order(
            cells(&table)[0].join(" ").as_str(),
            &["AGE IP NODE NOMINATED NODE READINESS GATES"],
        )?;
        for several in ["get all", "get po,svc"] {
            let table = kubectl.good(several)?;
            same(cells(&table)[1][0], "pod/web")?;
        }
        same(&kubectl.good("get pod web -o name")?, "pod/web\n")?;
        same(
            &kubectl.good("get pods -o jsonpath={.items[*].status.phase}")?,
            "Running",
        )?;
        let columns =
            kubectl.good("get po -o custom-columns=N:.metadata.name,Q:.status.qosClass")?;
        ensure!(
            cells(&columns) == [["N", "Q"], ["web", "Burstable"]],
            "{columns}"
        );
        same(
            &kubectl.good("get pods -o go-template={{range.items}}{{.metadata.name}}{{end}}")?,
            "web",
        )?;
        let json: serde_json::Value = serde_json::from_str(&kubectl.good("get pod web -o json")?)?;
        ensure!(
            json["apiVersion"] == "v1"
                && json["kind"] == "Pod"
                && json["spec"]["nodeName"].is_string(),
            "{json:#}"
        );
        let yaml = kubectl.good("get pod web -o yaml")?;
        in_order(
            &yaml,
            &[
                "apiVersion: v1\nkind: Pod\n",
                "restartPolicy: Always",
                "phase: Running",
            ],
        )?;
        // What it shows can be applied again.
        let again = kubectl.with_stdin(&["apply", "-f", "-"], &yaml)?.ended(0)?;
        ensure!(again.starts_with("pod/web "), "{again}");
        Ok(())
    })
}

fn get_chooses_by_labels_fields_and_names(world: &World) -> Verdict {
    with_web(world, |_, kubectl| {
        for chosen in [
            "-l app=web",
            "-l app!=other,app",
            "--field-selector status.phase=Running,metadata.name=web",
            "-A",
        ] {
            same(
                &kubectl.good(&format!("get pods -o name {chosen}"))?,
                "pod/web\n",
            )?;
        }
        for chosen in [
            "-l app=other",
            "--field-selector status.phase!=Running",
            "-n kube-system",
        ] {
            same(&kubectl.good(&format!("get pods -o name {chosen}"))?, "")?;
        }
        let labels = kubectl.good("get pods --show-labels -L app")?;
        ensure!(row(&labels, "web")?[5..] == ["web", "app=web"], "{labels}");
        let everywhere = kubectl.good("get pods -A")?;
        ensure!(row(&everywhere, "default")?[1] == "web", "{everywhere}");
        kubectl.refused(
            "get pod nope",
            &["Error from server (NotFound): pods \"nope\" not found"],
        )?;
        kubectl.refused(
            "get pods --field-selector spec.x=1",
            &["field label not supported"],
        )?;
        let kinds = kubectl.good("get ns,sa,nodes,cm -o name")?;
        in_order(
            &kinds,
            &["namespace/default", "serviceaccount/default", "node/"],
        )
    })
}

fn get_watches(world: &World) -> Verdict {
    with_web(world, |_, kubectl| {
        let mut table = kubectl.start(&["get", "pods", "-w"])?;
        let mut names = kubectl.start(&["get", "pods", "-w", "--output-watch-events"])?;
        let is = |text: &str, words: &[&str]| {
            cells(text)
                .iter()
                .any(|line| words.iter().all(|word| line.contains(word)))
        };
        table.until("the list", |text| is(text, &["web", "2/2", "Running"]))?;
        names.until("the list", |text| text.contains("ADDED"))?;
        kubectl.good("label pod web seen=yes")?;
        names.until("the label", |text| text.contains("MODIFIED"))?;
        kubectl.good("delete pod web")?;
        table.until("Terminating", |text| is(text, &["web", "Terminating"]))?;
        names.until("the end", |text| text.contains("DELETED"))?;
        table.end()?;
        names.end()?;
        Ok(())
    })
}

fn get_pages_and_sorts(world: &World) -> Verdict {
    with_web(world, |_, kubectl| {
        for name in ["c", "a", "b"] {
            kubectl.good(&format!(
                "create configmap {name} --from-literal=key={name}"
            ))?;
        }
        let pages = kubectl.good("get cm --chunk-size=1 -o name")?;
        same(&pages, "configmap/a\nconfigmap/b\nconfigmap/c\n")?;
        let sorted = kubectl.good("get cm --sort-by={.metadata.creationTimestamp} --no-headers")?;
        ensure!(
            cells(&sorted).len() == 3 && row(&sorted, "a")?[1] == "1",
            "{sorted}"
        );
        Ok(())
    })
}

fn describe_tells_of_containers_conditions_and_events(world: &World) -> Verdict {
    with_web(world, |_, kubectl| {
        let text = kubectl.good("describe pod web")?;
        in_order(
            &text,
            &[
                "Name:             web",
                "Status:           Running",
                "Init Containers:",
                "  setup:",
                "    State:          Terminated\n      Reason:       Completed\n      Exit Code:    0",
                "  stays:",
                "    State:          Running",
                "Containers:\n  main:",
                "    Limits:\n      cpu:     500m\n      memory:  200Mi",
                "Ready                       True",
                "QoS Class:",
                "Burstable",
                "Events:",
                "Created container: setup",
                "Started container main",
            ],
        )?;
        let node = kubectl.good("describe nodes")?;
        in_order(
            &node,
            &[
                "Conditions:",
                "Ready ",
                "Capacity:",
                "Non-terminated Pods:",
                "web",
            ],
        )
    })
}

fn events_are_told_with_the_kubelets_reasons(world: &World) -> Verdict {
    with_web(world, |_, kubectl| {
        for command in ["events --for pod/web", "get events"] {
            let table = kubectl.good(command)?;
            in_order(
                &table,
                &["Pulled", "Created", "Started", "Started container main"],
            )?;
            ensure!(table.to_lowercase().contains("pod/web"), "{table}");
        }
        same(&kubectl.good("events --types=Warning --for pod/web")?, "")
    })
}

fn explain_knows_the_fields(world: &World) -> Verdict {
    with_web(world, |_, kubectl| {
        let text = kubectl.good("explain pod.spec.initContainers.restartPolicy")?;
        in_order(
            &text,
            &[
                "KIND:       Pod",
                "VERSION:    v1",
                "FIELD: restartPolicy <string>",
                "init container",
            ],
        )?;
        in_order(
            &kubectl.good("explain configmap.data")?,
            &["FIELD: data <map[string]string>"],
        )?;
        kubectl.refused("explain pod.spec.nope", &["field \"nope\" does not exist"])
    })
}

fn top_measures(world: &World) -> Verdict {
    with_web(world, |_, kubectl| {
        let table = kubectl.good("top pod")?;
        let web = row(&table, "web")?;
        ensure!(web[1].ends_with('m') && web[2].ends_with("Mi"), "{table}");
        let table = kubectl.good("top pod web --containers")?;
        ensure!(cells(&table).len() == 3, "{table}");
        let table = kubectl.good("top node")?;
        ensure!(cells(&table)[1].len() == 5, "{table}");
        Ok(())
    })
}

fn the_server_says_what_it_is(world: &World) -> Verdict {
    with_web(world, |_, kubectl| {
        in_order(
            &kubectl.good("version")?,
            &["Client Version", "Server Version: v1."],
        )?;
        in_order(
            &kubectl.good("cluster-info")?,
            &["control plane is running at https://127.0.0.1:6553"],
        )?;
        let resources = kubectl.good("api-resources --verbs=list,get --namespaced=true")?;
        ensure!(
            row(&resources, "pods")?[1..] == ["po", "v1", "true", "Pod"],
            "{resources}"
        );
        ensure!(
            kubectl
                .good("api-versions")?
                .lines()
                .any(|line| line == "v1"),
            "no v1"
        );
        same(&kubectl.good("auth can-i create pods")?, "yes\n")?;
        in_order(
            &kubectl.good("auth whoami")?,
            &["outrigger-admin", "system:masters"],
        )?;
        same(&kubectl.good("get --raw /readyz")?, "ok")
    })
}

fn status_uses_kubectls_words(world: &World) -> Verdict {
    with_web(world, |daemon, kubectl| {
        let pod = |name: &str, policy: &str, image: &str, script: &str| {
            format!(
                "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  restartPolicy: {policy}\n  \
                 terminationGracePeriodSeconds: 1\n  containers:\n  - {{name: main, image: \"{image}\", \
                 command: [sh, -c, \"{script}\"]}}\n"
            )
        };
        let all = [
            pod("fine", "Never", "host:/", "exit 0"),
            pod("bad", "Never", "host:/", "exit 3"),
            pod("loops", "Always", "host:/", "exit 3"),
            pod("nameless", "Always", "host:/etc", "exit 3"),
            pod("begins", "Never", "host:/", "sleep 1000").replace(
                "  containers:",
                "  initContainers: [{name: first, image: \"host:/\", command: [sleep, '1000']}, {name: second, image: \"host:/\"}]\n  containers:",
            ),
            pod("breaks", "Never", "host:/", "sleep 1000").replace(
                "  containers:",
                "  initContainers: [{name: first, image: \"host:/\", command: [\"false\"]}]\n  containers:",
            ),
        ];
        kubectl.apply(&all.concat())?;
        let wanted = [
            ("fine", "0/1", "Completed"),
            ("bad", "0/1", "Error"),
            ("loops", "0/1", "CrashLoopBackOff"),
            ("nameless", "0/1", "InvalidImageName"),
            ("begins", "0/1", "Init:0/2"),
            ("breaks", "0/1", "Init:Error"),
        ];
        let mut table = String::new();
        let seen = runtime_tests::daemon::until(20.0, || {
            table = kubectl.good("get pods")?;
            let lines = cells(&table);
            Ok(wanted.iter().all(|(name, ready, status)| {
                lines
                    .iter()
                    .any(|line| line[..3] == [*name, *ready, *status])
            }))
        })?;
        ensure!(
            seen,
            "{wanted:?} was expected:\n{table}\n{}",
            daemon.log_text()
        );
        Ok(())
    })
}
