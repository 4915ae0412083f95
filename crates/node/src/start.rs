//! How does a container come to run? Its directories and bundle are made, its log is opened to
//! whoever follows, and then the shim is told to start it.

mod recipe;
mod seccomp;

use std::io::Write;
use std::sync::{Arc, PoisonError};

use k8s_openapi::api::core::v1 as core;
use outrigger_bundle::bounds::TooLong;
use outrigger_bundle::expand;
use outrigger_lifecycle::{Fact, StartFailure};
use outrigger_pod::{Pod, Slot};
use outrigger_wire::{LogFile, RootFs, Stage, Start, Stdio};

use crate::directories::{claim_logs, create, make};
use crate::hands::Hands;
use crate::instances::{Instance, fresh_id};
use crate::logs::Source;
use crate::shim::CallError;
use crate::{names, release};

use recipe::Recipe;
use seccomp::Profile;

/// The kubelet's defaults for container logs.
const LOG_MAX_BYTES: u64 = 10 << 20;
const LOG_MAX_FILES: u32 = 5;

/// What the disk had to be made ready for.
struct Ready {
    start: Start,
    instance: Instance,
    profile: Profile,
    warnings: Vec<String>,
}

/// Creates and starts an instance. That it runs is told by the shim's event; that it could not be
/// started is told here.
pub(crate) async fn start(hands: Arc<Hands>, slot: Slot, attempt: u32) {
    if let Err(failure) = try_start(&hands, slot, attempt).await {
        hands.report(Fact::StartFailed {
            slot,
            attempt,
            failure,
        });
    }
}

async fn try_start(hands: &Arc<Hands>, slot: Slot, attempt: u32) -> Result<(), StartFailure> {
    let gone = || create_error(CallError::Gone.to_string());
    // If this one is lost meanwhile the instance is too, whatever shim comes after it.
    let shim = hands.shim().ok_or_else(gone)?;
    let (here, confines) = (Arc::clone(hands), shim.confines());
    let work = move || here.while_ours(|| make_ready(&here, slot, attempt, confines));
    let ready = match tokio::task::spawn_blocking(work).await {
        Ok(ready) => ready.ok_or_else(gone)??,
        Err(error) => return Err(create_error(error.to_string())),
    };
    ready
        .warnings
        .into_iter()
        .for_each(|warning| hands.warn(warning));
    if !hands.shim().is_some_and(|now| Arc::ptr_eq(&now, &shim)) {
        // Without a sandbox nobody else clears away what was just made.
        release::instance(hands, slot, attempt).await;
        return Err(gone());
    }
    follow_log(hands, slot, attempt);
    hands.take_up_instance(slot, attempt, ready.instance).await;
    match shim.start(ready.start).await {
        Ok(warnings) => {
            warnings.into_iter().for_each(|warning| hands.warn(warning));
            Ok(())
        }
        Err(error) => {
            if let Some(follower) = &hands.around.follower {
                let pod = hands.uid.clone();
                follower.end(Source { pod, slot }, attempt);
            }
            release::instance(hands, slot, attempt).await;
            let created = error.stage() == Some(Stage::Execute);
            let reason = if created {
                "RunContainerError"
            } else {
                "CreateContainerError"
            };
            Err(StartFailure {
                reason: reason.to_owned(),
                message: ready.profile.told(error.to_string()),
                created,
            })
        }
    }
}

/// Opens an instance's log to whoever follows.
fn follow_log(hands: &Hands, slot: Slot, attempt: u32) {
    if let Some(follower) = &hands.around.follower {
        let pod = hands.uid.clone();
        let logs = hands.dirs.container_logs(&hands.pod()[slot].name.0);
        follower.begin(Source { pod, slot }, logs, attempt);
    }
}

fn create_error(message: String) -> StartFailure {
    failure("CreateContainerError", message)
}

fn failure(reason: &str, message: String) -> StartFailure {
    StartFailure {
        reason: reason.to_owned(),
        message,
        created: false,
    }
}

