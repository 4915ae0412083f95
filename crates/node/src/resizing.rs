//! How do the limits of what runs change? In its cgroup and in the Pod's, in the order that the kernel
//! accepts: a container's share never exceeds its Pod's.

use std::sync::Arc;

use outrigger_lifecycle::Fact;
use outrigger_pod::Slot;

use crate::hands::{Hands, chain};
use crate::sandbox;

/// Gives an instance the limits of the manifest as it is now, and reports how that went.
pub(crate) async fn resize(hands: Arc<Hands>, slot: Slot, attempt: u32) {
    let result = try_resize(&hands, slot, attempt).await;
    hands.report(Fact::Resized {
        slot,
        attempt,
        result,
    });
}

async fn try_resize(hands: &Hands, slot: Slot, attempt: u32) -> Result<(), String> {
    let shim = hands.shim().ok_or("the pod's shim is gone")?;
    let (id, _) = hands
        .instance(slot, attempt)
        .ok_or("the container is gone")?;
    let own = outrigger_bundle::container_limits(&hands.pod(), slot)
        .map_err(|error| chain(&error))
        .and_then(|own| serde_json::to_value(own).map_err(|error| error.to_string()))?;
    let whole = sandbox::limits(hands)?;
    // More is first the Pod's; less can become the Pod's only when no container has more.
    let grown = shim.update(None, whole.clone()).await;
    let mut warnings = shim
        .update(Some(id), own)
        .await
        .map_err(|error| error.to_string())?;
    warnings.extend(match grown {
        Ok(warnings) => warnings,
        Err(_) => shim
            .update(None, whole)
            .await
            .map_err(|error| error.to_string())?,
    });
    warnings.into_iter().for_each(|warning| hands.warn(warning));
    Ok(())
}
