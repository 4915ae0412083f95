//! apply, patch, edit, set image, label, resize, and what is refused in Kubernetes' words.

use runtime_tests::{Test, Verdict, World, ensure, status, tests};

use crate::{WEB, in_order, same, with_web};

pub(crate) fn all() -> Vec<Test> {
    tests![
        apply_creates_configures_and_leaves_alone,
        apply_on_the_servers_side_and_without_doing_it,
        what_is_wrong_is_said_in_kubernetes_words,
        a_changed_image_restarts_its_container,
        patches_of_all_kinds,
        an_editor_changes_a_pod,
        a_container_is_resized_in_place,
        configmaps_and_secrets_are_created_and_deleted,
        what_wants_a_controller_is_refused_clearly,
    ]
}

fn apply_creates_configures_and_leaves_alone(world: &World) -> Verdict {
    with_web(world, |_, kubectl| {
        same(&kubectl.apply(WEB)?, "pod/web unchanged\n")?;
        let labelled = WEB.replace("app: web", "app: web, tier: front");
        let diff = kubectl
            .with_stdin(&["diff", "-f", "-"], &labelled)?
            .ended(1)?;
        in_order(&diff, &["+    tier: front"])?;
        same(&kubectl.apply(&labelled)?, "pod/web configured\n")?;
        same(
            &kubectl.good("get pod web -o jsonpath={.metadata.labels.tier}")?,
            "front",
        )?;
        same(&kubectl.apply(WEB)?, "pod/web configured\n")?;
        same(
            &kubectl.good("get pod web -o jsonpath={.metadata.labels.tier}")?,
            "",
        )?;
        // A change of what may change on a Pod that runs touches no container.
        same(
            &kubectl.good("get pod web -o jsonpath={.status.containerStatuses[0].restartCount}")?,
            "0",
        )?;
        let again = kubectl.with_stdin(&["create", "-f", "-"], WEB)?;
        again.says("Error from server (AlreadyExists): error when creating \"STDIN\": pods \"web\" already exists")
    })
}

fn apply_on_the_servers_side_and_without_doing_it(world: &World) -> Verdict {
    with_web(world, |_, kubectl| {
        let other = WEB.replace("name: web", "name: other");
        let tried = kubectl.with_stdin(&["apply", "--dry-run=server", "-f", "-"], &other)?;
        same(&tried.ended(0)?, "pod/other created (server dry run)\n")?;
        kubectl.refused("get pod other", &["NotFound"])?;
        let shown = kubectl.with_stdin(
            &["apply", "--dry-run=server", "-o", "yaml", "-f", "-"],
            &other,
        )?;
        in_order(
            &shown.ended(0)?,
            &[
                "name: other",
                "terminationMessagePath: /dev/termination-log",
            ],
        )?;
        let flags = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        let labelled = WEB.replace("app: web", "app: web, side: server");
        same(
            &kubectl.with_stdin(&flags, &labelled)?.ended(0)?,
            "pod/web serverside-applied\n",
        )?;
        same(
            &kubectl.good("get pod web -o jsonpath={.metadata.labels.side}")?,
            "server",
        )
    })
}

fn what_is_wrong_is_said_in_kubernetes_words(world: &World) -> Verdict {
    with_web(world, |_, kubectl| {
        let other = WEB.replace("name: web", "name: other");
        let cases = [
            (
                other.replace("    image: host:/\n", "    imag: host:/\n"),
                vec!["unknown field \"spec.containers[0].imag\""],
            ),
            (
                other.replace("Seconds: 5", "Seconds: five"),
                vec!["BadRequest", "spec.terminationGracePeriodSeconds"],
            ),
            (
                other.replace("name: main", "name: Main_X"),
                vec![
                    "The Pod \"other\" is invalid",
                    "spec.containers[0].name: Invalid value: \"Main_X\"",
                ],
            ),
            (
                other
                    .replace("cpu: 10m", "cpu: 10x")
                    .replace("memory: 20Mi", "memory: 1Gi"),
                vec!["quantit"],
            ),
            (
                WEB.replace("echo hello", "echo goodbye"),
                vec![
                    "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`",
                ],
            ),
            (
                "kind: Pod\napiVersion: v1\nmetadata: {name: x}\n".to_owned(),
                vec!["spec"],
            ),
        ];
        for (manifest, words) in cases {
            let said = kubectl.with_stdin(&["apply", "-f", "-"], &manifest)?;
            ensure!(
                said.code == 1,
                "it was taken:\n{manifest}\n{}",
                said.shown()
            );
            words.iter().try_for_each(|word| said.says(word))?;
        }
        // Several causes come at once, one a line.
        let twice = other
            .replace("name: main", "name: Main_X")
            .replace("name: setup", "name: Set_up");
        let said = kubectl.with_stdin(&["apply", "-f", "-"], &twice)?;
        in_order(
            &said.err,
            &[
                "is invalid: \n* spec.containers[0].name",
                "\n* spec.initContainers[0].name",
            ],
        )?;
        let warned = kubectl.with_stdin(
            &["apply", "--validate=warn", "-f", "-"],
            &WEB.replace("spec:\n", "spec:\n  wheels: 4\n"),
        )?;
        warned.says("Warning: unknown field \"spec.wheels\"")?;
        ensure!(warned.code == 0, "{}", warned.shown());
        kubectl.refused("get pod other", &["NotFound"])
    })
}

