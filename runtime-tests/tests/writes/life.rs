//! A rich life, and what must be so after it: a client notes what was acknowledged, the containers note that they ran.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use runtime_tests::daemon::{Daemon, until};
use runtime_tests::{Failure, Verdict, World, ensure};
use serde_json::{Value, json};

use crate::disk::Disk;

pub(crate) const PODS: &str = "/api/v1/namespaces/default/pods";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const STAYS: &str = "trap 'exit 0' TERM; sleep 1000 & wait";

/// How the daemon of a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Room returns, it goes on, and is asked to end.
    Stopped,
    /// It is killed while its disk is in trouble.
    Killed,
}

/// What the client knows of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It was acknowledged that it is there.
    There,
    /// It was acknowledged that it goes.
    Gone,
    /// A request failed, so it may be either.
    Either,
}

pub(crate) struct Life<'a> {
    daemon: Daemon,
    disk: &'a Disk,
    /// Where the containers note that they ran.
    ran: PathBuf,
    known: BTreeMap<String, Known>,
    /// Whether the label was acknowledged.
    labelled: bool,
}

impl<'a> Life<'a> {
    pub(crate) fn begin(world: &World, disk: &'a Disk) -> Result<Life<'a>, Failure> {
        let (ran, notify) = (world.work.join("ran"), world.work.join("notify"));
        for old in [&ran, &notify, &world.work.join("daemon.log")] {
            match std::fs::symlink_metadata(old) {
                Ok(found) if found.is_dir() => std::fs::remove_dir_all(old)?,
                Ok(_) => std::fs::remove_file(old)?,
                Err(_) => {}
            }
        }
        std::fs::create_dir(&ran)?;
        let mut daemon = Daemon::prepared(world)?;
        daemon.before = disk.before([&world.root, &world.state]);
        Ok(Life {
            daemon,
            disk,
            ran,
            known: BTreeMap::new(),
            labelled: false,
        })
    }

    pub(crate) fn live(mut self, ending: Ending) -> Verdict {
        let lived = self.whole(ending);
        let log = self.daemon.log_text();
        let shown =
            |failure| runtime_tests::failed(format!("{failure}\n{}", self.daemon.log_end()));
        lived.map_err(shown)?;
        for word in ["panicked", "Traceback"] {
            ensure!(!log.contains(word), "{word}:\n{log}");
        }
        let root = self.daemon.root.clone();
        self.ends()?;
        self.daemon.finish()?;
        let left = names_below(&root);
        ensure!(left.is_empty(), "left behind: {left:?}");
        Ok(())
    }

    fn whole(&mut self, ending: Ending) -> Verdict {
        self.daemon.launch()?;
        if !self.daemon.ready_or_refused()? {
            self.refused_with_reason()?;
            self.disk.make_room()?;
            self.daemon.up()?;
        }
        self.requests()?;
        if ending == Ending::Stopped {
            self.disk.make_room()?;
            self.answers_again()?;
            self.holds(false)?;
            self.daemon.stop()?;
        } else {
            self.daemon.cut_off()?;
            self.disk.make_room()?;
        }
        self.daemon.before.clear();
        self.daemon.up()?;
        self.answers_again()?;
        self.holds(ending == Ending::Killed)?;
        self.a_new_pod_runs()
    }

    fn refused_with_reason(&self) -> Verdict {
        let log = self.daemon.log_text();
        ensure!(self.disk.is_hit(), "it refused for no reason");
        let places = [&self.daemon.root, &self.daemon.state].map(|path| path.display().to_string());
        let last = log.lines().rev().find(|line| line.starts_with("outrigger"));
        let last = last.or(log.lines().last()).unwrap_or_default();
        ensure!(
            places.iter().any(|place| last.contains(place)),
            "the refusal names no file: {last}"
        );
        Ok(())
    }

    /// Asks, and notes what was acknowledged. On a disk in trouble it may be refused, but there is an answer.
    fn ask(
        &mut self,
        method: &str,
        path: &str,
        body: &Value,
        then: Known,
    ) -> Result<bool, Failure> {
        let (code, answer) = self.daemon.ask(method, path, &body.to_string())?;
        let name = body["metadata"]["name"].as_str();
        let target = match name {
            Some(name) => format!("{path}/{name}"),
            None => path.split('?').next().unwrap_or_default().to_owned(),
        };
        let before = self.known.get(&target).copied();
        let acknowledged = (200..300).contains(&code);
        let in_doubt = before == Some(Known::Either) && matches!(code, 404 | 409);
        ensure!(
            acknowledged || in_doubt || (code >= 500 && self.disk.is_hit()),
            "{method} {path}: {code} {answer}"
        );
        let now = match (acknowledged, then, before) {
            (true, then, _) => then,
            // What was acknowledged before stays so.
            (false, Known::There, Some(before)) => before,
            (false, ..) => Known::Either,
        };
        self.known.insert(target, now);
        Ok(acknowledged)
    }

    /// Waits until it holds, but not for what a disk in trouble keeps from happening.
    fn wait(&self, name: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Verdict {
        let mut last = Value::Null;
        let path = format!("{PODS}/{name}");
        let seen = until(40.0, || {
            last = self.daemon.pod(name)?;
            let is_kept = self.disk.stays_full() && self.disk.is_hit();
            let is_there = self.known.get(&path) == Some(&Known::There);
            Ok(holds(&last) || is_kept || !is_there)
        })?;
        ensure!(seen, "{name}: {what} did not happen: {}", last["status"]);
        Ok(())
    }

    fn requests(&mut self) -> Verdict {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"k": "v"}});
        self.ask("POST", MAPS, &map, Known::There)?;
        for pod in [
            web(&self.ran),
            job(&self.ran),
            stays("gone", &self.ran),
            stays("forced", &self.ran),
        ] {
            self.ask("POST", PODS, &pod, Known::There)?;
        }
        for name in ["web", "gone", "forced"] {
            self.wait(name, "runs", is_ready)?;
        }
        self.wait("job", "is over", is_over)?;
        let label = json!({"metadata": {"labels": {"colour": "green"}}});
        self.labelled = self.ask("PATCH", &format!("{PODS}/web"), &label, Known::There)?;
        let changed = json!({"data": {"k": "w"}});
        self.ask("PATCH", &format!("{MAPS}/m"), &changed, Known::There)?;
        // It succeeds or not, as the Pod runs or not.
        let mut exec = self.daemon.outrigger(&["exec", "web", "--", "true"]);
        exec.stdin(Stdio::null()).stderr(Stdio::null()).status()?;
        let gone = format!("{PODS}/gone?gracePeriodSeconds=3");
        self.ask("DELETE", &gone, &json!({}), Known::Gone)?;
        let forced = format!("{PODS}/forced?gracePeriodSeconds=0");
        self.ask("DELETE", &forced, &json!({}), Known::Gone)?;
        for name in ["gone", "forced"] {
            let path = format!("{PODS}/{name}");
            let went = until(20.0, || {
                let is_kept = self.disk.stays_full() && self.disk.is_hit();
                let goes = self.known.get(&path) == Some(&Known::Gone);
                Ok(self.daemon.pod(name)?.is_null() || is_kept || !goes)
            })?;
            ensure!(went, "{name} does not go: {:#}", self.daemon.pod(name)?);
        }
        Ok(())
    }

    /// It is ready again within seconds when there is room.
    fn answers_again(&self) -> Verdict {
        let mut last = (0, Value::Null);
        let ready = until(10.0, || {
            last = self.daemon.ask("GET", "/readyz", "")?;
            Ok(last.0 == 200)
        })?;
        ensure!(ready, "it is not ready: {last:?}");
        Ok(())
    }

    /// What must be so when there is room.
    fn holds(&self, was_killed: bool) -> Verdict {
        for (path, known) in &self.known {
            let mut last = (0, Value::Null);
            let is_so = until(30.0, || {
                last = self.daemon.ask("GET", path, "")?;
                Ok(match known {
                    Known::There => last.0 == 200,
                    Known::Gone => last.0 == 404,
                    Known::Either => matches!(last.0, 200 | 404),
                })
            })?;
            ensure!(
                is_so,
                "{path} is {known:?}, but: {} {}",
                last.0,
                last.1["status"]
            );
        }
        for (name, ends) in [("web", is_ready as fn(&Value) -> bool), ("job", is_over)] {
            self.came_to(name, was_killed, ends)?;
        }
        let web = self.daemon.pod("web")?;
        let colour = &web["metadata"]["labels"]["colour"];
        ensure!(
            !self.labelled || colour == "green",
            "the label is lost: {web}"
        );
        Ok(())
    }

    /// The Pod, if it is there, has come to this, and each of its containers ran once.
    fn came_to(&self, name: &str, was_killed: bool, ends: fn(&Value) -> bool) -> Verdict {
        let mut last = Value::Null;
        let came = until(40.0, || {
            last = self.daemon.pod(name)?;
            let is_left = was_killed && last["status"]["reason"] == "NotTakenUp";
            Ok(last.is_null() || ends(&last) || is_left)
        })?;
        ensure!(came, "{name} has not come there: {}", last["status"]);
        let restarts = &last["status"]["containerStatuses"][0]["restartCount"];
        ensure!(
            restarts.is_null() || restarts == 0,
            "{name} was restarted: {}",
            last["status"]
        );
        let ran = std::fs::read_to_string(self.ran.join(name)).unwrap_or_default();
        let is_left = last["status"]["reason"] == "NotTakenUp";
        let times = ran.lines().count();
        ensure!(
            times == 1 || (times == 0 && (last.is_null() || is_left)),
            "{name} ran {times} times: {}",
            last["status"]
        );
        Ok(())
    }

    /// Deletes all Pods, and waits until nothing of them is left.
    fn ends(&self) -> Verdict {
        let (_, list) = self.daemon.ask("GET", PODS, "")?;
        for pod in list["items"].as_array().into_iter().flatten() {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            let path = format!("{PODS}/{name}?gracePeriodSeconds=1");
            self.daemon.ask("DELETE", &path, "")?;
        }
        let folders = [&self.daemon.root, &self.daemon.state].map(|folder| folder.join("pods"));
        let left = || folders.iter().flat_map(|folder| names_below(folder));
        let gone = until(20.0, || Ok(left().next().is_none()))?;
        let left: Vec<_> = left().collect();
        ensure!(gone, "not removed: {left:?}\n{}", self.daemon.log_end());
        Ok(())
    }

    fn a_new_pod_runs(&mut self) -> Verdict {
        self.ask("POST", PODS, &stays("new", &self.ran), Known::There)?;
        self.daemon.until_pod("new", "runs", is_ready).map(drop)
    }
}

