//! How is a probe carried out? In the container by the shim, or over a socket that the shim made in
//! the Pod's network.

use std::sync::Arc;
use std::time::Duration;

use outrigger_lifecycle::{Outcome, Time};
use outrigger_pod::text::{MESSAGE_MAX_BYTES, cut};
use outrigger_pod::{Action, ProbeKind, Slot};
use outrigger_wire::Exec;

use crate::clock::now;
use crate::hands::Hands;
use crate::probe;
use crate::shim::{CallError, Hearing, Shim};

/// How much of a probe's or hook's output is kept.
pub(crate) const OUTPUT_LIMIT: usize = 10 << 10;

/// A shim that tells the end of a command so much too late has not seen it in time.
const SHIM_LATE: Duration = Duration::from_secs(5);

/// Runs one attempt of a probe.
pub(crate) async fn probe(
    hands: &Arc<Hands>,
    slot: Slot,
    attempt: u32,
    kind: ProbeKind,
) -> Outcome {
    let pod = hands.pod();
    let Some(probe) = pod[slot].probes.get(kind) else {
        return Outcome::Error("the probe is not declared".to_owned());
    };
    let Some(sockets) = sockets(hands) else {
        return Outcome::Error("the pod's shim is gone".to_owned());
    };
    let timeout = Duration::from_secs(u64::from(probe.timeout_s));
    let began = now();
    let outcome = match &probe.action {
        Action::Exec { command } => exec(hands, slot, attempt, command, timeout).await,
        Action::HttpGet(get) => probe::http(&sockets, get, timeout).await,
        Action::TcpSocket { host, port } => {
            probe::tcp(&sockets, host.as_deref(), *port, timeout).await
        }
        Action::Grpc { port, service } => probe::grpc(&sockets, *port, service, timeout).await,
    };
    match outcome {
        Outcome::Failure(_) if is_the_shims(sockets.hearing(), began, timeout) => {
            Outcome::Error(CallError::Silent.to_string())
        }
        outcome => outcome,
    }
}

/// Whether the failure of a probe that began then is only the shim's, and says nothing of the container: it
/// gave no socket, or it was not there to see the command end in time.
fn is_the_shims(hearing: &Hearing, began: Time, timeout: Duration) -> bool {
    let took = now() - began;
    let in_time = took < timeout;
    hearing.is_silent() || !in_time && (hearing.heard() < began || took > timeout + SHIM_LATE)
}

/// Where sockets in the Pod's network come from.
pub(crate) fn sockets(hands: &Hands) -> Option<Arc<Shim>> {
    hands.shim()
}

async fn exec(
    hands: &Arc<Hands>,
    slot: Slot,
    attempt: u32,
    command: &[String],
    timeout: Duration,
) -> Outcome {
    let (Some(shim), Some((container, _))) = (hands.shim(), hands.instance(slot, attempt)) else {
        return Outcome::Error("the container is gone".to_owned());
    };
    let args = match crate::start::expanded(hands, slot, command) {
        Ok(args) => args,
        Err(error) => return Outcome::Error(error.to_string()),
    };
    let timeout_ms = u64::try_from(timeout.as_millis()).ok();
    let exec = Exec {
        container,
        args,
        timeout_ms,
        output_limit: OUTPUT_LIMIT,
        token: None,
    };
    match shim.exec(exec).await {
        Err(error) => Outcome::Error(error.to_string()),
        Ok(result) if result.timed_out => Outcome::Failure(format!(
            "command {:?} timed out after {} s",
            cut(&command.join(" "), MESSAGE_MAX_BYTES),
            timeout.as_secs()
        )),
        Ok(result) if result.code == 0 => Outcome::Success,
        Ok(result) => Outcome::Failure(result.output),
    }
}
