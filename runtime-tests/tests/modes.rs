//! Can anybody but root reach what is ours, and can a stranger keep the daemon or a Pod from going on?

use std::io::Write;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use runtime_tests::daemon::{Daemon, spoken};
use runtime_tests::{Failure, Verdict, World, ensure, run, tests};

fn main() -> ExitCode {
    run(tests![
        a_stranger_reaches_nothing_of_a_rich_life,
        a_run_is_as_closed_as_a_daemon,
        what_an_older_version_left_open_is_closed,
        a_stranger_can_lock_nothing,
        what_belongs_to_the_machine_is_not_closed,
    ])
}

/// Nobody, as he is on every machine.
const STRANGER: u32 = 65534;

/// An image with the machine's programs, without a program of its own.
const IMAGE: &str = r#"
set -e
mkdir -p tree/usr tree/etc
ln -s usr/bin tree/bin; ln -s usr/lib tree/lib; ln -s usr/lib64 tree/lib64
tar -C tree -cf layer.tar .
sum=$(sha256sum layer.tar | cut -d' ' -f1)
printf '{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$sum" > config.json
printf '[{"Config":"config.json","RepoTags":["example.org/try:1"],"Layers":["layer.tar"]}]' > manifest.json
tar -cf image.tar manifest.json config.json layer.tar
"#;

/// A Pod whose user is nobody has all that Pods have, and uses it; another one is over.
const RICH: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {key: plain}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {token: hidden}
---
apiVersion: v1
kind: Pod
metadata: {name: rich}
spec:
  terminationGracePeriodSeconds: 1
  securityContext: {runAsUser: 65534, runAsGroup: 65534}
  volumes:
  - {name: disk, emptyDir: {}}
  - {name: memory, emptyDir: {medium: Memory}}
  - {name: settings, configMap: {name: settings}}
  - {name: keys, secret: {secretName: keys}}
  - {name: usr, hostPath: {path: /usr}}
  containers:
  - name: main
    image: IMAGE
    imagePullPolicy: IfNotPresent
    command: [sh, -c, "cat /settings/key /keys/token /etc/hosts > /disk/all && cp /disk/all /memory/all &&
      echo words > /dev/termination-log && echo done; trap 'exit 0' TERM; while :; do sleep 0.1 & wait $!; done"]
    readinessProbe: {exec: {command: [grep, -q, hidden, /memory/all]}, periodSeconds: 1}
    volumeMounts:
    - {name: disk, mountPath: /disk}
    - {name: memory, mountPath: /memory}
    - {name: settings, mountPath: /settings}
    - {name: keys, mountPath: /keys}
    - {name: usr, mountPath: /usr, readOnly: true}
---
apiVersion: v1
kind: Pod
metadata: {name: over}
spec:
  restartPolicy: Never
  containers:
  - {name: main, image: "host:/", command: [sh, -c, "echo over"]}
"#;

/// A daemon whose every file would be everybody's, if it were up to its umask.
fn careless(world: &World) -> Result<Daemon, Failure> {
    let mut daemon = Daemon::prepared(world)?;
    let before = ["sh", "-c", "umask 0; exec \"$@\"", "sh"];
    daemon.before = before.map(str::to_owned).to_vec();
    daemon.up()?;
    Ok(daemon)
}

fn live_richly(daemon: &Daemon, world: &World, image: &str) -> Verdict {
    if image != "host:/" {
        spoken(
            Command::new("sh")
                .args(["-c", IMAGE])
                .current_dir(&world.work),
            None,
        )?
        .ended(0)?;
        spoken(&mut daemon.outrigger(&["image", "load", "image.tar"]), None)?.ended(0)?;
    }
    daemon.apply(&RICH.replace("IMAGE", image))?;
    daemon.until_pod("rich", "readiness", |pod| {
        pod["status"]["containerStatuses"][0]["ready"] == true
    })?;
    daemon.until_pod("over", "its end", |pod| {
        pod["status"]["phase"] == "Succeeded"
    })?;
    let exec = ["exec", "rich", "--", "cat", "/keys/token"];
    let said = spoken(&mut daemon.outrigger(&exec), None)?.ended(0)?;
    ensure!(said == "hidden", "{said}");
    Ok(())
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) -> Verdict {
    let entries = match std::fs::read_dir(folder) {
        // What lives changes while it is looked at.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        found.push(entry.path());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            below(&entry.path(), found)?;
        }
    }
    Ok(())
}

