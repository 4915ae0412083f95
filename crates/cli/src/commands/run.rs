//! `outrigger run FILE…`: Pods live here and now, and their exit code is ours.

use std::path::Path;
use std::time::{Duration, Instant};

use outrigger_node::{Finished, Handle, Lease, Missing, Node, Program, Settings, Source};
use outrigger_pod::manifest::{Manifest, Problem, SourceFile};
use outrigger_pod::{Pod, PodUid, render};
use rustix::fs::{Access, access};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::args::{Places, Run};
use crate::failure::{Failure, OWN_ERROR, TIMED_OUT};
use crate::screen::{Columns, Teller, coloured};
use crate::story::Story;
use crate::{screen, sources};

/// Runs the Pods of some manifests to their end.
pub(crate) fn run(places: &Places, run: &Run) -> Result<u8, Failure> {
    let colour = coloured(&std::io::stderr());
    let (files, manifest) = sources::read(&run.files, colour)?;
    if manifest.pods.is_empty() {
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        return Err(Failure::say(format!(
            "there is no Pod in {}; add a document of kind Pod",
            names.join(", ")
        )));
    }
    if let Some(path) = &run.status_file {
        may_be_written(path)?;
    }
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::say(
            "running pods makes namespaces, mounts and cgroups, which only root may do; \
             run the same command with sudo",
        ));
    }
    if !run.quiet && !manifest.warnings.is_empty() {
        let severity = render::Severity::Warning;
        screen::error(&render::problems(
            &files,
            &manifest.warnings,
            severity,
            colour,
        ));
    }
    let directories = places
        .directories()
        .map_err(|error| Failure::of("find the current directory", &error))?;
    let settings = Settings {
        directories,
        cgroup: std::env::var("OUTRIGGER_CGROUP").unwrap_or_else(|_| "/outrigger".to_owned()),
        shim: Program::this(),
        lease: Lease::Connection,
        objects: manifest.objects.clone(),
        note_crashes: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::of("start the runtime", &error))?;
    let code = runtime.block_on(live(run, (&files, manifest), settings, colour));
    // What still waits in a task, such as a preStop hook's sleep, is of no use any more.
    runtime.shutdown_background();
    code
}

async fn live(
    run: &Run,
    (files, manifest): (&[SourceFile], Manifest),
    settings: Settings,
    colour: bool,
) -> Result<u8, Failure> {
    let uids: Vec<PodUid> = manifest.pods.iter().map(|pod| pod.uid.clone()).collect();
    let mut requests =
        Requests::listen().map_err(|error| Failure::of("listen for signals", &error))?;
    let teller = Teller::start().map_err(|error| Failure::of("start a thread", &error))?;
    let story = Story::new(&manifest.pods, teller.lines(), run.quiet, colour);
    let columns = Columns::new(names(&manifest.pods));
    let mut node =
        Node::new(settings, Box::new(story.clone()), Box::new(columns)).map_err(Failure::say)?;
    if let Some(failure) = preflight(&node, &manifest, files, colour) {
        drop((node, story));
        teller.finish();
        return Err(failure);
    }
    let handle = node.handle();
    for pod in manifest.pods {
        node.accept(pod);
    }
    let mut timed_out = false;
    let mut deadline = std::pin::pin!(sleep(run.timeout));
    let finished = {
        let mut life = std::pin::pin!(node.run());
        loop {
            tokio::select! {
                finished = &mut life => break Some(finished),
                request = requests.next() => {
                    story.note(request.sentence());
                    if !request.carry_out(&handle, &uids) {
                        break None;
                    }
                }
                () = &mut deadline, if !timed_out => {
                    timed_out = true;
                    story.note("--timeout has passed: the pods are deleted");
                    uids.iter().for_each(|uid| handle.delete(uid.clone(), None));
                }
            }
        }
    };
    let mut finished = finished.unwrap_or_default();
    finished.sort_by_key(|end| uids.iter().position(|uid| *uid == end.pod.uid));
    drop((node, story));
    teller.finish();
    write_status(run, &finished)?;
    Ok(exit_code(&finished, timed_out))
}

/// Pictures of what the Pods would wait for in vain.
fn preflight(
    node: &Node,
    manifest: &Manifest,
    files: &[SourceFile],
    colour: bool,
) -> Option<Failure> {
    let problem = |missing: Missing| {
        // The field itself, or the first that was written inside it.
        let inside = |path: &str| {
            path.strip_prefix(&missing.path)
                .is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
        };
        let mut fields = manifest.fields.iter().filter(|field| inside(&field.path));
        let field = fields.next()?;
        // Several Pods may have written the same path, and then no place can be told.
        if manifest.pods.len() > 1 && fields.any(|other| other.path == field.path) {
            return None;
        }
        let (file, place) = (field.file.clone(), field.place);
        Some(Problem {
            file,
            path: missing.path,
            message: missing.message,
            help: None,
            place,
        })
    };
    let (mut problems, mut plain) = (Vec::new(), Vec::new());
    for pod in &manifest.pods {
        for missing in node.missing(pod) {
            let words = format!(
                "error: pod {}: {}: {}",
                pod.name, missing.path, missing.message
            );
            match problem(missing) {
                Some(problem) => problems.push(problem),
                None => plain.push(words),
            }
        }
    }
    let pictures = render::problems(files, &problems, render::Severity::Error, colour);
    let text = format!("{}\n{}", pictures.trim_end(), plain.join("\n"));
    (!text.trim().is_empty()).then(|| Failure(text.trim().to_owned()))
}

