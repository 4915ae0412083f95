//! What can still be done when there is no room below `--root`, or when it is read-only?

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statvfs::statvfs;
use runtime_tests::daemon::{Daemon, spoken, until};
use runtime_tests::{Failure, Verdict, World, ensure, run, tests};
use serde_json::{Value, json};

fn main() -> ExitCode {
    run(tests![
        on_a_full_disk_what_is_there_can_be_deleted,
        whoever_fills_the_disk_can_be_deleted,
        on_a_read_only_disk_pods_go_on,
    ])
}

const PODS: &str = "/api/v1/namespaces/default/pods";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const STAYS: &str = "trap 'exit 0' TERM; while :; do sleep 0.1 & wait $!; done";

fn pod(name: &str, script: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [
            {"name": "main", "image": "host:/", "command": ["sh", "-c", script]}]}})
}

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": "x".repeat(3000)}})
}

fn create(daemon: &Daemon, path: &str, object: &Value) -> Verdict {
    let (code, answer) = daemon.ask("POST", path, &object.to_string())?;
    ensure!(code == 201, "{code} {answer}");
    Ok(())
}

fn runs(daemon: &Daemon, name: &str) -> Result<Value, Failure> {
    daemon.until_pod(name, "runs", |pod| {
        pod["status"]["containerStatuses"][0]["ready"] == true
    })
}

/// A disk of its own for `--root`, as small as no disk is.
fn small_disk(world: &World) -> Verdict {
    std::fs::create_dir(&world.root)?;
    let options = Some("size=24m,mode=0700");
    Ok(mount(
        Some("tmpfs"),
        &world.root,
        Some("tmpfs"),
        MsFlags::empty(),
        options,
    )?)
}

fn take_away(world: &World) -> Verdict {
    umount2(&world.root, MntFlags::empty())?;
    Ok(std::fs::remove_dir(&world.root)?)
}

fn is_full(root: &Path) -> Result<bool, Failure> {
    Ok(statvfs(root)?.blocks_available() == 0)
}

fn fill(root: &Path) -> Verdict {
    let mut file = std::fs::File::options()
        .create(true)
        .append(true)
        .open(root.join("filler"))?;
    while file.write(&[0; 4096]).is_ok() {}
    ensure!(is_full(root)?, "there is room in {}", root.display());
    Ok(())
}

fn deleted(daemon: &Daemon, path: &str) -> Verdict {
    let (code, answer) = daemon.ask("DELETE", path, "")?;
    ensure!(
        code == 200,
        "{path}: {code} {answer}\n{}",
        daemon.log_text()
    );
    let mut last = Value::Null;
    let gone = until(20.0, || {
        let (code, object) = daemon.ask("GET", path, "")?;
        last = object;
        Ok(code == 404)
    })?;
    ensure!(gone, "{path} is still there: {last}\n{}", daemon.log_text());
    Ok(())
}

/// Fills the disk, and asks for objects until there is no room for one in what the store has already.
fn until_refused(daemon: &Daemon) -> Result<(u16, Value), Failure> {
    let (mut last, mut number) = ((0, Value::Null), 0);
    let refused = until(30.0, || {
        fill(&daemon.root)?;
        number += 1;
        let mut large = map(&format!("large-{number}"));
        large["data"]["key"] = "x".repeat(500_000).into();
        last = daemon.ask("POST", MAPS, &large.to_string())?;
        Ok(last.0 != 201)
    })?;
    ensure!(refused, "{number} objects were taken");
    Ok(last)
}

