//! A daemon with a Pod that runs and one that has finished, and what must be so after each fault.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use runtime_tests::daemon::Daemon;
use runtime_tests::{Failure, Verdict, World, ensure, failed};
use serde_json::{Value, json};

use crate::fault::{Fault, aside};
use crate::table;

const PODS: &str = "/api/v1/namespaces/default/pods";
/// What the container sleeps for, by which its process is known.
const SLEEP_S: &str = "86417";

/// An archive with an image of one empty layer.
const ARCHIVE: &str = r#"
import hashlib, io, json, sys, tarfile
def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w') as made:
        for name, data in files:
            info = tarfile.TarInfo(name); info.size = len(data)
            if data == b'dir': info.type, info.size, info.mode = tarfile.DIRTYPE, 0, 0o755
            made.addfile(info, io.BytesIO(data) if info.size else None)
    return out.getvalue()
layer = tar([(name, b'dir') for name in ('usr', 'bin', 'lib', 'lib64', 'etc', 'tmp')])
config = json.dumps({'architecture': 'amd64', 'os': 'linux', 'config': {}, 'rootfs': {'type': 'layers',
    'diff_ids': ['sha256:' + hashlib.sha256(layer).hexdigest()]}}).encode()
manifest = json.dumps([{'Config': 'config.json', 'RepoTags': ['tiny:1'], 'Layers': ['layer.tar']}]).encode()
open(sys.argv[1], 'wb').write(tar([('manifest.json', manifest), ('config.json', config), ('layer.tar', layer)]))
"#;

pub(crate) struct Scene<'a> {
    world: &'a World,
    daemon: Daemon,
    /// The uids by name.
    uids: BTreeMap<String, String>,
    /// The process of the container that runs, and when it began.
    process: (u32, String),
    /// Everything that the daemon keeps, when nothing is wrong with it.
    kept: BTreeMap<PathBuf, Vec<u8>>,
}

