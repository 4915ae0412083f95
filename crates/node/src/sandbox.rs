//! What does a Pod need before its first container? Directories, volumes, a shim, and from the shim
//! namespaces and a cgroup.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1 as core;
use outrigger_lifecycle::Fact;
use outrigger_pod::Pod;
use outrigger_pod::resources::{self, Qos};
use outrigger_wire::{Event, Lease, Lent, PodCgroup, Prepare, SharedNamespaces, Tmpfs};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::directories::{PodDirectories, claim, claim_logs, make};
use crate::hands::{Hands, blocking, chain};
use crate::shim::{Program, Reaching, Shim, kill_listener};
use crate::volumes::{self, Volumes};
use crate::{ends, names, open_files, release};

/// How many processes and threads a Pod may have, so that a fork bomb ends with its Pod. A kubelet's `podPidsLimit` is off
/// unless its configuration sets it.
const POD_PIDS: i64 = 1024;
/// The size of `/dev/shm`, as every container runtime has it.
const SHARED_MEMORY_BYTES: u64 = 64 << 20;

/// What the files that a Pod lends to its containers may grow to: all termination messages together, and all
/// others.
const LENT_BYTES: u64 = 512 << 10;
/// What is left of that to containers, if this machine's own files are large.
const LENT_FREE_BYTES: u64 = 256 << 10;

/// How long a shim that is there already may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// How long a shim that was killed may take to go.
const GOES_WITHIN: Duration = Duration::from_secs(2);

/// An event reason of Kubernetes and what went wrong.
struct Failure {
    reason: &'static str,
    message: String,
}

/// Prepares the sandbox and reports how that went.
pub(crate) async fn prepare(hands: Arc<Hands>) {
    let fact = match try_prepare(&hands).await {
        Ok(()) => Fact::SandboxReady,
        Err(failure) => Fact::SandboxFailed {
            reason: failure.reason.to_owned(),
            message: failure.message,
        },
    };
    hands.report(fact);
}

async fn try_prepare(hands: &Arc<Hands>) -> Result<(), Failure> {
    let failed = |message| Failure {
        reason: "FailedCreatePodSandBox",
        message,
    };
    let _files = open_files::for_a_start().await;
    let here = Arc::clone(hands);
    let volumes = blocking(move || Ok(lay_out(&here)))
        .await
        .map_err(failed)??;
    let (shim, events) = match stands(hands).await {
        Some(standing) => standing,
        None => {
            clear_lost(hands).await;
            stand_up(hands, &volumes).await.map_err(failed)?
        }
    };
    let shim = Arc::new(shim);
    hands.set_volumes(volumes);
    hands.set_shim(Some(Arc::clone(&shim)));
    tokio::spawn(ends::follow(Arc::clone(hands), shim, events));
    // What changed while the volumes were set up has been told to nobody.
    hands.refresh_volumes();
    Ok(())
}

/// A shim that an earlier node started and prepared, without living to write that down. One that it
/// left half made is released, and one with containers too: nothing is known of them.
async fn stands(hands: &Hands) -> Option<(Shim, UnboundedReceiver<Event>)> {
    let socket = hands.dirs.socket();
    if !hands.around.lasting() || !socket.exists() {
        return None;
    }
    let greeting = Shim::connect(&socket, hands.last_event());
    match tokio::time::timeout(ANSWER_WITHIN, greeting).await {
        Ok(Ok(greeted)) if greeted.prepared && greeted.containers.is_empty() => {
            Some((greeted.shim, greeted.events))
        }
        Ok(Ok(greeted)) => {
            greeted.shim.release().await.ok();
            None
        }
        Ok(Err(Reaching::Gone)) => None,
        // Nothing of the Pod runs in it yet.
        Ok(Err(Reaching::Busy | Reaching::Stranger(_))) | Err(_) => {
            kill_listener(&socket);
            until_gone(&socket).await;
            None
        }
    }
}

/// A shim that has the Pod's namespaces, mounts and cgroup.
async fn stand_up(
    hands: &Hands,
    volumes: &Volumes,
) -> Result<(Shim, UnboundedReceiver<Event>), String> {
    let request = request(hands, volumes)?;
    let limits = request.cgroup.resources.clone();
    let program = &hands.around.settings.shim;
    let (shim, events) = Shim::spawn(program, &hands.dirs, hands.last_event())
        .await
        .map_err(|error| chain(&error))?;
    match shim.prepare(request).await {
        Ok(warnings) => {
            warnings.into_iter().for_each(|warning| hands.warn(warning));
            *hands.given.lock().await = Some(limits);
            Ok((shim, events))
        }
        Err(error) => {
            // It holds perhaps half of what it was to make. What it cannot release the next try finds.
            shim.release().await.ok();
            Err(error.to_string())
        }
    }
}

/// Lets a new shim release what a lost one left; gives what it could not release. Mounts and namespaces
/// went with the lost one, so that the cgroup is all there is.
pub(crate) async fn take_over(hands: &Hands) -> Result<Vec<String>, String> {
    // A shim needs a place for its socket.
    claim(&hands.dirs.state, 0o700)?;
    let socket = hands.dirs.socket();
    // One that has hung up on us, or that a node started for this without living to use it.
    kill_listener(&socket);
    until_gone(&socket).await;
    take_over_cgroup(&hands.around.settings.shim, &hands.dirs, cgroup(hands)).await
}

