//! Which fields does a Pod have anywhere, so that a misplaced one can be sent home?
//!
//! The Kubernetes types name their fields to serde, so a walk through a made-up value that has all
//! of them yields the whole schema without a second list to keep.

mod walk;

use std::sync::OnceLock;

use super::Path;
use super::edit_distance::nearest;

/// Every field of a Pod: the shape of the object that has it, such as `spec.containers[]`, and its
/// name.
pub(crate) fn of_pod() -> &'static [(String, &'static str)] {
    static FIELDS: OnceLock<Vec<(String, &'static str)>> = OnceLock::new();
    FIELDS.get_or_init(|| walk::fields::<k8s_openapi::api::core::v1::Pod>("Pod"))
}

/// What to say about the unknown field `key` of the object at `path`, whose fields are `fields`.
pub(crate) fn suggest(kind: &str, path: &Path, key: &str, fields: &[&str]) -> Option<String> {
    let shape = path.shape();
    if kind == "Pod"
        && let Some(home) = home_of(&shape, key)
    {
        let home = if home.is_empty() {
            "the top level".to_owned()
        } else {
            format!("`{home}`")
        };
        return Some(format!("`{key}` belongs to {home}"));
    }
    if let Some(meant) = nearest(key, fields.iter().copied()) {
        return Some(format!("did you mean `{meant}`?"));
    }
    (fields.len() <= 12).then(|| format!("known fields are {}", fields.join(", ")))
}

/// The shape of the nearest object above, below or beside `shape` that has a field `key`, if there
/// is exactly one nearest.
fn home_of(shape: &str, key: &str) -> Option<String> {
    let fields = of_pod();
    let candidates = fields.iter().filter(|(home, name)| {
        let is_rare = home.starts_with("status")
            || home.starts_with("spec.initContainers[]")
            || home.starts_with("spec.ephemeralContainers[]")
            || home.starts_with("metadata.");
        *name == key && home != shape && !is_rare
    });
    let mut near: Vec<(usize, &String)> = candidates
        .map(|(home, _)| (steps_between(shape, home), home))
        .filter(|(steps, _)| *steps <= 3)
        .collect();
    near.sort();
    let best = near.first()?.0;
    near.retain(|(steps, _)| *steps == best);
    let in_container = near
        .iter()
        .find(|(_, home)| home.as_str() == "spec.containers[]");
    match (near.as_slice(), in_container) {
        ([(_, home)], _) | (_, Some((_, home))) => Some((*home).clone()),
        _ => None,
    }
}

fn steps_between(from: &str, to: &str) -> usize {
    let from = from.replace("spec.initContainers[]", "spec.containers[]");
    let parts = |shape: &str| -> Vec<String> {
        shape
            .split('.')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let (from, to) = (parts(&from), parts(to));
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    from.len() + to.len() - 2 * shared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_schema_is_found() {
        let fields = of_pod();
        for field in [
            ("spec.containers[].livenessProbe.grpc", "port"),
            ("metadata", "labels"),
            ("", "status"),
        ] {
            assert!(
                fields
                    .iter()
                    .any(|(home, name)| (home.as_str(), *name) == field),
                "{field:?}"
            );
        }
        assert!(fields.len() > 500, "{}", fields.len());
    }

    #[test]
    fn a_misplaced_field_is_sent_home() {
        for (shape, key, home) in [
            ("spec", "livenessProbe", Some("spec.containers[]")),
            ("metadata", "restartPolicy", Some("spec")),
            ("spec.containers[]", "volumes", Some("spec")),
            (
                "spec.initContainers[]",
                "runAsUser",
                Some("spec.containers[].securityContext"),
            ),
            ("spec", "image", Some("spec.containers[]")),
            ("", "containers", Some("spec")),
            ("spec", "nonsense", None),
        ] {
            assert_eq!(home_of(shape, key).as_deref(), home, "{shape} {key}");
        }
    }
}