impl<'a> Scene<'a> {
    /// A daemon that was killed while one Pod ran and one had finished.
    pub(crate) fn set(world: &'a World) -> Result<Scene<'a>, Failure> {
        let daemon = Daemon::prepared(world)?;
        let mut scene = Scene {
            world,
            daemon,
            uids: BTreeMap::new(),
            process: (0, String::new()),
            kept: BTreeMap::new(),
        };
        scene.load_image()?;
        scene.daemon.up()?;
        std::fs::write(world.work.join("ran"), "")?;
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"k": "v"}});
        scene.create("/api/v1/namespaces/default/configmaps", &map)?;
        scene.create(PODS, &web())?;
        scene.create(PODS, &job(&world.work))?;
        let daemon = &scene.daemon;
        let web = daemon.until_pod("web", "runs", |pod| {
            pod["status"]["containerStatuses"][0]["ready"] == true
        })?;
        let job = daemon.until_pod("job", "is over", |pod| {
            pod["status"]["phase"] == "Succeeded"
        })?;
        for pod in [web, job] {
            let text = |field: &str| {
                pod["metadata"][field]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            };
            scene.uids.insert(text("name"), text("uid"));
        }
        scene.process = sleeper()?.ok_or_else(|| failed("the container does not run"))?;
        // It is written down by a thread beside the loop, and a daemon that ends well waits for that.
        scene.daemon.stop()?;
        scene.kept = scene.files()?;
        Ok(scene)
    }

    /// An image in the store, which no Pod needs.
    fn load_image(&self) -> Verdict {
        let script = self.world.file("archive.py", ARCHIVE)?;
        let archive = self.world.work.join("tiny.tar");
        let made = Command::new("/usr/bin/python3")
            .arg(script)
            .arg(&archive)
            .status()?;
        ensure!(made.success(), "the archive could not be made");
        let archive = archive.display().to_string();
        let loaded = self
            .daemon
            .outrigger(&["image", "load", &archive])
            .output()?;
        ensure!(
            loaded.status.success(),
            "{}",
            String::from_utf8_lossy(&loaded.stderr)
        );
        Ok(())
    }

    fn create(&self, path: &str, object: &Value) -> Verdict {
        let (code, answer) = self.daemon.ask("POST", path, &object.to_string())?;
        ensure!(code == 201, "{code} {answer}");
        Ok(())
    }

    pub(crate) fn root(&self, name: &str) -> PathBuf {
        self.daemon.root.join(name)
    }

    pub(crate) fn record(&self, pod: &str) -> PathBuf {
        self.root(&format!("lives/{}.jsonl", self.uids[pod]))
    }

    pub(crate) fn state(&self, pod: &str, rest: &str) -> PathBuf {
        self.daemon
            .state
            .join(format!("pods/{}{rest}", self.uids[pod]))
    }

    pub(crate) fn progress(&self) -> PathBuf {
        self.root("adoption.json")
    }

    /// Leaves what a daemon leaves that was killed before it had taken up its Pods.
    pub(crate) fn with_progress(&mut self) -> Verdict {
        std::fs::write(self.progress(), r#"{"stage":"together"}"#)?;
        self.kept = self.files()?;
        Ok(())
    }

    /// The files in a folder below the root.
    pub(crate) fn files_in(&self, folder: &str) -> Vec<PathBuf> {
        let folder = self.root(folder);
        let below = |path: &&PathBuf| path.starts_with(&folder);
        self.kept.keys().filter(below).cloned().collect()
    }

    /// Does a fault, starts a daemon, looks what has come of it, and mends everything.
    pub(crate) fn after(&mut self, kind: &str, file: &Path, fault: &Fault) -> Verdict {
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let looked = self.look(file, fault);
        let [did, web, job] = looked.map_err(|failure| {
            failed(format!(
                "{kind} {name}, {fault}: {failure}\n{}",
                self.daemon.log_end()
            ))
        })?;
        let shown = match kind {
            "certificate" | "lock" | "image store" => format!("{kind} `{name}`"),
            kind => kind.to_owned(),
        };
        table::row([&shown, &fault.to_string(), &did, &web, &job]);
        Ok(())
    }

    fn look(&mut self, file: &Path, fault: &Fault) -> Result<[String; 3], Failure> {
        let aside = aside(&self.world.work);
        std::fs::write(&self.daemon.log, "")?;
        fault.befall(file, &aside)?;
        self.daemon.launch()?;
        let is_ready = self.daemon.ready_or_refused()?;
        let cells = match is_ready {
            true => ["started".to_owned(), self.phase("web")?, self.phase("job")?],
            false => [
                self.refusal(file)?,
                "goes on".to_owned(),
                "stays".to_owned(),
            ],
        };
        self.holds(file)?;
        if is_ready {
            self.daemon.cut_off()?;
        }
        self.holds(file)?;
        fault.mend(file, &aside)?;
        self.restore(file)?;
        Ok(cells)
    }

    /// How a Pod is shown.
    fn phase(&self, name: &str) -> Result<String, Failure> {
        let pod = self.daemon.pod(name)?;
        let status = &pod["status"];
        let phase = status["phase"].as_str().unwrap_or("none");
        ensure!(
            name != "job" || phase == "Succeeded" || status["reason"] == "NotTakenUp",
            "{name} is shown as {status:#}"
        );
        let restarts = &status["containerStatuses"][0]["restartCount"];
        ensure!(
            restarts.is_null() || restarts == 0,
            "{name} was restarted: {status:#}"
        );
        Ok(match status["reason"].as_str() {
            Some(reason) => format!("{phase}, {reason}"),
            None => phase.to_owned(),
        })
    }

    /// What the daemon said when it refused to start: it names the file, and what to do.
    fn refusal(&self, file: &Path) -> Result<String, Failure> {
        let log = self.daemon.log_text();
        let last = log
            .lines()
            .rev()
            .find(|line| line.contains("error") || line.starts_with("outrigger"));
        let last = last.or(log.lines().last()).unwrap_or_default();
        ensure!(
            last.contains(&file.display().to_string()),
            "{} is not named: {log}",
            file.display()
        );
        let short = last.replace(&self.daemon.root.display().to_string(), "ROOT");
        Ok(format!("refused: {short}"))
    }

    /// What must be so whatever has become of the file.
    fn holds(&self, file: &Path) -> Verdict {
        ensure!(
            sleeper()? == Some(self.process.clone()),
            "the container that ran is another: {:?}",
            sleeper()?
        );
        let ran = std::fs::read_to_string(self.world.work.join("ran"))?;
        ensure!(ran == "once\n", "what had finished ran again: {ran:?}");
        let progress = self.progress();
        for kept in self
            .kept
            .keys()
            .filter(|kept| *kept != file && **kept != progress)
        {
            ensure!(
                kept.symlink_metadata().is_ok(),
                "{} is gone",
                kept.display()
            );
        }
        let logs = self
            .daemon
            .logs
            .join(format!("default_job_{}/main/0.log", self.uids["job"]));
        ensure!(logs.is_file(), "the log of what had finished is gone");
        if let Ok(found) = file.symlink_metadata()
            && found.is_dir()
        {
            ensure!(
                file.join("precious").exists(),
                "{} was emptied",
                file.display()
            );
        }
        Ok(())
    }

    /// What the node keeps. Locks are held by their inode, and the shim has its ledger open.
    fn files(&self) -> Result<BTreeMap<PathBuf, Vec<u8>>, Failure> {
        let mut files = BTreeMap::new();
        for folder in [&self.daemon.root, &self.daemon.state] {
            gather(folder, &mut files)?;
        }
        Ok(files)
    }

    /// Puts back what a daemon has changed meanwhile, but for what others have open.
    fn restore(&self, mended: &Path) -> Verdict {
        for (path, bytes) in &self.kept {
            let is_held =
                path.extension().is_some_and(|it| it == "lock") || path.ends_with("ledger");
            if path != mended && !is_held && std::fs::read(path).ok().as_ref() != Some(bytes) {
                std::fs::write(path, bytes)?;
            }
        }
        Ok(())
    }

    /// Everything goes on, and can be deleted.
    pub(crate) fn finish(mut self) -> Verdict {
        self.daemon.up()?;
        self.holds(&self.progress())?;
        let images = self.daemon.root.join("images");
        let removed = self.daemon.outrigger(&["image", "rm", "tiny:1"]).output()?;
        ensure!(
            removed.status.success(),
            "{}",
            String::from_utf8_lossy(&removed.stderr)
        );
        let root = self.daemon.root.clone();
        self.daemon.finish()?;
        std::fs::remove_dir_all(images)?;
        Ok(std::fs::remove_dir(root)?)
    }
}

