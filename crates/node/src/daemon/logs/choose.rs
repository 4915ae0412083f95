//! Which log is meant, and is there one? The kubelet's rules and words. Pure.

use outrigger_api::Refused;
use serde_json::Value;

/// Which of a container's instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pick {
    /// This one.
    Exactly(u32),
    /// The newest before this one.
    Below(u32),
    /// The newest that is not after this one.
    UpTo(u32),
}

/// The kinds of containers: where they stand in the spec, and their statuses.
const LISTS: [(&str, &str); 3] = [
    ("containers", "containerStatuses"),
    ("initContainers", "initContainerStatuses"),
    ("ephemeralContainers", "ephemeralContainerStatuses"),
];

fn names(object: &Value, list: &str) -> Vec<String> {
    let all = object["spec"][list].as_array().into_iter().flatten();
    all.filter_map(|container| container["name"].as_str().map(str::to_owned))
        .collect()
}

/// The container that is meant: the one that is named, else the default one, else the only one.
pub(crate) fn container_of(object: &Value, pod: &str, named: &str) -> Result<String, Refused> {
    let all: Vec<String> = LISTS
        .iter()
        .flat_map(|(list, _)| names(object, list))
        .collect();
    if !named.is_empty() {
        return match all.iter().any(|name| name == named) {
            true => Ok(named.to_owned()),
            false => Err(Refused::BadRequest(format!(
                "container {named} is not valid for pod {pod}"
            ))),
        };
    }
    let default = &object["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"];
    if let Some(default) = default
        .as_str()
        .filter(|name| all.iter().any(|one| one == name))
    {
        return Ok(default.to_owned());
    }
    let mains = names(object, "containers");
    let inits = names(object, "initContainers");
    match mains.as_slice() {
        [only] => Ok(only.clone()),
        _ => {
            let mut text = format!(
                "a container name must be specified for pod {pod}, choose one of: [{}]",
                mains.join(" ")
            );
            if !inits.is_empty() {
                text.push_str(&format!(
                    " or one of the init containers: [{}]",
                    inits.join(" ")
                ));
            }
            Err(Refused::BadRequest(text))
        }
    }
}

/// A container's status, if it has one yet.
pub(crate) fn status_of<'a>(object: &'a Value, container: &str) -> Option<&'a Value> {
    let all = LISTS
        .iter()
        .filter_map(|(_, list)| object["status"][list].as_array());
    all.flatten().find(|status| status["name"] == container)
}

/// The instance whose log is meant.
pub(super) fn pick(
    object: &Value,
    pod: &str,
    container: &str,
    previous: bool,
) -> Result<Pick, Refused> {
    let waiting = |why: &str| {
        let text = format!("container {container:?} in pod {pod:?} is waiting to start: {why}");
        Err(Refused::BadRequest(text))
    };
    let Some(status) = status_of(object, container) else {
        return match previous {
            true => Err(no_previous(container, pod)),
            false => waiting("ContainerCreating"),
        };
    };
    let count = status["restartCount"].as_u64().unwrap_or(0);
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    let (state, last) = (&status["state"], &status["lastState"]["terminated"]);
    let waits = state["waiting"].is_object();
    match (previous, last.is_object()) {
        (true, false) => Err(no_previous(container, pod)),
        // While it waits for its next start, the newest that ended is the one before.
        (_, true) if waits => Ok(Pick::UpTo(count)),
        (true, true) => Ok(Pick::Below(count)),
        (false, _) if state["running"].is_object() || state["terminated"].is_object() => {
            Ok(Pick::Exactly(count))
        }
        (false, _) => match state["waiting"]["reason"].as_str() {
            Some("ErrImagePull" | "ErrImageNeverPull") => waiting("image can't be pulled"),
            Some("ImagePullBackOff") => waiting("trying and failing to pull image"),
            Some(reason) => waiting(reason),
            None => waiting("no logs yet"),
        },
    }
}

/// There is no instance before the newest.
pub(super) fn no_previous(container: &str, pod: &str) -> Refused {
    Refused::BadRequest(format!(
        "previous terminated container {container:?} in pod {pod:?} not found"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(state: Value, last: Value) -> Value {
        json!({
            "metadata": { "annotations": {} },
            "spec": { "containers": [{ "name": "a" }, { "name": "b" }], "initContainers": [{ "name": "i" }] },
            "status": { "containerStatuses": [{ "name": "a", "restartCount": 2, "state": state, "lastState": last }] },
        })
    }

    fn said<T: std::fmt::Debug>(result: Result<T, Refused>) -> String {
        match result {
            Err(Refused::BadRequest(text)) => text,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_container_must_be_named_where_there_are_several_and_no_default() {
        let mut object = pod(json!({}), json!({}));
        assert_eq!(
            said(container_of(&object, "p", "")),
            "a container name must be specified for pod p, choose one of: [a b] or one of the init containers: [i]"
        );
        assert_eq!(container_of(&object, "p", "i"), Ok("i".to_owned()));
        assert_eq!(
            said(container_of(&object, "p", "x")),
            "container x is not valid for pod p"
        );
        object["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] = json!("b");
        assert_eq!(container_of(&object, "p", ""), Ok("b".to_owned()));
    }

    #[test]
    fn the_log_is_that_of_the_newest_instance_that_has_one() {
        let (running, ended) = (json!({ "running": {} }), json!({ "terminated": {} }));
        let waiting = json!({ "waiting": { "reason": "CrashLoopBackOff" } });
        for (state, last, previous, expected) in [
            (&running, json!({}), false, Pick::Exactly(2)),
            (&running, ended.clone(), true, Pick::Below(2)),
            (&ended, json!({}), false, Pick::Exactly(2)),
            (&waiting, ended.clone(), false, Pick::UpTo(2)),
            (&waiting, ended.clone(), true, Pick::UpTo(2)),
        ] {
            let object = pod(state.clone(), last);
            assert_eq!(
                pick(&object, "p", "a", previous),
                Ok(expected),
                "{state} {previous}"
            );
        }
    }

    #[test]
    fn who_asks_too_early_is_told_in_the_kubelets_words() {
        let object = pod(
            json!({ "waiting": { "reason": "PodInitializing" } }),
            json!({}),
        );
        assert_eq!(
            said(pick(&object, "p", "a", false)),
            "container \"a\" in pod \"p\" is waiting to start: PodInitializing"
        );
        assert_eq!(
            said(pick(&object, "p", "a", true)),
            "previous terminated container \"a\" in pod \"p\" not found"
        );
        assert_eq!(
            said(pick(&object, "p", "b", false)),
            "container \"b\" in pod \"p\" is waiting to start: ContainerCreating"
        );
    }
}