pub(crate) fn is_ready(pod: &Value) -> bool {
    pod["status"]["containerStatuses"][0]["ready"] == true
}

fn is_over(pod: &Value) -> bool {
    pod["status"]["phase"] == "Succeeded"
}

/// A Pod whose container notes that it runs, and then does this.
fn pod(name: &str, ran: &Path, policy: &str, then: &str) -> Value {
    let script = format!("echo began >> /ran/{name}; {then}");
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
        "restartPolicy": policy, "terminationGracePeriodSeconds": 3,
        "volumes": [{"name": "ran", "hostPath": {"path": ran}}, {"name": "empty", "emptyDir": {}}],
        "containers": [{"name": "main", "image": "host:/", "command": ["sh", "-c", script], "volumeMounts": [
            {"name": "ran", "mountPath": "/ran"}, {"name": "empty", "mountPath": "/empty"}]}]}})
}

pub(crate) fn web(ran: &Path) -> Value {
    let mut web = pod("web", ran, "Always", STAYS);
    web["spec"]["initContainers"] = json!([{"name": "first", "image": "host:/", "command": ["sh", "-c", "echo first > /dev/termination-log"]}]);
    let main = &mut web["spec"]["containers"][0];
    main["readinessProbe"] = json!({"exec": {"command": ["true"]}, "periodSeconds": 1});
    main["lifecycle"] = json!({"postStart": {"exec": {"command": ["true"]}}});
    web
}

fn job(ran: &Path) -> Value {
    pod("job", ran, "Never", "echo said")
}

fn stays(name: &str, ran: &Path) -> Value {
    let mut stays = pod(name, ran, "Always", STAYS);
    stays["spec"]["containers"][0]["lifecycle"] =
        json!({"preStop": {"exec": {"command": ["true"]}}});
    stays
}

/// What is in the folder, if there is one.
fn names_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}