/// Everything in these folders, as root sees it.
fn all(folders: &[&Path]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for folder in folders {
        below(folder, &mut found)?;
    }
    Ok(found)
}

/// Which of these paths a stranger reaches at all, were it only to see that they are there.
fn reached(paths: &[PathBuf]) -> Result<String, Failure> {
    let script = "while IFS= read -r path; do if [ -e \"$path\" ] || [ -L \"$path\" ]; then echo \"$path\"; fi; done";
    let mut stranger = Command::new("sh")
        .args(["-c", script])
        .uid(STRANGER)
        .gid(STRANGER)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let lines: String = paths
        .iter()
        .map(|path| format!("{}\n", path.display()))
        .collect();
    let mut stdin = stranger.stdin.take();
    let feeding =
        std::thread::spawn(move || stdin.as_mut().map(|pipe| pipe.write_all(lines.as_bytes())));
    let output = stranger.wait_with_output()?;
    ensure!(
        output.status.success(),
        "the stranger ended with {}",
        output.status
    );
    ensure!(
        matches!(feeding.join(), Ok(Some(Ok(())))),
        "the paths were not read"
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Files that containers see as well, by a mount, have the modes that those want.
fn is_lent(path: &Path) -> bool {
    let lent = ["layers", "volumes", "termination", "files", "shm"];
    path.iter()
        .any(|part| lent.iter().any(|each| part == *each))
}

fn is_closed(root: &Path, state: &Path) -> Verdict {
    let paths = all(&[root, state])?;
    let seen = reached(&paths)?;
    ensure!(seen.is_empty(), "a stranger reaches\n{seen}");
    for folder in [root, state] {
        let mode = std::fs::metadata(folder)?.permissions().mode();
        ensure!(mode & 0o7777 == 0o700, "{}: {mode:o}", folder.display());
    }
    let mut looked_at = 0;
    for path in paths.iter().filter(|path| !is_lent(path)) {
        let Ok(found) = path.symlink_metadata() else {
            continue;
        };
        let kind = found.file_type();
        let mode = found.permissions().mode();
        if kind.is_file() || kind.is_socket() {
            looked_at += 1;
            ensure!(mode & 0o077 == 0, "{}: {mode:o}", path.display());
        }
        let is_pods = path.parent().is_some_and(|above| above.ends_with("pods"));
        if kind.is_dir() && is_pods {
            ensure!(mode & 0o7777 == 0o700, "{}: {mode:o}", path.display());
        }
    }
    ensure!(looked_at > 0, "there is nothing in {paths:?}");
    Ok(())
}

fn a_stranger_reaches_nothing_of_a_rich_life(world: &World) -> Verdict {
    let mut daemon = careless(world)?;
    live_richly(&daemon, world, "example.org/try:1")?;
    is_closed(&daemon.root, &daemon.state)?;
    // Logs are as readable as a kubelet's.
    let logs = std::fs::metadata(&daemon.logs)?.permissions().mode();
    ensure!(logs & 0o7777 == 0o755, "{logs:o}");
    daemon.kill()?;
    daemon.up()?;
    is_closed(&daemon.root, &daemon.state)?;
    let images = daemon.root.join("images");
    ensure!(images.join("names.json").exists(), "no image was kept");
    daemon.finish()?;
    // Images outlive Pods; the leak check is not to take these for something left behind.
    std::fs::rename(&images, world.work.join("store"))?;
    Ok(std::fs::remove_dir(&world.root)?)
}

fn a_run_is_as_closed_as_a_daemon(world: &World) -> Verdict {
    let pod = runtime_tests::pod_of("", "echo up; while [ ! -e /run/outrigger-test/work/go ]; do sleep 0.05; done")
        .replace("    image: host:/\n", "    image: host:/\n    volumeMounts: [{name: work, mountPath: /run/outrigger-test/work}]\n")
        .replace("  containers:\n", "  volumes: [{name: work, hostPath: {path: /run/outrigger-test/work}}]\n  containers:\n");
    let running = world.run_pod(&pod, &[])?;
    running.wait_until("it runs", |lines| {
        lines.iter().any(|line| line.text == "main | up")
    })?;
    is_closed(&world.root, &world.state)?;
    world.file("go", "")?;
    running.finish()?.ended_with(0)?;
    Ok(())
}

fn what_an_older_version_left_open_is_closed(world: &World) -> Verdict {
    let mut daemon = Daemon::start(world)?;
    live_richly(&daemon, world, "host:/")?;
    daemon.stop()?;
    let set = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode));
    for path in all(&[&daemon.root, &daemon.state])? {
        let opened = ["lock", "jsonl", "1", "json"];
        if path
            .extension()
            .is_some_and(|ending| opened.iter().any(|each| ending == *each))
        {
            set(&path, 0o644)?;
        }
    }
    for folder in [
        &daemon.root,
        &daemon.state,
        &daemon.root.join("pods"),
        &daemon.state.join("pods"),
    ] {
        set(folder, 0o711)?;
    }
    daemon.up()?;
    let seen = reached(&all(&[&daemon.root, &daemon.state])?)?;
    ensure!(seen.is_empty(), "a stranger reaches\n{seen}");
    for path in all(&[&daemon.root, &daemon.state])? {
        let mode = path.symlink_metadata()?.permissions().mode();
        let is_lock = path
            .extension()
            .is_some_and(|ending| ending == "lock" || ending == "jsonl");
        ensure!(
            !is_lock || mode & 0o077 == 0,
            "{}: {mode:o}",
            path.display()
        );
    }
    daemon.finish()
}

