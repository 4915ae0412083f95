//! How are many stories lived at once in one daemon that may die at any moment? What is wanted is asked
//! for until it is acknowledged, and once it is, it must happen without being asked for again.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::daemon::ask;
use crate::stories::{Story, Telling};
use crate::{Failure, Verdict, at_most_s, ensure, failed};

/// How long one life may take at most.
const LIMIT_S: f64 = 120.0;

const PODS: &str = "/api/v1/namespaces/default/pods";

enum Stage {
    New,
    /// So many deletions were acknowledged.
    Lives(usize),
    /// It has ended by itself and its deletion was acknowledged.
    Buried,
    Over,
}

struct Actor<'a> {
    story: &'a Story,
    name: String,
    telling: Telling,
    stage: Stage,
    end: Option<String>,
}

/// Lives of all stories that are given, each once, at the same time.
pub struct Cast<'a> {
    socket: PathBuf,
    folder: PathBuf,
    actors: Vec<Actor<'a>>,
    began: Instant,
}

impl<'a> Cast<'a> {
    /// A cast whose Pods have this number in their names.
    ///
    /// # Errors
    /// If the files that they write cannot be made.
    pub fn new(
        socket: &Path,
        folder: &Path,
        stories: &'a [Story],
        number: usize,
    ) -> Result<Cast<'a>, Failure> {
        let mut actors = Vec::new();
        for story in stories {
            let name = format!("{}-{number}", story.name);
            actors.push(Actor {
                story,
                telling: Telling::begin(folder, &name)?,
                name,
                stage: Stage::New,
                end: None,
            });
        }
        Ok(Cast {
            socket: socket.to_path_buf(),
            folder: folder.to_path_buf(),
            actors,
            began: Instant::now(),
        })
    }

    /// Lets all lives go on to their ends.
    ///
    /// # Errors
    /// If one of them goes otherwise than its story, or takes too long.
    pub fn play(&mut self) -> Verdict {
        while !self.go_on()? {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.check()
    }

    /// Does what is to be done now; says whether all is over.
    ///
    /// # Errors
    /// If the daemon answers something that it must not, or a life takes too long.
    pub fn go_on(&mut self) -> Result<bool, Failure> {
        let mut over = true;
        for actor in &mut self.actors {
            actor.go_on(&self.socket, &self.folder)?;
            over &= matches!(actor.stage, Stage::Over);
        }
        if !over && self.began.elapsed() > at_most_s(LIMIT_S) {
            let late = self
                .actors
                .iter()
                .filter(|it| !matches!(it.stage, Stage::Over));
            let late: Vec<String> = late.map(Actor::shown).collect();
            return Err(failed(format!("not over:\n{}", late.join("\n"))));
        }
        Ok(over)
    }

    /// Compares all lives with their stories.
    ///
    /// # Errors
    /// If one differs.
    pub fn check(&self) -> Verdict {
        let wrong: Vec<String> = self.actors.iter().filter_map(Actor::wrong).collect();
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    }
}

