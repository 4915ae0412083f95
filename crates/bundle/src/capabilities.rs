//! Which capabilities does a container get?

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1 as core;
use oci_spec::runtime::{Capability, LinuxCapabilities, LinuxCapabilitiesBuilder};

use crate::error::BundleError;

/// What a container has that asks for nothing: the smallest set in use by container engines. No raw
/// sockets, no device nodes, no file capabilities, no chroot.
const DEFAULT: [&str; 9] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "SETGID",
    "SETPCAP",
    "SETUID",
];

/// The capabilities of a container that runs as `uid`. `all` are those that may be handed on.
pub(crate) fn capabilities(
    context: Option<&core::SecurityContext>,
    all: &[String],
    uid: u32,
) -> Result<LinuxCapabilities, BundleError> {
    let asked = context.and_then(|context| context.capabilities.as_ref());
    let add = asked
        .and_then(|asked| asked.add.as_deref())
        .unwrap_or_default();
    let drop = asked
        .and_then(|asked| asked.drop.as_deref())
        .unwrap_or_default();
    let privileged = context.and_then(|context| context.privileged) == Some(true);
    let all = all
        .iter()
        .map(|name| plain(name))
        .collect::<BTreeSet<String>>();

    let mut set: BTreeSet<String> = if privileged || add.iter().any(|name| is_all(name)) {
        all.clone()
    } else if drop.iter().any(|name| is_all(name)) {
        BTreeSet::new()
    } else {
        DEFAULT.iter().map(|name| (*name).to_owned()).collect()
    };
    if !privileged {
        for name in drop.iter().filter(|name| !is_all(name)) {
            known(name, "drop")?;
            set.remove(&plain(name));
        }
        for name in add.iter().filter(|name| !is_all(name)) {
            known(name, "add")?;
            set.insert(plain(name));
        }
    }
    let set = set
        .iter()
        .map(|name| known(name, "add"))
        .collect::<Result<std::collections::HashSet<_>, _>>()?;
    let used = if uid == 0 {
        set.clone()
    } else {
        Default::default()
    };
    let builder = LinuxCapabilitiesBuilder::default()
        .bounding(set)
        .effective(used.clone())
        .permitted(used)
        .inheritable(std::collections::HashSet::new())
        .ambient(std::collections::HashSet::new());
    Ok(builder.build()?)
}

fn is_all(name: &str) -> bool {
    name.eq_ignore_ascii_case("ALL") || name.eq_ignore_ascii_case("CAP_ALL")
}

/// The name in capitals without `CAP_`.
fn plain(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    upper
        .strip_prefix("CAP_")
        .map(str::to_owned)
        .unwrap_or(upper)
}

fn known(name: &str, operation: &'static str) -> Result<Capability, BundleError> {
    plain(name).parse().map_err(|_| BundleError::Capability {
        name: name.to_owned(),
        operation,
    })
}

#[cfg(test)]
mod tests;
