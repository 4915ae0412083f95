//! Which Pods come back after the machine was booted anew, and as what? The boot is one as far as the daemon can
//! see: all processes are gone, the state directory is empty, and the machine says another boot id.

use std::path::Path;
use std::process::ExitCode;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runtime_tests::daemon::{Daemon, until};
use runtime_tests::stories::Telling;
use runtime_tests::{Failure, Verdict, World, ensure, run, status, tests};
use serde_json::{Value, json};

fn main() -> ExitCode {
    run(tests![
        pods_come_back_as_the_kubelet_brings_them,
        a_pod_that_was_being_deleted_does_not_come_back,
        two_boots_in_a_row_lose_nothing,
    ])
}

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const PODS: &str = "/api/v1/namespaces/default/pods";

/// Ends the daemon and all that it has started, and boots.
fn boot(world: &World, daemon: &mut Daemon, number: usize) -> Verdict {
    daemon.kill()?;
    let own = std::process::id();
    let mut pods_gone = || -> Result<bool, Failure> {
        let mut left = 0;
        for entry in std::fs::read_dir("/proc")?.flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
                continue;
            };
            // The first is the one that reaps; this namespace has nobody else's processes.
            if pid == 1 || pid == own {
                continue;
            }
            left += 1;
            // One that is gone meanwhile is what we want.
            kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGKILL).ok();
        }
        Ok(left == 0)
    };
    ensure!(until(10.0, &mut pods_gone)?, "processes do not end");
    let mounted = runtime_tests::leaks::mounts()?;
    ensure!(
        !mounted
            .iter()
            .any(|mount| mount.path.starts_with(&daemon.state)),
        "something is mounted in the state directory"
    );
    std::fs::remove_dir_all(&daemon.state)?;
    end_of_boot()?;
    let fake = world.file(&format!("boot{number}"), &format!("boot-{number}\n"))?;
    let over = Path::new(BOOT_ID);
    mount(
        Some(&fake),
        over,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )?;
    // A boot leaves no cgroups.
    let folders = runtime_tests::stage::cgroup_folders(&world.cgroup);
    for folder in &folders {
        let removed = until(5.0, || match std::fs::remove_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
            removed => Ok(removed.is_ok()),
        })?;
        ensure!(removed, "{} is in use", folder.display());
    }
    daemon.up()
}

/// Takes an earlier boot's id away.
fn end_of_boot() -> Verdict {
    let faked = runtime_tests::leaks::mounts()?;
    if faked.iter().any(|mount| mount.path == Path::new(BOOT_ID)) {
        umount2(BOOT_ID, MntFlags::empty())?;
    }
    Ok(())
}

const TELLS: &str =
    "say() { read -r now rest </proc/uptime; echo \"$now $*\" >>/told/file; echo \"$*\"; }; ";

fn container(name: &str, script: &str) -> Value {
    json!({"name": name, "image": "host:/", "command": ["sh", "-c", format!("{TELLS}{script}")],
        "volumeMounts": [{"name": "told", "mountPath": "/told"}]})
}

fn create(daemon: &Daemon, world: &World, name: &str, mut spec: Value) -> Verdict {
    spec["volumes"] = json!([{"name": "told", "hostPath": {"path": world.work}}]);
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec});
    let (code, answer) = daemon.ask("POST", PODS, &pod.to_string())?;
    ensure!(code == 201, "{code} {answer}");
    Ok(())
}

const STAYS: &str = "trap 'exit 0' TERM; while :; do sleep 0.2 & wait $!; done";

fn runs(pod: &Value) -> bool {
    let main = &pod["status"]["containerStatuses"][0];
    !main["state"]["running"].is_null()
}

fn lines(telling: &Telling) -> Vec<String> {
    telling.lines().into_iter().map(|line| line.what).collect()
}

/// A Pod of two inits and a main that stays.
fn server() -> Value {
    json!({"initContainers": [container("a", "say a"), container("b", "say b")],
        "containers": [container("main", &format!("say main; {STAYS}"))]})
}

