//! May this ConfigMap, Secret, Namespace, ServiceAccount, Event or Node be kept, and replace that one?

use k8s_openapi::api::core::v1 as core;

use super::{changes, metadata};
use crate::defaults;
use crate::validate::{self, Field, Findings, Invalid};

const IMMUTABLE: &str = "field is immutable when `immutable` is set";

/// Admits a ConfigMap, new or in the place of `old`, and returns it defaulted.
///
/// # Errors
/// Every rule that it breaks.
pub fn config_map(
    old: Option<&core::ConfigMap>,
    mut new: core::ConfigMap,
) -> Result<core::ConfigMap, Vec<Invalid>> {
    let mut out = Findings::default();
    if let Some(old) = old {
        metadata::replace(&old.metadata, &mut new.metadata, &mut out);
        if old.immutable == Some(true) {
            let binary = changes::between("", &old.binary_data, &new.binary_data);
            frozen(
                new.immutable,
                &[
                    ("data", old.data == new.data),
                    ("binaryData", binary.is_empty()),
                ],
                &mut out,
            );
        }
    }
    defaults::metadata(&mut new.metadata);
    out.found.extend(validate::config_map(&new));
    result(new, out)
}

/// Admits a Secret, new or in the place of `old`, and returns it defaulted, `stringData` in `data`.
///
/// # Errors
/// Every rule that it breaks.
pub fn secret(
    old: Option<&core::Secret>,
    mut new: core::Secret,
) -> Result<core::Secret, Vec<Invalid>> {
    let mut out = Findings::default();
    new.type_ = new.type_.take().filter(|kind| !kind.is_empty());
    if let Some(old) = old {
        metadata::replace(&old.metadata, &mut new.metadata, &mut out);
        // Left out is as it was.
        new.type_ = new.type_.take().or_else(|| old.type_.clone());
    }
    defaults::secret(&mut new);
    if let Some(old) = old {
        if old.type_ != new.type_ {
            let found = new.type_.as_deref().unwrap_or_default();
            metadata::immutable(&Field::root("type"), found, &mut out);
        }
        if old.immutable == Some(true) {
            let same = changes::between("", &old.data, &new.data).is_empty();
            frozen(new.immutable, &[("data", same)], &mut out);
        }
    }
    out.found.extend(validate::secret(&new));
    result(new, out)
}

/// Admits a Namespace, new or in the place of `old`.
///
/// # Errors
/// Every rule that it breaks.
pub fn namespace(
    old: Option<&core::Namespace>,
    mut new: core::Namespace,
) -> Result<core::Namespace, Vec<Invalid>> {
    let mut out = Findings::default();
    if let Some(old) = old {
        metadata::replace(&old.metadata, &mut new.metadata, &mut out);
    }
    out.found.extend(validate::namespace(&new));
    result(new, out)
}

/// Admits a ServiceAccount, new or in the place of `old`.
///
/// # Errors
/// Every rule that it breaks.
pub fn service_account(
    old: Option<&core::ServiceAccount>,
    mut new: core::ServiceAccount,
) -> Result<core::ServiceAccount, Vec<Invalid>> {
    let mut out = Findings::default();
    if let Some(old) = old {
        metadata::replace(&old.metadata, &mut new.metadata, &mut out);
    }
    defaults::metadata(&mut new.metadata);
    out.found.extend(validate::service_account(&new));
    result(new, out)
}

/// Admits an Event, new or in the place of `old`.
///
/// # Errors
/// Every rule that it breaks.
pub fn event(old: Option<&core::Event>, mut new: core::Event) -> Result<core::Event, Vec<Invalid>> {
    let mut out = Findings::default();
    if let Some(old) = old {
        metadata::replace(&old.metadata, &mut new.metadata, &mut out);
    }
    defaults::metadata(&mut new.metadata);
    out.found.extend(validate::event(&new));
    result(new, out)
}

/// Admits a Node in the place of `old`.
///
/// # Errors
/// Every rule that it breaks.
pub fn node(old: &core::Node, mut new: core::Node) -> Result<core::Node, Vec<Invalid>> {
    let mut out = Findings::default();
    metadata::replace(&old.metadata, &mut new.metadata, &mut out);
    out.found.extend(validate::node(&new));
    result(new, out)
}

/// What was made immutable stays as it is, and immutable.
fn frozen(immutable: Option<bool>, parts: &[(&str, bool)], out: &mut Findings) {
    if immutable != Some(true) {
        out.forbidden(&Field::root("immutable"), IMMUTABLE);
    }
    for (word, _) in parts.iter().filter(|(_, same)| !same) {
        out.forbidden(&Field::root(word), IMMUTABLE);
    }
}

fn result<T>(object: T, out: Findings) -> Result<T, Vec<Invalid>> {
    if out.found.is_empty() {
        Ok(object)
    } else {
        Err(out.found)
    }
}
