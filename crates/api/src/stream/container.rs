//! Which container of a Pod is meant by a request that may not name one?

use serde_json::Value;

use crate::{Failure, Reason};

/// The container's name, in the API server's words if there is none to choose.
pub(crate) fn choose(pod: &Value, wanted: &str) -> Result<String, Failure> {
    let names = |field: &str| -> Vec<&str> {
        let list = pod.pointer(field).and_then(Value::as_array);
        let list = list.map(Vec::as_slice).unwrap_or_default();
        list.iter()
            .filter_map(|container| container["name"].as_str())
            .collect()
    };
    let containers = names("/spec/containers");
    let init = names("/spec/initContainers");
    let ephemeral = names("/spec/ephemeralContainers");
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    if !wanted.is_empty() {
        let mut all = containers.iter().chain(&init).chain(&ephemeral);
        return if all.any(|each| *each == wanted) {
            Ok(wanted.to_owned())
        } else {
            Err(Failure::new(
                Reason::BadRequest,
                format!("container {wanted} is not valid for pod {name}"),
            ))
        };
    }
    // Init containers and those that were added to debug are never what is meant.
    if let [only] = containers.as_slice() {
        return Ok((*only).to_owned());
    }
    let mut message = format!(
        "a container name must be specified for pod {name}, choose one of: [{}]",
        containers.join(" ")
    );
    for (kind, names) in [("init", init), ("ephemeral", ephemeral)] {
        if !names.is_empty() {
            message.push_str(&format!(
                " or one of the {kind} containers: [{}]",
                names.join(" ")
            ));
        }
    }
    Err(Failure::new(Reason::BadRequest, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_only_container_needs_no_name_and_others_must_exist() {
        let one =
            json!({ "metadata": { "name": "web" }, "spec": { "containers": [{ "name": "app" }] } });
        assert_eq!(choose(&one, "").unwrap(), "app");
        let mut more = one.clone();
        more["spec"]["initContainers"] = json!([{ "name": "init" }]);
        more["spec"]["ephemeralContainers"] = json!([{ "name": "debugger" }]);
        assert_eq!(choose(&more, "").unwrap(), "app");
        assert_eq!(
            choose(&one, "nope").unwrap_err().message,
            "container nope is not valid for pod web"
        );
        let two = json!({ "metadata": { "name": "web" }, "spec": {
            "containers": [{ "name": "app" }, { "name": "log" }], "initContainers": [{ "name": "proxy" }],
        } });
        assert_eq!(choose(&two, "proxy").unwrap(), "proxy");
        assert_eq!(
            choose(&two, "").unwrap_err().message,
            "a container name must be specified for pod web, choose one of: [app log] or one of the init containers: [proxy]"
        );
    }
}
