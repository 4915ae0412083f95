//! Can the clients of two other languages create, watch, reach into and delete a Pod?

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use futures_util::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{
    Api, AttachParams, DeleteParams, ListParams, LogParams, PostParams, WatchEvent, WatchParams,
};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use runtime_tests::daemon::{Daemon, spoken};
use runtime_tests::{Failure, Verdict, World, ensure, failed, repository, run, tests};
use tokio::io::AsyncReadExt;

fn main() -> ExitCode {
    run(tests![
        kube_creates_watches_execs_and_deletes,
        the_python_client_creates_watches_execs_and_deletes,
    ])
}

fn kube_creates_watches_execs_and_deletes(world: &World) -> Verdict {
    let daemon = Daemon::start(world)?;
    let kubeconfig = Kubeconfig::read_from(&daemon.kubeconfig)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let limit = runtime_tests::at_most_s(60.0);
    runtime.block_on(async {
        tokio::time::timeout(limit, with_kube(kubeconfig))
            .await
            .map_err(|_| failed("it took too long"))?
    })?;
    drop(runtime);
    daemon.finish()
}

async fn with_kube(kubeconfig: Kubeconfig) -> Verdict {
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    let client = kube::Client::try_from(config)?;
    let pods: Api<Pod> = Api::default_namespaced(client);
    let pod: Pod = serde_json::from_value(serde_json::json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "crab" },
        "spec": { "terminationGracePeriodSeconds": 1, "containers": [{
            "name": "main", "image": "host:/", "command": ["sh", "-c", "echo hello; exec sleep 1000"],
        }]},
    }))?;
    let version = pods
        .list(&ListParams::default())
        .await?
        .metadata
        .resource_version;
    let mut watch = pods
        .watch(&WatchParams::default(), version.as_deref().unwrap_or("0"))
        .await?
        .boxed();
    pods.create(&PostParams::default(), &pod).await?;
    let again = pods.create(&PostParams::default(), &pod).await;
    ensure!(
        matches!(&again, Err(kube::Error::Api(status)) if status.code == 409),
        "{again:?}"
    );
    until(
        &mut watch,
        |event| matches!(event, WatchEvent::Modified(pod) if phase(pod) == "Running"),
    )
    .await?;
    let parameters = AttachParams::default().stdin(false).stderr(false);
    let mut process = pods
        .exec("crab", ["sh", "-c", "echo out; exit 3"], &parameters)
        .await?;
    let mut text = String::new();
    let mut out = process.stdout().ok_or_else(|| failed("no output"))?;
    out.read_to_string(&mut text).await?;
    let status = process
        .take_status()
        .ok_or_else(|| failed("no status"))?
        .await;
    process.join().await?;
    let status = format!("{status:?}");
    ensure!(
        text == "out\n" && status.contains("NonZeroExitCode") && status.contains("\"3\""),
        "{text:?} {status}"
    );
    let log = pods.logs("crab", &LogParams::default()).await?;
    ensure!(log == "hello\n", "{log:?}");
    pods.delete("crab", &DeleteParams::default()).await?;
    until(&mut watch, |event| matches!(event, WatchEvent::Deleted(_))).await?;
    ensure!(pods.get_opt("crab").await?.is_none(), "it is still there");
    Ok(())
}

fn phase(pod: &Pod) -> &str {
    let status = pod.status.as_ref();
    status
        .and_then(|status| status.phase.as_deref())
        .unwrap_or_default()
}

async fn until(
    watch: &mut (impl futures_util::Stream<Item = kube::Result<WatchEvent<Pod>>> + Unpin),
    holds: impl Fn(&WatchEvent<Pod>) -> bool,
) -> Verdict {
    while let Some(event) = watch.try_next().await? {
        if holds(&event) {
            return Ok(());
        }
    }
    Err(failed("the watch ended before"))
}

/// The interpreter with the package `kubernetes`, as `scripts/test` makes it.
fn python() -> Result<PathBuf, Failure> {
    let found = std::env::var_os("OUTRIGGER_PYTHON").map(PathBuf::from);
    let found = found.unwrap_or_else(|| repository().join("target/python/bin/python"));
    if found.exists() {
        return Ok(found);
    }
    Err(Failure::Skipped(format!(
        "there is no {} with the package kubernetes: scripts/test makes it",
        found.display()
    )))
}

fn the_python_client_creates_watches_execs_and_deletes(world: &World) -> Verdict {
    let python = python()?;
    let daemon = Daemon::start(world)?;
    let said = spoken(
        Command::new(python)
            .args(["-c", include_str!("clients.py")])
            .env("KUBECONFIG", &daemon.kubeconfig)
            .env("HOME", world.work.join("home"))
            .current_dir(&world.work),
        None,
    )?;
    ensure!(
        said.code == 0 && said.out.ends_with("all is well\n"),
        "{}\n{}",
        said.shown(),
        daemon.log_text()
    );
    daemon.finish()
}