/// The first Pod that failed, in the order of the text, gives the code.
fn exit_code(finished: &[Finished], timed_out: bool) -> u8 {
    match timed_out {
        true => TIMED_OUT,
        false if finished.is_empty() => OWN_ERROR,
        false => finished
            .iter()
            .map(Finished::exit_code)
            .find(|code| *code != 0)
            .unwrap_or(0),
    }
}

fn names(pods: &[Pod]) -> Vec<(Source, String)> {
    let several = pods.len() > 1;
    let name = |pod: &Pod, container: &str| {
        if several {
            format!("{}/{container}", pod.name)
        } else {
            container.to_owned()
        }
    };
    let all = pods.iter().flat_map(|pod| {
        pod.slots().map(move |(slot, container)| {
            (
                Source {
                    pod: pod.uid.clone(),
                    slot,
                },
                name(pod, &container.name.0),
            )
        })
    });
    all.collect()
}

async fn sleep(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => tokio::time::sleep(timeout).await,
        None => std::future::pending().await,
    }
}

/// Whether the status can be written at the end, asked before anything runs.
fn may_be_written(path: &Path) -> Result<(), Failure> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let wanted = Access::WRITE_OK | Access::EXEC_OK;
    let possible = match access(folder, wanted) {
        Ok(()) if path.is_dir() => Err(std::io::ErrorKind::IsADirectory.into()),
        result => result.map_err(std::io::Error::from),
    };
    possible.map_err(|error| Failure::of(&format!("write {}", path.display()), &error))
}

fn write_status(run: &Run, finished: &[Finished]) -> Result<(), Failure> {
    let Some(path) = &run.status_file else {
        return Ok(());
    };
    let objects: Vec<_> = finished.iter().map(|end| &end.object).collect();
    let json = match objects.as_slice() {
        [one] => serde_json::to_vec_pretty(one),
        many => serde_json::to_vec_pretty(
            &serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": many }),
        ),
    };
    let json = json.map_err(|error| Failure::of("write the status as JSON", &error))?;
    std::fs::write(path, json)
        .map_err(|error| Failure::of(&format!("write {}", path.display()), &error))
}

/// What the user asks for by signals, one after the other.
struct Requests {
    interrupts: Signal,
    terminations: Signal,
    hang_ups: Signal,
    seen: u32,
    last: Option<(&'static str, Instant)>,
}

/// `timeout` and others send a signal to us and then to our whole group: within this time it is the same wish.
const SAME_WISH: Duration = Duration::from_millis(50);

/// One request.
struct Request {
    name: &'static str,
    number: u32,
}

impl Requests {
    fn listen() -> std::io::Result<Requests> {
        Ok(Requests {
            interrupts: signal(SignalKind::interrupt())?,
            terminations: signal(SignalKind::terminate())?,
            hang_ups: signal(SignalKind::hangup())?,
            seen: 0,
            last: None,
        })
    }

    async fn next(&mut self) -> Request {
        let name = loop {
            let name = tokio::select! {
                _ = self.interrupts.recv() => "SIGINT",
                _ = self.terminations.recv() => "SIGTERM",
                _ = self.hang_ups.recv() => "SIGHUP",
            };
            let echo = self
                .last
                .is_some_and(|(last, at)| last == name && at.elapsed() < SAME_WISH);
            if !echo {
                break name;
            }
        };
        self.last = Some((name, Instant::now()));
        self.seen += 1;
        Request {
            name,
            number: self.seen,
        }
    }
}

impl Request {
    fn sentence(&self) -> String {
        match self.number {
            1 => format!(
                "{}: deleting within the grace period; once more to kill",
                self.name
            ),
            2 => format!("{} again: no more grace, killing within 3 s", self.name),
            _ => format!("{} for the third time: leaving at once", self.name),
        }
    }

    /// False if we are to leave at once; the shims then end with our connections.
    fn carry_out(&self, handle: &Handle, uids: &[PodUid]) -> bool {
        let grace_s = if self.number == 1 { None } else { Some(0) };
        uids.iter()
            .for_each(|uid| handle.delete(uid.clone(), grace_s));
        self.number < 3
    }
}