fn on_a_full_disk_what_is_there_can_be_deleted(world: &World) -> Verdict {
    small_disk(world)?;
    let mut daemon = Daemon::start(world)?;
    for name in ["one", "two", "three"] {
        create(&daemon, PODS, &pod(name, STAYS))?;
        runs(&daemon, name)?;
        create(&daemon, MAPS, &map(name))?;
    }
    let (code, answer) = until_refused(&daemon)?;
    let message = answer["message"].as_str().unwrap_or_default();
    ensure!(
        code == 507 && message.contains("make room"),
        "{code} {answer}"
    );
    let (code, answer) = daemon.ask("GET", "/readyz", "")?;
    ensure!(
        code != 200 && answer.to_string().contains("is full"),
        "{code} {answer}"
    );
    deleted(&daemon, &format!("{MAPS}/one"))?;
    deleted(&daemon, &format!("{PODS}/one"))?;
    // So it is for the next daemon, on a disk that is filled again.
    daemon.kill()?;
    fill(&daemon.root)?;
    daemon.up()?;
    let two = runs(&daemon, "two")?;
    ensure!(
        two["status"]["containerStatuses"][0]["restartCount"] == 0,
        "{two}"
    );
    deleted(&daemon, &format!("{MAPS}/two"))?;
    deleted(&daemon, &format!("{PODS}/two"))?;
    std::fs::remove_file(daemon.root.join("filler"))?;
    // With room there is a reserve again, as soon as something is written.
    let whole = until(10.0, || {
        create(&daemon, MAPS, &map("fresh"))?;
        deleted(&daemon, &format!("{MAPS}/fresh"))?;
        Ok(std::fs::metadata(daemon.root.join("reserve"))?.blocks() * 512 >= 4 << 20)
    })?;
    ensure!(whole, "no room is kept");
    create(&daemon, PODS, &pod("more", STAYS))?;
    runs(&daemon, "more")?;
    daemon.finish()?;
    take_away(world)
}

fn whoever_fills_the_disk_can_be_deleted(world: &World) -> Verdict {
    small_disk(world)?;
    let daemon = Daemon::start(world)?;
    let greedy = "trap 'exit 0' TERM; while :; do cat /dev/zero >> /fill; done 2>/dev/null";
    create(&daemon, PODS, &pod("greedy", greedy))?;
    let full = until(20.0, || is_full(&daemon.root))?;
    ensure!(full, "the Pod has not filled the disk");
    deleted(&daemon, &format!("{PODS}/greedy"))?;
    ensure!(!is_full(&daemon.root)?, "what the Pod wrote is still there");
    daemon.finish()?;
    take_away(world)
}

/// Puts the same tree over a folder, to be read only.
fn make_read_only(folder: &Path) -> Verdict {
    let none = None::<&str>;
    mount(Some(folder), folder, none, MsFlags::MS_BIND, none)?;
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    Ok(mount(none, folder, none, flags, none)?)
}

fn on_a_read_only_disk_pods_go_on(world: &World) -> Verdict {
    small_disk(world)?;
    let mut daemon = Daemon::start(world)?;
    create(&daemon, PODS, &pod("web", STAYS))?;
    let before = runs(&daemon, "web")?;
    make_read_only(&daemon.root)?;
    let (code, answer) = daemon.ask("GET", "/readyz", "")?;
    ensure!(
        code != 200 && answer.to_string().contains("read-only"),
        "{code} {answer}"
    );
    let exec = ["exec", "web", "--", "echo", "in"];
    let said = spoken(&mut daemon.outrigger(&exec), None)?.ended(0)?;
    ensure!(said == "in\n", "{said}");
    // What needs a place below it says so, and waits.
    create(&daemon, PODS, &pod("more", STAYS))?;
    let events = || -> Result<String, Failure> {
        Ok(daemon
            .ask("GET", "/api/v1/namespaces/default/events", "")?
            .1
            .to_string())
    };
    let told = until(20.0, || Ok(events()?.contains("Read-only file system")))?;
    ensure!(told, "{}", events()?);
    // It goes on when it is writable again, and so does what did not wait.
    umount2(&daemon.root, MntFlags::empty())?;
    let more = runs(&daemon, "more")?;
    let uid = more["metadata"]["uid"].as_str().unwrap_or_default();
    let record = daemon.root.join("lives").join(format!("{uid}.jsonl"));
    let recorded = until(20.0, || Ok(record.exists()))?;
    ensure!(recorded, "it has no record: {}", daemon.log_text());
    make_read_only(&daemon.root)?;
    // No daemon starts there, and says why; the Pods do not mind.
    daemon.kill()?;
    let kubeconfig = world.work.join("other").display().to_string();
    let start = ["daemon", "--kubeconfig", &kubeconfig];
    let said = spoken(&mut daemon.outrigger(&start), None)?;
    ensure!(said.code == 1, "{}", said.shown());
    said.says("Read-only file system")?;
    umount2(&daemon.root, MntFlags::empty())?;
    daemon.up()?;
    let after = runs(&daemon, "web")?;
    let main = |pod: &Value| pod["status"]["containerStatuses"][0].clone();
    ensure!(main(&after) == main(&before), "{after}\n{before}");
    runs(&daemon, "more")?;
    daemon.finish()?;
    take_away(world)
}