impl Actor<'_> {
    /// Asks for something; `None` if the daemon was not there to answer.
    fn ask(&self, socket: &Path, method: &str, body: &Value) -> Option<(u16, Value)> {
        let path = match method {
            "POST" => PODS.to_owned(),
            _ => format!("{PODS}/{}", self.name),
        };
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        ask(socket, method, &path, &body).ok()
    }

    fn go_on(&mut self, socket: &Path, folder: &Path) -> Verdict {
        match self.stage {
            Stage::New => self.create(socket, folder),
            Stage::Lives(deleted) => self.live(socket, deleted),
            Stage::Buried => self.see(socket),
            Stage::Over => Ok(()),
        }
    }

    fn create(&mut self, socket: &Path, folder: &Path) -> Verdict {
        let mut spec = (self.story.spec)(&self.name);
        spec["volumes"][0]["hostPath"]["path"] = json!(folder);
        let pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": self.name}, "spec": spec});
        if let Some((code, answer)) = self.ask(socket, "POST", &pod) {
            // 409: it was acknowledged by one that died before we heard of it.
            ensure!(
                matches!(code, 201 | 409),
                "create {}: {} {}",
                self.name,
                code,
                answer
            );
            self.stage = Stage::Lives(0);
        }
        Ok(())
    }

    fn live(&mut self, socket: &Path, deleted: usize) -> Verdict {
        if let Some((after, grace_s)) = self.story.deletions.get(deleted) {
            if !self.telling.has(after) {
                return Ok(());
            }
            let told = self.telling.lines();
            let said = told.iter().filter(|line| line.what == "test deletes");
            if said.count() == deleted {
                self.telling.add("deletes")?;
            }
            self.delete(socket, *grace_s, Stage::Lives(deleted + 1))
        } else if deleted > 0 {
            self.see(socket)
        } else {
            self.see_its_end(socket)
        }
    }

    fn delete(&mut self, socket: &Path, grace_s: Option<u64>, next: Stage) -> Verdict {
        let mut options = json!({"apiVersion": "v1", "kind": "DeleteOptions"});
        if let Some(grace_s) = grace_s {
            options["gracePeriodSeconds"] = json!(grace_s);
        }
        if let Some((code, answer)) = self.ask(socket, "DELETE", &options) {
            ensure!(
                matches!(code, 200 | 202 | 404),
                "delete {}: {} {}",
                self.name,
                code,
                answer
            );
            self.stage = next;
        }
        Ok(())
    }

    /// Looks whether it is gone.
    fn see(&mut self, socket: &Path) -> Verdict {
        if let Some((404, _)) = self.ask(socket, "GET", &Value::Null) {
            if self.story.told.contains(&"test sees it gone") {
                self.telling.add("sees it gone")?;
            }
            self.stage = Stage::Over;
        }
        Ok(())
    }

    fn see_its_end(&mut self, socket: &Path) -> Verdict {
        let Some((code, answer)) = self.ask(socket, "GET", &Value::Null) else {
            return Ok(());
        };
        if code == 404 && self.end.as_deref() == self.story.end {
            // It was deleted by one that died before we heard of it.
            self.stage = Stage::Over;
            return Ok(());
        }
        ensure!(
            code == 200,
            "{} was acknowledged and is not there: {} {}",
            self.name,
            code,
            answer
        );
        let phase = answer["status"]["phase"].as_str().unwrap_or_default();
        if matches!(phase, "Succeeded" | "Failed") {
            // Some of its containers may still be on their way out, so a wrong end is waited with.
            self.end = Some(end(&answer));
            if self.end.as_deref() == self.story.end {
                self.delete(socket, None, Stage::Buried)?;
            }
        }
        Ok(())
    }

    fn wrong(&self) -> Option<String> {
        let sorted = |mut lines: Vec<String>| {
            if self.story.apart {
                lines.sort_by_key(|line| line.split(' ').next().map(str::to_owned));
            }
            lines
        };
        let told = self.telling.lines().into_iter().map(|line| line.what);
        let told = sorted(told.collect());
        let wanted = sorted(self.story.told.iter().map(ToString::to_string).collect());
        let why = if told != wanted {
            format!("it should have told {wanted:?}")
        } else if self.end.as_deref() != self.story.end {
            format!("it should have ended as {:?}", self.story.end)
        } else {
            (self.story.times)(&self.telling).err()?
        };
        Some(format!("{}: {why}", self.shown()))
    }

    fn shown(&self) -> String {
        let lines = self.telling.lines();
        let lines = lines
            .iter()
            .map(|line| format!("{} {}", line.at_s, line.what));
        let stage = match self.stage {
            Stage::New => "not created".to_owned(),
            Stage::Lives(deleted) => format!("lives, deletions {deleted}, {:?}", self.end),
            Stage::Buried => "deleted after its end".to_owned(),
            Stage::Over => format!("over, {:?}", self.end),
        };
        let lines: Vec<String> = lines.collect();
        format!("{} ({stage}) told [{}]", self.name, lines.join(", "))
    }
}

/// The phase, and each container's exit code and restarts.
fn end(pod: &Value) -> String {
    let mut words = vec![pod["status"]["phase"].as_str().unwrap_or("-").to_owned()];
    for list in ["initContainerStatuses", "containerStatuses"] {
        for status in pod["status"][list].as_array().into_iter().flatten() {
            let code = &status["state"]["terminated"]["exitCode"];
            let code = code
                .as_i64()
                .map_or("-".to_owned(), |code| code.to_string());
            words.push(format!(
                "{}={code}/{}",
                status["name"].as_str().unwrap_or("?"),
                status["restartCount"]
            ));
        }
    }
    words.join(" ")
}