fn pods_come_back_as_the_kubelet_brings_them(world: &World) -> Verdict {
    let mut daemon = Daemon::start(world)?;
    let telling = Telling::begin(&world.work, "file")?;
    create(&daemon, world, "server", server())?;
    let before = daemon.until_pod("server", "runs", runs)?;
    let finished = json!({"restartPolicy": "Never", "containers": [container("main", "exit 3")]});
    create(&daemon, world, "finished", finished)?;
    let failed = daemon.until_pod("finished", "ends", |pod| pod["status"]["phase"] == "Failed")?;
    let never = json!({"restartPolicy": "Never", "containers": [container("main", STAYS)]});
    create(&daemon, world, "never", never)?;
    daemon.until_pod("never", "runs", runs)?;

    boot(world, &mut daemon, 1)?;
    let after = daemon.until_pod("server", "runs again", |pod| {
        runs(pod) && pod["status"]["containerStatuses"][0]["restartCount"] == 1
    })?;
    ensure!(
        lines(&telling) == ["a", "b", "main", "a", "b", "main"],
        "{:?}",
        lines(&telling)
    );
    ensure!(
        before["metadata"]["uid"] == after["metadata"]["uid"],
        "it is another Pod"
    );
    let same = daemon.pod("finished")?;
    ensure!(
        failed["status"] == same["status"],
        "{:#} was {:#}",
        same["status"],
        failed["status"]
    );
    let lost = daemon.until_pod("never", "fails", |pod| pod["status"]["phase"] == "Failed")?;
    ensure!(
        status::containers(&lost).join("").contains("137"),
        "{:#}",
        lost["status"]
    );
    logs_of_both_boots(&daemon, &after)?;
    end_of_boot()?;
    daemon.finish()
}

fn logs_of_both_boots(daemon: &Daemon, pod: &Value) -> Verdict {
    let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
    let folder = daemon.logs.join(format!("default_server_{uid}"));
    for container in ["a", "b", "main"] {
        for number in 0..2 {
            let path = folder.join(format!("{container}/{number}.log"));
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            ensure!(
                text.lines().count() == 1 && text.ends_with(&format!(" {container}\n")),
                "{}: {text:?}",
                path.display()
            );
        }
    }
    Ok(())
}

fn a_pod_that_was_being_deleted_does_not_come_back(world: &World) -> Verdict {
    let mut daemon = Daemon::start(world)?;
    let telling = Telling::begin(&world.work, "file")?;
    let deaf = "say main; trap '' TERM; while :; do sleep 0.2; done";
    let spec =
        json!({"terminationGracePeriodSeconds": 100, "containers": [container("main", deaf)]});
    create(&daemon, world, "deaf", spec)?;
    daemon.until_pod("deaf", "runs", runs)?;
    let (code, answer) = daemon.ask("DELETE", &format!("{PODS}/deaf"), "")?;
    ensure!(code == 200, "{code} {answer}");
    boot(world, &mut daemon, 1)?;
    daemon.until_pod("deaf", "is gone", Value::is_null)?;
    ensure!(lines(&telling) == ["main"], "{:?}", lines(&telling));
    end_of_boot()?;
    daemon.finish()
}

fn two_boots_in_a_row_lose_nothing(world: &World) -> Verdict {
    let mut daemon = Daemon::start(world)?;
    let telling = Telling::begin(&world.work, "file")?;
    create(&daemon, world, "server", server())?;
    daemon.until_pod("server", "runs", runs)?;
    for number in 1..=2 {
        boot(world, &mut daemon, number)?;
        daemon.until_pod("server", "runs again", |pod| {
            runs(pod) && pod["status"]["containerStatuses"][0]["restartCount"] == number
        })?;
    }
    ensure!(
        lines(&telling) == ["a", "b", "main"].repeat(3),
        "{:?}",
        lines(&telling)
    );
    end_of_boot()?;
    daemon.finish()
}