fn a_stranger_can_lock_nothing(world: &World) -> Verdict {
    let mut daemon = Daemon::start(world)?;
    live_richly(&daemon, world, "host:/")?;
    daemon.stop()?;
    let mut strangers = Vec::new();
    for path in all(&[&daemon.root, &daemon.state])? {
        if !path.symlink_metadata()?.file_type().is_file() {
            continue;
        }
        let stranger = Command::new("flock")
            .arg("--nonblock")
            .arg(&path)
            .args(["sh", "-c", "echo held; exec sleep 1000"])
            .uid(STRANGER)
            .gid(STRANGER)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        strangers.push((path, stranger));
    }
    let mut held = Vec::new();
    for (path, stranger) in &mut strangers {
        let mut said = [0; 1];
        // It says that it has the lock, or ends.
        let count = stranger
            .stdout
            .as_mut()
            .map(|pipe| std::io::Read::read(pipe, &mut said));
        if matches!(count, Some(Ok(1))) {
            held.push(path.clone());
        }
    }
    let up = daemon.up();
    for (_, mut stranger) in strangers {
        stranger.kill()?;
        stranger.wait()?;
    }
    ensure!(
        held.is_empty(),
        "a stranger has locked {held:?}; then: {up:?}"
    );
    up?;
    daemon.finish()
}

fn what_belongs_to_the_machine_is_not_closed(world: &World) -> Verdict {
    let mode = |path: &str| std::fs::metadata(path).map(|found| found.permissions().mode());
    let before = (mode("/tmp")?, mode("/run")?);
    let manifest = world.file("pod.yaml", &runtime_tests::pod_of("", "true"))?;
    let manifest = manifest.display().to_string();
    let mut daemon = Daemon::prepared(world)?;
    let free = (daemon.root.clone(), daemon.state.clone());
    for (root, state) in [(Path::new("/tmp"), &*free.1), (&*free.0, Path::new("/run"))] {
        (daemon.root, daemon.state) = (root.to_owned(), state.to_owned());
        for words in [&["daemon"][..], &["run", &manifest]] {
            let said = spoken(&mut daemon.outrigger(words), None)?;
            ensure!(said.code != 0, "{}", said.shown());
            said.says("belongs to the whole machine")?;
        }
    }
    ensure!((mode("/tmp")?, mode("/run")?) == before, "they were closed");
    Ok(())
}