/// Lets a new shim release a cgroup; gives what it could not release.
pub(crate) async fn take_over_cgroup(
    program: &Program,
    dirs: &PodDirectories,
    path: String,
) -> Result<Vec<String>, String> {
    let nothing = Prepare {
        hostname: None,
        namespaces: SharedNamespaces {
            net: false,
            ipc: false,
            uts: false,
            pid: false,
        },
        cgroup: PodCgroup {
            path,
            resources: serde_json::json!({}),
        },
        tmpfs: Vec::new(),
        sysctls: Vec::new(),
        // If this node is killed before it has asked for the release, that happens all the same.
        lease: Lease::Connection,
        lent: None,
        filters: None,
    };
    let (shim, _events) = Shim::spawn(program, dirs, 0)
        .await
        .map_err(|error| chain(&error))?;
    let prepared = shim.prepare(nothing).await;
    let released = shim.release().await;
    prepared.and(released).map_err(|error| error.to_string())
}

/// Removes what instances left that were lost with their sandbox: without a shim none runs.
async fn clear_lost(hands: &Hands) {
    let trees = hands.dirs.all_instances();
    let _turn = hands.removing.lock().await;
    match blocking(move || Ok(release::remove(&trees))).await {
        Ok(left) => release::tell(hands, left),
        Err(problem) => hands.complain(problem),
    }
}

/// Waits until nobody listens at a shim's socket, for as long as one that was killed may need to go.
pub(crate) async fn until_gone(socket: &Path) {
    let gone = async {
        while tokio::net::UnixStream::connect(socket).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(GOES_WITHIN, gone).await.ok();
}

/// Everything that is a directory or a file.
fn lay_out(hands: &Hands) -> Result<Volumes, Failure> {
    let failed = |message| Failure {
        reason: "FailedCreatePodSandBox",
        message,
    };
    let PodDirectories { state, root, logs } = &hands.dirs;
    hands.take_up_share().map_err(failed)?;
    if hands.take_up_lock().map_err(failed)? {
        // A shim whose record was lost, to a full disk perhaps, could never be reached again.
        if hands.around.lasting() {
            kill_listener(&hands.dirs.socket());
        }
        // What a process left that was killed is nothing that this life may find.
        let left = release::remove(&hands.trees());
        if !left.is_empty() {
            return Err(failed(left.join("; ")));
        }
    }
    claim(state, 0o700).map_err(failed)?;
    claim(root, 0o700).map_err(failed)?;
    claim_logs(logs).map_err(failed)?;
    make(&hands.dirs.shared_memory(), 0o755).map_err(failed)?;
    names::write(&hands.pod(), &hands.dirs).map_err(failed)?;
    volumes::set_up(&hands.pod(), &hands.around.objects(), &hands.dirs).map_err(|error| Failure {
        reason: "FailedMount",
        message: error.to_string(),
    })
}

fn request(hands: &Hands, volumes: &Volumes) -> Result<Prepare, String> {
    let pod = hands.pod();
    let spec = pod.manifest.spec.as_ref().ok_or("the pod has no spec")?;
    let host = |flag: Option<bool>| flag == Some(true);
    let own_network = !host(spec.host_network);
    let mut tmpfs = vec![Tmpfs {
        path: hands.dirs.shared_memory(),
        size_bytes: Some(SHARED_MEMORY_BYTES),
        mode: 0o1777,
        gid: None,
    }];
    tmpfs.extend(volumes.tmpfs.iter().cloned());
    Ok(Prepare {
        hostname: if own_network {
            Some(names::names(&pod)?.hostname)
        } else {
            None
        },
        namespaces: SharedNamespaces {
            net: own_network,
            ipc: !host(spec.host_ipc),
            uts: own_network,
            pid: host(spec.share_process_namespace),
        },
        cgroup: PodCgroup {
            path: cgroup(hands),
            resources: limits(hands, &pod)?,
        },
        tmpfs,
        sysctls: sysctls(spec),
        lease: hands.around.settings.lease,
        lent: Some(lent(&hands.dirs)?),
        filters: Some(hands.around.settings.directories.filters()),
    })
}

/// The files that are lent; their places are made.
fn lent(dirs: &PodDirectories) -> Result<Lent, String> {
    make(&dirs.messages(), 0o700)?;
    let size_bytes = LENT_BYTES.max(names::size_bytes(dirs)? + LENT_FREE_BYTES);
    Ok(Lent {
        files: dirs.files(),
        messages: dirs.messages(),
        size_bytes,
    })
}

/// The limits of the Pod's own cgroup.
pub(crate) fn limits(hands: &Hands, pod: &Pod) -> Result<serde_json::Value, String> {
    let limits = outrigger_bundle::pod_resources(pod, &hands.around.host, Some(POD_PIDS))
        .map_err(|error| chain(&error))?;
    serde_json::to_value(limits).map_err(|error| format!("write the pod's limits: {error}"))
}

/// The Pod's cgroup: Guaranteed Pods stand beside the classes of the others.
pub(crate) fn cgroup(hands: &Hands) -> String {
    let top = &hands.around.settings.cgroup;
    let class = match hands.pod().manifest.spec.as_ref().map(resources::qos) {
        Some(Qos::Burstable) => "/burstable",
        Some(Qos::BestEffort) => "/besteffort",
        _ => "",
    };
    format!("{top}{class}/pod{}", hands.uid)
}

fn sysctls(spec: &core::PodSpec) -> Vec<(String, String)> {
    let all = spec
        .security_context
        .iter()
        .filter_map(|context| context.sysctls.as_ref())
        .flatten();
    all.map(|sysctl| (sysctl.name.replace('/', "."), sysctl.value.clone()))
        .collect()
}
