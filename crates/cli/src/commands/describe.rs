//! `outrigger describe`: all about objects, and what has happened to them.

use outrigger_api::Resource;
use serde_json::Value;

use super::get::{items, list};
use crate::args::{Describe, Places};
use crate::client::{Ask, Client, Place};
use crate::describe::lines::Lines;
use crate::describe::{events, pod};
use crate::failure::Failure;
use crate::print::{ago, columns, yaml};
use crate::{kinds, screen};

/// Describes objects.
pub(crate) fn describe(places: &Places, describe: &Describe) -> Result<u8, Failure> {
    let client = Client::of(places)?;
    Client::run(async {
        let mut texts = Vec::new();
        for target in kinds::targets(&describe.what)? {
            let place = match &target.name {
                Some(name) => Place::one(target.resource, &describe.namespace.name, name),
                None => list(
                    target.resource,
                    &describe.selection,
                    &describe.namespace.name,
                ),
            };
            let answer = client.json(Ask::get(place)).await?;
            let objects = match target.name {
                Some(_) => vec![answer],
                None => items(answer),
            };
            for object in objects {
                texts.push(text(&client, target.resource, &object).await?);
            }
        }
        if texts.is_empty() {
            screen::error("No resources found");
        }
        screen::output(columns::harmless(&texts.join("\n\n")).as_bytes())?;
        Ok(0)
    })
}

async fn text(client: &Client, resource: Resource, object: &Value) -> Result<String, Failure> {
    let metadata = &object["metadata"];
    let selector = format!(
        "involvedObject.name={},involvedObject.uid={}",
        metadata["name"].as_str().unwrap_or_default(),
        metadata["uid"].as_str().unwrap_or_default(),
    );
    let namespace = metadata["namespace"].as_str();
    let place = Place::all(Resource::Events, namespace).with("fieldSelector", selector);
    let happened = items(client.json(Ask::get(place)).await?);
    let now = ago::now();
    let body = match resource {
        Resource::Pods => return Ok(pod::text(object, happened, now)),
        Resource::Secrets => yaml::text(&without_values(object)),
        _ => yaml::text(object),
    };
    let mut lines = Lines::default();
    events::events(happened, now, &mut lines);
    Ok(format!("{body}{}", lines.text()))
}

/// A Secret with the lengths of what it keeps.
fn without_values(secret: &Value) -> Value {
    let mut secret = secret.clone();
    if let Some(data) = secret["data"].as_object_mut() {
        for value in data.values_mut() {
            let text = value.as_str().unwrap_or_default();
            let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count();
            *value = format!("{} bytes", (text.len() / 4 * 3).saturating_sub(padding)).into();
        }
    }
    if let Some(annotations) = secret["metadata"]["annotations"].as_object_mut() {
        // It holds the same once more.
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
    secret
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::without_values;

    #[test]
    fn a_secret_is_described_without_what_it_keeps() {
        let secret = without_values(&json!({ "metadata": {}, "data": { "a": "aGVsbG8=" } }));
        assert_eq!(secret["data"]["a"], "5 bytes");
    }
}