fn a_changed_image_restarts_its_container(world: &World) -> Verdict {
    with_web(world, |daemon, kubectl| {
        let sentence = |pod: &serde_json::Value, name: &str| {
            let all = status::containers(pod);
            all.into_iter()
                .find(|one| one.starts_with(name))
                .unwrap_or_default()
        };
        // The same root by another name, so that the container comes up again.
        let changed = WEB.replace(
            "  - name: main\n    image: host:/",
            "  - name: main\n    image: localhost/host",
        );
        same(&kubectl.apply(&changed)?, "pod/web configured\n")?;
        let pod = daemon.until_pod("web", "the restart", |pod| {
            sentence(pod, "main").contains("running; last terminated Completed 0; restarts 1")
        })?;
        ensure!(
            sentence(&pod, "stays").contains("restarts 0"),
            "{:?}",
            status::containers(&pod)
        );
        same(
            &kubectl.good("set image pod/web main=host:/")?,
            "pod/web image updated\n",
        )?;
        daemon.until_pod("web", "the second restart", |pod| {
            sentence(pod, "main").contains("restarts 2; ready yes")
        })?;
        in_order(
            &kubectl.good("get events")?,
            &["Container main definition changed, will be restarted"],
        )
    })
}

fn patches_of_all_kinds(world: &World) -> Verdict {
    with_web(world, |_, kubectl| {
        let label = || kubectl.good("get pod web -o jsonpath={.metadata.labels.p}");
        for (kind, patch, wanted) in [
            ("strategic", r#"{"metadata":{"labels":{"p":"1"}}}"#, "1"),
            ("merge", r#"{"metadata":{"labels":{"p":"2"}}}"#, "2"),
            (
                "json",
                r#"[{"op":"replace","path":"/metadata/labels/p","value":"3"}]"#,
                "3",
            ),
        ] {
            same(
                &kubectl.good(&format!("patch pod web --type={kind} -p {patch}"))?,
                "pod/web patched\n",
            )?;
            same(&label()?, wanted)?;
        }
        let image = r#"{"spec":{"containers":[{"name":"main","image":"localhost/host"}]}}"#;
        kubectl.good(&format!("patch pod web -p {image}"))?;
        same(
            &kubectl.good("get pod web -o jsonpath={.spec.containers[*].name}")?,
            "main",
        )?;
        kubectl.refused(
            r#"patch pod web -p {"metadata":{"resourceVersion":"1","labels":{"p":"9"}}}"#,
            &[
                "Conflict",
                "the object has been modified; please apply your changes to the latest version",
            ],
        )?;
        kubectl.refused(
            r#"patch pod web --type=json -p [{"op":"test","path":"/metadata/labels/p","value":"8"}]"#,
            &["The request is invalid"],
        )?;
        kubectl.good("label pod web p=4 --overwrite")?;
        kubectl.refused("label pod web p=5", &["--overwrite is false"])?;
        kubectl.good("annotate pod web note=x")?;
        kubectl.good("label pod web p-")?;
        same(&label()?, "")
    })
}

fn an_editor_changes_a_pod(world: &World) -> Verdict {
    with_web(world, |_, kubectl| {
        let said = runtime_tests::daemon::spoken(
            kubectl
                .command(&["edit", "pod", "web"])
                .env("KUBE_EDITOR", "sed -i s/app:.web$/app:\\ edited/"),
            None,
        )?;
        same(&said.ended(0)?, "pod/web edited\n")?;
        same(
            &kubectl.good("get pod web -o jsonpath={.metadata.labels.app}")?,
            "edited",
        )
    })
}

fn a_container_is_resized_in_place(world: &World) -> Verdict {
    with_web(world, |daemon, kubectl| {
        let patch = r#"{"spec":{"containers":[{"name":"main","resources":{"requests":{"cpu":"20m"},"limits":{"memory":"250Mi"}}}]}}"#;
        kubectl.good(&format!("patch pod web --subresource=resize -p {patch}"))?;
        let pod = daemon.until_pod("web", "the new limit", |pod| {
            pod["status"]["containerStatuses"][0]["resources"]["limits"]["memory"] == "250Mi"
        })?;
        let main = &pod["status"]["containerStatuses"][0];
        ensure!(
            main["restartCount"] == 0 && main["resources"]["requests"]["cpu"] == "20m",
            "{main:#}"
        );
        // The kernel knows it: a gibibyte does not fit.
        let limits: Vec<_> = runtime_tests::stage::cgroup_folders(&world_cgroup()?)
            .into_iter()
            .flat_map(|folder| {
                ["memory.limit_in_bytes", "memory.max"].map(|file| folder.join(file))
            })
            .filter_map(|file| std::fs::read_to_string(file).ok())
            .collect();
        ensure!(
            limits
                .iter()
                .any(|limit| limit.trim() == (250 << 20).to_string()),
            "{limits:?}"
        );
        kubectl.refused(
            r#"patch pod web --subresource=resize -p {"spec":{"containers":[{"name":"main","resources":{"limits":{"memory":"lots"}}}]}}"#,
            &["lots"],
        )
    })
}

fn world_cgroup() -> Result<String, runtime_tests::Failure> {
    Ok(std::env::var("OUTRIGGER_CGROUP")?)
}

fn configmaps_and_secrets_are_created_and_deleted(world: &World) -> Verdict {
    with_web(world, |_, kubectl| {
        same(
            &kubectl.good("create configmap c --from-literal=a=b")?,
            "configmap/c created\n",
        )?;
        same(
            &kubectl.good("create secret generic s --from-literal=p=word")?,
            "secret/s created\n",
        )?;
        in_order(
            &kubectl.good("describe cm c")?,
            &["Data\n====\na:\n----\nb"],
        )?;
        in_order(
            &kubectl.good("describe secret s")?,
            &["Type:  Opaque", "p:  4 bytes"],
        )?;
        same(
            &kubectl.good("get secret s -o jsonpath={.data.p}")?,
            "d29yZA==",
        )?;
        same(&kubectl.good("delete cm c")?, "configmap \"c\" deleted\n")?;
        same(&kubectl.good("delete secret s")?, "secret \"s\" deleted\n")?;
        same(
            &kubectl.good("create namespace other")?,
            "namespace/other created\n",
        )?;
        let there = WEB.replace("name: web", "name: web, namespace: other");
        kubectl.apply(&there)?;
        kubectl.good("wait --for=condition=Ready pod/web -n other --timeout=20s")?;
        same(
            &kubectl.good("delete namespace other")?,
            "namespace \"other\" deleted\n",
        )?;
        same(&kubectl.good("get pods -A -o name")?, "pod/web\n")
    })
}

fn what_wants_a_controller_is_refused_clearly(world: &World) -> Verdict {
    with_web(world, |_, kubectl| {
        let ours = "Outrigger runs Pods on one machine and has no controllers";
        kubectl.refused("create deployment x --image=x", &[ours])?;
        kubectl.refused("expose pod web --port=80", &[ours])?;
        kubectl.refused("get deployments", &[ours])?;
        for manifest in [
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: {replicas: 2}\n",
            "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {ports: [{port: 80}]}\n",
            "apiVersion: batch/v1\nkind: Job\nmetadata: {name: x}\nspec: {}\n",
        ] {
            let said = kubectl.with_stdin(&["apply", "-f", "-"], manifest)?;
            ensure!(said.code == 1, "{}", said.shown());
            said.says(ours)?;
        }
        same(&kubectl.good("get all -o name")?, "pod/web\n")
    })
}
