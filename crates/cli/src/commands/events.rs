//! `outrigger events`: what has happened to objects.

use outrigger_api::Resource;
use serde_json::Value;

use super::get::items;
use crate::args::{Events, Places};
use crate::client::{Ask, Client, Place};
use crate::failure::Failure;
use crate::print::ago;
use crate::print::columns::{Columns, cell};
use crate::{kinds, screen};

/// Prints Events, the newest last.
pub(crate) fn events(places: &Places, events: &Events) -> Result<u8, Failure> {
    let client = Client::of(places)?;
    let namespace = (!events.all_namespaces).then_some(events.namespace.name.as_str());
    let place = Place::all(Resource::Events, namespace).with_some("fieldSelector", of(events)?);
    Client::run(async {
        let list = client.json(Ask::get(place.clone())).await?;
        let version = list["metadata"]["resourceVersion"].as_str();
        let version = version.unwrap_or("0").to_owned();
        let mut found = items(list);
        found.retain(|event| is_wanted(events, event));
        found.sort_by_key(ago::order);
        if found.is_empty() && !events.watch {
            screen::error(&match namespace {
                Some(name) => format!("No events found in {name} namespace."),
                None => "No events found.".to_owned(),
            });
            return Ok(0);
        }
        let mut columns = Columns::default();
        let mut rows = Vec::new();
        if !events.no_headers {
            rows.push(headers(events));
        }
        rows.extend(found.iter().map(|event| row(events, event)));
        screen::output(columns.rows(&rows).as_bytes())?;
        if !events.watch {
            return Ok(0);
        }
        let mut lines = client
            .watch(Ask::get(place.with("resourceVersion", version)))
            .await?;
        while let Some((kind, event)) = lines.next().await? {
            if kind != "DELETED" && is_wanted(events, &event) {
                screen::output(columns.rows(&[row(events, &event)]).as_bytes())?;
            }
        }
        Ok(0)
    })
}

/// The selector for the one object that is asked for.
fn of(events: &Events) -> Result<Option<String>, Failure> {
    let Some(word) = &events.of else {
        return Ok(None);
    };
    let target = kinds::one(word)?;
    Ok(Some(format!(
        "involvedObject.kind={},involvedObject.name={}",
        target.resource.kind(),
        target.name.unwrap_or_default()
    )))
}

fn is_wanted(events: &Events, event: &Value) -> bool {
    let kind = event["type"].as_str().unwrap_or_default();
    let mut wanted = events.types.iter();
    events.types.is_empty() || wanted.any(|wanted| wanted.eq_ignore_ascii_case(kind))
}

fn headers(events: &Events) -> Vec<String> {
    let all = [
        "NAMESPACE",
        "LAST SEEN",
        "TYPE",
        "REASON",
        "OBJECT",
        "MESSAGE",
    ];
    let from = usize::from(!events.all_namespaces);
    all[from..].iter().map(|name| (*name).to_owned()).collect()
}

fn row(events: &Events, event: &Value) -> Vec<String> {
    let object = &event["involvedObject"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut row = vec![
        ago::event(event, ago::now()),
        cell(&event["type"]),
        cell(&event["reason"]),
        format!("{}/{}", text(&object["kind"]), text(&object["name"])),
        cell(&text(&event["message"]).trim().into()),
    ];
    if events.all_namespaces {
        row.insert(0, text(&event["metadata"]["namespace"]));
    }
    row
}