fn web() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {
        "terminationGracePeriodSeconds": 1,
        "volumes": [{"name": "m", "configMap": {"name": "m"}}, {"name": "e", "emptyDir": {}}],
        "containers": [{"name": "main", "image": "host:/", "command": ["sleep", SLEEP_S],
            "volumeMounts": [{"name": "m", "mountPath": "/m"}, {"name": "e", "mountPath": "/e"}]}]}})
}

fn job(work: &Path) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "job"}, "spec": {
        "restartPolicy": "Never",
        "volumes": [{"name": "w", "hostPath": {"path": work}}],
        "containers": [{"name": "main", "image": "host:/", "command": ["sh", "-c", "echo once >> /w/ran; echo said"],
            "volumeMounts": [{"name": "w", "mountPath": "/w"}]}]}})
}

/// The process of the container, and when it began.
fn sleeper() -> Result<Option<(u32, String)>, Failure> {
    let mut found = None;
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let command = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        if command == format!("sleep\0{SLEEP_S}\0") {
            let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let begun = stat.split(' ').nth(21).unwrap_or_default().to_owned();
            let pid = entry.file_name().to_string_lossy().parse()?;
            ensure!(found.is_none(), "there are two of the container");
            found = Some((pid, begun));
        }
    }
    Ok(found)
}

/// The regular files below a folder, without what containers write or have mounted.
fn gather(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) -> Verdict {
    for entry in std::fs::read_dir(folder)?.flatten() {
        let (path, found) = (entry.path(), entry.metadata()?);
        if found.is_dir() {
            gather(&path, files)?;
        } else if found.is_file() && found.size() < (4 << 20) {
            files.insert(path.clone(), std::fs::read(&path)?);
        }
    }
    Ok(())
}