fn make_ready(
    hands: &Hands,
    slot: Slot,
    attempt: u32,
    confines: bool,
) -> Result<Ready, StartFailure> {
    let pod = hands.pod();
    let name = &pod[slot].name.0;
    let recipe = Recipe::of(hands, slot)?;
    let join_pid_of = target(hands, &pod, slot)?;
    prepare_files(hands, slot, attempt).map_err(create_error)?;
    let id = fresh_id().map_err(|error| create_error(format!("make an id: {error}")))?;
    let bundle = hands.dirs.bundle(name, attempt);
    let path = bundle.join("config.json");
    let (confinement, left_out_profile) = recipe.profile.by(confines);
    let config = recipe.config(hands, slot, attempt, &id, confinement)?;
    create(&path)
        .and_then(|mut file| file.write_all(config.as_ref()))
        .map_err(|error| create_error(format!("write {}: {error}", path.display())))?;
    let left_out = recipe.left_out.iter();
    let mut warnings: Vec<String> = left_out
        .map(|key| format!("container {name}: {key:?} is no name of a variable, it is left out"))
        .collect();
    if left_out_profile {
        warnings.push(format!(
            "container {name}: runs without its seccomp profile as before, because the Pod was begun by an older \
             version; delete and create the Pod to confine it"
        ));
    }
    let instance = Instance {
        id: id.clone(),
        image_id: recipe.image.id,
        stop_signal: recipe.stop_signal,
        runs: false,
    };
    let log = LogFile {
        path: hands.dirs.log(name, attempt),
        max_bytes: LOG_MAX_BYTES,
        max_files: LOG_MAX_FILES,
    };
    let writable = hands.dirs.writable(name, attempt);
    let rootfs = RootFs {
        lower: recipe.image.layers,
        writable,
    };
    Ok(Ready {
        start: Start {
            container: id,
            bundle,
            rootfs,
            log,
            stdio: stdio(hands, &pod[slot].spec),
            join_pid_of,
            message: Some(hands.dirs.termination(name, attempt)),
        },
        instance,
        profile: recipe.profile,
        warnings,
    })
}

/// What a container reads from: something only where somebody can attach to it.
fn stdio(hands: &Hands, container: &core::Container) -> Stdio {
    let wants = |flag: Option<bool>| hands.around.lasting() && flag == Some(true);
    Stdio {
        stdin: wants(container.stdin),
        stdin_once: wants(container.stdin_once),
        tty: wants(container.tty),
    }
}

/// The instance whose processes an ephemeral container wants to see.
fn target(hands: &Hands, pod: &Pod, slot: Slot) -> Result<Option<String>, StartFailure> {
    let Some(target) = pod.target(slot) else {
        return Ok(None);
    };
    let instances = hands
        .instances
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let newest = instances.newest(target);
    let instance = newest.and_then(|attempt| instances.get(target, attempt));
    match instance.filter(|instance| instance.runs) {
        Some(instance) => Ok(Some(instance.id.clone())),
        None => Err(failure(
            "CreateContainerConfigError",
            format!("unable to find target container {:?}", pod[target].name.0),
        )),
    }
}

/// The directories and files of an instance, fresh also if an earlier try left some.
fn prepare_files(hands: &Hands, slot: Slot, attempt: u32) -> Result<(), String> {
    let dirs = &hands.dirs;
    let pod = hands.pod();
    let name = &pod[slot].name.0;
    for tree in dirs.instance_trees(name, attempt) {
        outrigger_image::tree::remove(&tree).map_err(|error| error.to_string())?;
    }
    make(&dirs.bundle(name, attempt), 0o700)?;
    make(&dirs.bundle(name, attempt).join("rootfs"), 0o755)?;
    make(&dirs.writable(name, attempt), 0o700)?;
    claim_logs(&dirs.container_logs(name))?;
    let termination = dirs.termination(name, attempt);
    if let Some(parent) = termination.parent() {
        make(parent, 0o700)?;
    }
    // Whoever the container runs as may write its last words. A shim that lends files makes one of its own.
    names::write_file(&termination, "", 0o666)
}

/// A probe's command with the container's literal variables put in, if the kernel would take it then.
pub(crate) fn expanded(
    hands: &Hands,
    slot: Slot,
    command: &[String],
) -> Result<Vec<String>, TooLong> {
    let pod = hands.pod();
    let env = pod[slot].spec.env.as_deref().unwrap_or_default();
    expand::probe_command(command, env)
}
