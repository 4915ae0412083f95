//! How is a lifecycle hook run?

use std::sync::Arc;
use std::time::Duration;

use outrigger_lifecycle::{HookKind, Time};
use outrigger_pod::{HookAction, Slot};
use outrigger_wire::Exec;

use crate::clock::now;
use crate::hands::Hands;
use crate::probe;
use crate::probing::{self, OUTPUT_LIMIT};

/// Runs a hook to its end. Nothing bounds its time but the container's own. One that was begun by an
/// earlier node is not begun again, unless it is a request.
pub(crate) async fn run(
    hands: &Arc<Hands>,
    (slot, attempt): (Slot, u32),
    hook: HookKind,
    began: Option<Time>,
) -> Result<(), String> {
    let pod = hands.pod();
    let lifecycle = &pod[slot].lifecycle;
    let action = match hook {
        HookKind::PostStart => lifecycle.post_start.as_ref(),
        HookKind::PreStop => lifecycle.pre_stop.as_ref(),
    };
    match action {
        None => Ok(()),
        Some(HookAction::Exec { command }) => {
            exec(hands, (slot, attempt), command, token(hook)).await
        }
        Some(HookAction::HttpGet(get)) => {
            let sockets = probing::sockets(hands).ok_or("the pod's shim is gone")?;
            probe::hook(&sockets, get).await
        }
        Some(HookAction::Sleep { seconds }) => {
            let slept = began.map_or(Duration::ZERO, |began| now() - began);
            tokio::time::sleep(Duration::from_secs(*seconds).saturating_sub(slept)).await;
            Ok(())
        }
        Some(HookAction::TcpSocket) => {
            Err("tcpSocket hooks are accepted but cannot be run".to_owned())
        }
    }
}

/// By this name the shim knows a hook's command, and carries it out once.
fn token(hook: HookKind) -> &'static str {
    match hook {
        HookKind::PostStart => "post-start",
        HookKind::PreStop => "pre-stop",
    }
}

async fn exec(
    hands: &Arc<Hands>,
    (slot, attempt): (Slot, u32),
    command: &[String],
    token: &str,
) -> Result<(), String> {
    let shim = hands.shim().ok_or("the pod's shim is gone")?;
    let (container, _) = hands
        .instance(slot, attempt)
        .ok_or("the container is gone")?;
    let exec = Exec {
        container,
        args: command.to_vec(),
        timeout_ms: None,
        output_limit: OUTPUT_LIMIT,
        token: Some(token.to_owned()),
    };
    let result = shim.exec(exec).await.map_err(|error| error.to_string())?;
    match result.code {
        0 => Ok(()),
        code => {
            let output = result.output.trim();
            let colon = if output.is_empty() { "" } else { ": " };
            Err(format!("its command exited with {code}{colon}{output}"))
        }
    }
}
