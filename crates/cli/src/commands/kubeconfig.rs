//! `outrigger kubeconfig`: what kubectl needs to find the daemon and be let in.

use std::io::ErrorKind;

use crate::args::Kubeconfig;
use crate::failure::Failure;
use crate::screen;

/// Prints the file.
pub(crate) fn kubeconfig(kubeconfig: &Kubeconfig) -> Result<u8, Failure> {
    let path = kubeconfig.path.display();
    let text = std::fs::read(&kubeconfig.path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::say(format!(
            "there is no {path}; the daemon writes it when it starts (`systemctl start outrigger` or \
             `outrigger daemon`)"
        )),
        ErrorKind::PermissionDenied => Failure::say(format!(
            "only root may read {path}; run the same command with sudo"
        )),
        _ => Failure::of(&format!("read {path}"), &error),
    })?;
    screen::output(&text)?;
    Ok(0)
}
