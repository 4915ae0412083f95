//! How do containers tell what happens to them? Each line of a file has the time since boot, the name
//! of the container or hook, and what happened.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::{Failure, failed};

/// Where containers find the folder of the files.
const FOLDER: &str = "/told";

/// The words that all scripts know: `say`, to heed TERM, which is told each time it comes, and to wait for it. The
/// first process of a container that does not heed TERM when it comes never hears of it, so who says that it is up
/// has to heed it before.
const WORDS: &str = "say() { read -r now rest </proc/uptime; echo \"$now $WHO $*\" >>$FILE; }\n\
     heed() { trap 'say TERM; asked=1' TERM; }\n\
     until_asked() { heed; while [ -z \"$asked\" ]; do sleep 0.3 & wait $!; \
     done; sleep 0.7; say down; exit 0; }\n";

/// A script that tells as `who`.
#[must_use]
pub(super) fn script(who: &str, file: &str, body: &str) -> String {
    format!("WHO={who}; FILE={FOLDER}/{file}\n{WORDS}{body}")
}

/// A container that runs a script; [`pod`] gives it the file.
#[must_use]
pub(super) fn container(name: &str, body: &str) -> Value {
    json!({"name": name, "image": "host:/", "command": ["sh", "-c", body],
        "volumeMounts": [{"name": "told", "mountPath": FOLDER}]})
}

/// The `spec` of a Pod of such containers.
#[must_use]
pub(super) fn pod(policy: &str, file: &str, inits: &[Value], mains: &[Value]) -> Value {
    let telling = |container: &Value| {
        let mut container = container.clone();
        let name = container["name"].as_str().unwrap_or_default();
        let body = container["command"][2].as_str().unwrap_or_default();
        container["command"][2] = json!(script(name, file, body));
        container
    };
    let all = |containers: &[Value]| containers.iter().map(telling).collect::<Vec<_>>();
    json!({"restartPolicy": policy, "initContainers": all(inits), "containers": all(mains),
        "volumes": [{"name": "told", "hostPath": {"path": "", "type": "Directory"}}]})
}

/// A line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Seconds since boot.
    pub at_s: f64,
    /// Who, and what happened.
    pub what: String,
}

/// The file of one Pod.
#[derive(Debug, Clone)]
pub struct Telling {
    path: PathBuf,
}

/// How much more than usual everything takes now, in hundredths.
static SLOWNESS_PERCENT: AtomicU32 = AtomicU32::new(100);

/// Takes note that the machine was found to be so many times slower than it is when nobody else uses it;
/// the largest number counts.
pub fn found_slower(times: f64) {
    SLOWNESS_PERCENT.fetch_max((times * 100.0) as u32, Ordering::Relaxed);
}

impl Telling {
    /// The file with this name in the folder, empty.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn begin(folder: &Path, name: &str) -> Result<Telling, Failure> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join(name);
        std::fs::write(&path, "")?;
        Ok(Telling { path })
    }

    /// All lines up to now.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        let read = |line: &str| {
            let (at, what) = line.split_once(' ')?;
            Some(Line {
                at_s: at.parse().ok()?,
                what: what.to_owned(),
            })
        };
        text.lines().filter_map(read).collect()
    }

    /// Whether this was told.
    #[must_use]
    pub fn has(&self, what: &str) -> bool {
        self.lines().iter().any(|line| line.what == what)
    }

    /// The test tells something itself.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn add(&self, what: &str) -> Result<(), Failure> {
        let uptime = std::fs::read_to_string("/proc/uptime")?;
        let now = uptime
            .split(' ')
            .next()
            .ok_or_else(|| failed("no uptime"))?;
        let mut file = std::fs::File::options().append(true).open(&self.path)?;
        Ok(file.write_all(format!("{now} test {what}\n").as_bytes())?)
    }

    fn between(&self, first: &str, second: &str) -> Result<f64, String> {
        let lines = self.lines();
        let at = |what: &str| {
            let line = lines.iter().find(|line| line.what == what);
            line.map(|line| line.at_s).ok_or(format!("no {what}"))
        };
        Ok(at(second)? - at(first)?)
    }

    /// Checks that so many seconds lie between two lines.
    ///
    /// # Errors
    /// If there are less, or there is no such line.
    pub fn at_least(&self, first: &str, second: &str, seconds: f64) -> Result<(), String> {
        let found = self.between(first, second)?;
        // The clock of the file has steps of ten milliseconds.
        match found >= seconds - 0.03 {
            true => Ok(()),
            false => Err(format!(
                "only {found:.2} s from {first} to {second}, not {seconds}"
            )),
        }
    }

    /// Checks that no more seconds lie between two lines, stretched on a machine that is slow or busy.
    ///
    /// # Errors
    /// If there are more, or there is no such line.
    pub fn at_most(&self, first: &str, second: &str, seconds: f64) -> Result<(), String> {
        let found = self.between(first, second)?;
        let slowness = f64::from(SLOWNESS_PERCENT.load(Ordering::Relaxed)) / 100.0;
        match found <= seconds * crate::time_scale() * slowness {
            true => Ok(()),
            false => Err(format!(
                "{found:.2} s from {first} to {second}, more than {seconds}"
            )),
        }
    }
}
