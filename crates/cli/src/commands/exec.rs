//! `outrigger exec` and `outrigger attach`: a command in a running container, or what runs in it.

use outrigger_api::Resource;
use serde_json::Value;

use super::session::session;
use crate::args::{Attach, Exec, Places, Streams};
use crate::client::{Ask, Client, Place};
use crate::failure::Failure;
use crate::kinds;

/// Names the container that is meant when none is named.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// Runs a command in a container; its exit code is ours.
pub(crate) fn exec(places: &Places, exec: &Exec) -> Result<u8, Failure> {
    let client = Client::of(places)?;
    Client::run(async {
        let (place, container) = choose(&client, &exec.pod, &exec.streams).await?;
        let mut place = place.below("exec").with("container", container);
        for word in &exec.command {
            place = place.with("command", word);
        }
        session(&client, place, &exec.streams).await
    })
}

/// Takes part in a container's streams.
pub(crate) fn attach(places: &Places, attach: &Attach) -> Result<u8, Failure> {
    let client = Client::of(places)?;
    Client::run(async {
        let (place, container) = choose(&client, &attach.pod, &attach.streams).await?;
        let place = place.below("attach").with("container", container);
        if attach.streams.stdin && !attach.streams.quiet {
            crate::screen::error("If you don't see a command prompt, try pressing enter.");
        }
        session(&client, place, &attach.streams).await
    })
}

/// The Pod's place, and its container.
async fn choose(client: &Client, pod: &str, streams: &Streams) -> Result<(Place, String), Failure> {
    let place = Place::one(Resource::Pods, &streams.namespace.name, kinds::pod(pod)?);
    let pod = client.json(Ask::get(place.clone())).await?;
    let container = match &streams.container {
        Some(container) => container.clone(),
        None => default_container(&pod, streams.quiet)?,
    };
    if matches!(
        pod["status"]["phase"].as_str(),
        Some("Succeeded" | "Failed")
    ) {
        return Err(Failure::say(format!(
            "cannot exec into a container in a completed pod; current phase is {}",
            pod["status"]["phase"].as_str().unwrap_or_default()
        )));
    }
    Ok((place, container))
}

/// The container that is meant when none is named; it is said which one.
pub(super) fn default_container(pod: &Value, is_quiet: bool) -> Result<String, Failure> {
    let names = containers(pod);
    let Some((first, _)) = names.iter().find(|(_, kind)| kind.is_empty()) else {
        return Err(Failure::say("the pod has no containers"));
    };
    if let Some(wanted) = pod["metadata"]["annotations"][DEFAULT_CONTAINER].as_str()
        && names.iter().any(|(name, _)| name == wanted)
    {
        return Ok(wanted.to_owned());
    }
    if names.len() > 1 && !is_quiet {
        let all: Vec<String> = names
            .iter()
            .map(|(name, kind)| format!("{name}{kind}"))
            .collect();
        crate::screen::error(&format!(
            "Defaulted container {first:?} out of: {}",
            all.join(", ")
        ));
    }
    Ok(first.clone())
}

/// The names of a Pod's containers, with what they are if they are no ordinary ones.
pub(super) fn containers(pod: &Value) -> Vec<(String, &'static str)> {
    let lists = [
        ("containers", ""),
        ("initContainers", " (init)"),
        ("ephemeralContainers", " (ephem)"),
    ];
    let of = |(field, kind): (&str, &'static str)| {
        let list = pod["spec"][field].as_array().cloned().unwrap_or_default();
        list.into_iter()
            .filter_map(move |each| Some((each["name"].as_str()?.to_owned(), kind)))
    };
    lists.into_iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_annotation_chooses_the_container_and_else_it_is_the_first() {
        let mut pod = json!({ "metadata": {}, "spec": {
            "initContainers": [{ "name": "prepare" }], "containers": [{ "name": "app" }, { "name": "log" }],
        } });
        assert_eq!(default_container(&pod, true).unwrap(), "app");
        pod["metadata"]["annotations"] = json!({ DEFAULT_CONTAINER: "log" });
        assert_eq!(default_container(&pod, true).unwrap(), "log");
        pod["metadata"]["annotations"] = json!({ DEFAULT_CONTAINER: "nobody" });
        assert_eq!(default_container(&pod, true).unwrap(), "app");
    }
}
