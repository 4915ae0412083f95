//! What has one test for its own: folders, a cgroup subtree, and what was there before it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::leaks::Snapshot;
use crate::{Failure, Launch, Output, Running, Verdict, failed};

/// The place in which one test happens. See [`crate::stage`] for what protects the machine.
#[derive(Debug)]
pub struct World {
    /// `--root`; not made beforehand, so that the program has to make it and to remove it.
    pub root: PathBuf,
    /// `--state`; like `root`.
    pub state: PathBuf,
    /// `--logs`; like `root`.
    pub logs: PathBuf,
    /// For the test's own files: manifests it writes, status files it asks for.
    pub work: PathBuf,
    /// The cgroup below which everything of this test stands.
    pub cgroup: String,
    before: Snapshot,
}

impl World {
    pub(crate) fn new() -> Result<World, Failure> {
        let cgroup = std::env::var("OUTRIGGER_CGROUP")?;
        let ours = Path::new("/run/outrigger-test");
        let work = ours.join("work");
        std::fs::create_dir_all(&work)?;
        let before = Snapshot::take(&cgroup, &work)?;
        Ok(World {
            root: ours.join("root"),
            state: ours.join("state"),
            logs: ours.join("logs"),
            work,
            cgroup,
            before,
        })
    }

    /// The program under test with these arguments, behind the global flags for this world.
    #[must_use]
    pub fn outrigger(&self, arguments: &[&str]) -> Launch {
        Launch::new(self, arguments)
    }

    /// Starts `outrigger run` with these flags on this manifest, and asks for the status.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn run_pod(&self, manifest: &str, flags: &[&str]) -> Result<Running, Failure> {
        let path = self.file("pod.yaml", manifest)?;
        let path = path
            .to_str()
            .ok_or_else(|| failed("the path is not UTF-8"))?;
        self.outrigger(&[&["run"], flags, &[path]].concat())
            .with_status(self)
            .start()
    }

    /// Like [`World::run_pod`], to the end, which must be this exit code.
    ///
    /// # Errors
    /// If it cannot be started, takes too long or ends otherwise.
    pub fn ended(&self, manifest: &str, flags: &[&str], code: i32) -> Result<Output, Failure> {
        self.run_pod(manifest, flags)?.finish()?.ended_with(code)
    }

    /// Writes a file into the test's own folder.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn file(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let path = self.work.join(name);
        std::fs::write(&path, text)
            .map_err(|error| failed(format!("{}: {error}", path.display())))?;
        Ok(path)
    }

    /// What is left of the test. The last processes of a Pod may still be on their way out of the
    /// process table when the command has ended, hence the moment of patience.
    pub(crate) fn leaks(&self) -> Verdict {
        let deadline = Instant::now() + crate::at_most_s(0.5);
        loop {
            let left = Snapshot::take(&self.cgroup, &self.work)?.beyond(&self.before);
            if left.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(failed(format!("left behind:\n  {}", left.join("\n  "))));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What is left right now, as sentences; for tests that look in the middle.
    ///
    /// # Errors
    /// If the machine cannot be looked at.
    pub fn left_now(&self) -> Result<Vec<String>, Failure> {
        Ok(Snapshot::take(&self.cgroup, &self.work)?.beyond(&self.before))
    }
}

/// The manifest of a Pod under Never with one main that runs a script; `spec` is put between, and
/// `$` must be doubled where `$(NAME)` is not meant for Kubernetes.
#[must_use]
pub fn pod_of(spec: &str, script: &str) -> String {
    let script = serde_json::Value::from(script);
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: try}}\nspec:\n  restartPolicy: Never\n{spec}  containers:\n  \
         - name: main\n    image: host:/\n    command: [sh, -c, {script}]\n"
    )
}
