//! `outrigger system retry`: can a Pod be taken up now that could not be before?

use std::time::{Duration, SystemTime};

use hyper::Method;
use outrigger_api::{RETRY_ANNOTATION, Resource};
use serde_json::{Value, json};

use crate::client::{Ask, Client, Place};
use crate::failure::Failure;
use crate::screen;

/// How long the answer may take: a shim that does not answer is waited for.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
const MERGE_PATCH: &str = "application/merge-patch+json";

/// Has it tried again, and says what came of it.
pub(super) async fn retry(client: &Client, namespace: &str, pod: &str) -> Result<u8, Failure> {
    let name = pod
        .strip_prefix("pod/")
        .or(pod.strip_prefix("pods/"))
        .unwrap_or(pod);
    let place = Place::one(Resource::Pods, namespace, name);
    let before = client.json(Ask::get(place.clone())).await?;
    if !is_left(&before) {
        let line = format!("pod/{name} is taken up; there is nothing to try again\n");
        screen::output(line.as_bytes())?;
        return Ok(0);
    }
    let wish = json!({ "metadata": { "annotations": { RETRY_ANNOTATION: now_ns().to_string() } } });
    let mut ask = Ask::with(Method::PATCH, place.clone(), &wish);
    if let Some((media, _)) = &mut ask.body {
        *media = MERGE_PATCH;
    }
    client.json(ask).await?;
    let answered = answer(client, &place, &before);
    match tokio::time::timeout(ANSWERED_WITHIN, answered).await {
        Ok(after) => told(name, &after?),
        Err(_) => Err(Failure::say(format!(
            "pod/{name} is still being tried; `outrigger describe pod {name} -n {namespace}` tells what comes of it"
        ))),
    }
}

fn told(name: &str, after: &Value) -> Result<u8, Failure> {
    if !is_left(after) {
        screen::output(format!("pod/{name} is taken up\n").as_bytes())?;
        return Ok(0);
    }
    let message = after["status"]["message"].as_str().unwrap_or_default();
    Err(Failure::say(format!(
        "pod/{name} is not taken up: {message}"
    )))
}

/// The Pod as soon as it is shown otherwise than before.
async fn answer(client: &Client, place: &Place, before: &Value) -> Result<Value, Failure> {
    loop {
        let live = client.json(Ask::get(place.clone())).await?;
        if live["status"] != before["status"] {
            return Ok(live);
        }
        let version = live["metadata"]["resourceVersion"].as_str().unwrap_or("0");
        let ask = Ask::get(place.clone().with("resourceVersion", version));
        match client.watch(ask).await {
            Ok(mut lines) => {
                lines.next().await?;
            }
            Err(refusal) if refusal.reason() == Some("Expired") => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
}

fn is_left(pod: &Value) -> bool {
    pod["status"]["reason"] == "NotTakenUp"
}

fn now_ns() -> u128 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos())
}
