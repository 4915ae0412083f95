//! `outrigger wait`: until something is the case.

use std::time::Duration;

use outrigger_api::Resource;
use serde_json::Value;

use super::delete::until_gone;
use super::get::{items, list};
use crate::args::{Places, Wait};
use crate::client::{Ask, Client, Place};
use crate::failure::Failure;
use crate::print::jsonpath::{Template, plain};
use crate::{duration, kinds, screen};

/// What a negative time-out means.
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long an object that is not there yet is not looked for again.
const PAUSE: Duration = Duration::from_millis(200);

/// What is waited for.
#[derive(Debug, PartialEq, Eq)]
enum Until {
    Gone,
    There,
    Condition(String, String),
    /// A value, or any if none is named.
    Value(Template, Option<String>),
}

/// Waits.
pub(crate) fn wait(places: &Places, wait: &Wait) -> Result<u8, Failure> {
    let client = Client::of(places)?;
    let until = parse(&wait.until)?;
    let limit = limit(&wait.timeout)?;
    Client::run(async {
        let targets = targets(&client, wait, &until).await?;
        let deadline = tokio::time::Instant::now() + limit;
        let mut failures = Vec::new();
        for (resource, namespace, name) in targets {
            let place = Place::one(resource, &namespace, &name);
            let what = (kinds::singular(resource), resource.plural(), name.as_str());
            let waiting = one(&client, &place, &until, limit.is_zero());
            let met = match tokio::time::timeout_at(deadline, waiting).await {
                Ok(met) => met?,
                Err(_) => false,
            };
            if met {
                let line = format!("{}/{} condition met\n", what.0, what.2);
                screen::output(line.as_bytes())?;
            } else {
                failures.push(format!(
                    "error: timed out waiting for the condition on {}/{}",
                    what.1, what.2
                ));
            }
        }
        match failures.is_empty() {
            true => Ok(0),
            false => Err(Failure(failures.join("\n"))),
        }
    })
}

fn limit(text: &str) -> Result<Duration, Failure> {
    match text {
        negative if negative.starts_with('-') => Ok(WEEK),
        "0" | "0s" => Ok(Duration::ZERO),
        text => duration::parse(text).map_err(Failure::say),
    }
}

/// Reads `--for`.
fn parse(text: &str) -> Result<Until, Failure> {
    if let Some(condition) = text.strip_prefix("condition=") {
        let (name, value) = condition.split_once('=').unwrap_or((condition, "true"));
        return Ok(Until::Condition(name.to_owned(), value.to_owned()));
    }
    if let Some(path) = text.strip_prefix("jsonpath=") {
        let close = path.rfind('}').map_or(0, |at| at + 1);
        let (template, value) = match path[close..].split_once('=') {
            Some((rest, value)) => (format!("{}{rest}", &path[..close]), Some(value)),
            None => (path.to_owned(), None),
        };
        let template = Template::parse(template.trim_matches('\'')).map_err(Failure::say)?;
        let value = value.map(|value| value.trim_matches(['\'', '"']).to_owned());
        return Ok(Until::Value(template, value));
    }
    match text {
        "delete" => Ok(Until::Gone),
        "create" => Ok(Until::There),
        _ => Err(Failure::say(format!(
            "unrecognized condition: {text:?}; wait --for takes condition=NAME[=VALUE], delete, create or \
             jsonpath='{{TEMPLATE}}'[=VALUE]"
        ))),
    }
}

async fn targets(
    client: &Client,
    wait: &Wait,
    until: &Until,
) -> Result<Vec<(Resource, String, String)>, Failure> {
    let mut all = Vec::new();
    for target in kinds::targets(&wait.what)? {
        if let Some(name) = target.name {
            all.push((target.resource, wait.namespace.name.clone(), name));
            continue;
        }
        let selection = &wait.selection;
        if !wait.all && selection.labels.is_none() && selection.fields.is_none() {
            return Err(Failure::say(
                "resource(s) were provided, but no name was specified; name them, or give --all or a selector",
            ));
        }
        let place = list(target.resource, selection, &wait.namespace.name);
        let found = items(client.json(Ask::get(place)).await?);
        if found.is_empty() && *until != Until::Gone {
            return Err(Failure::say("no matching resources found"));
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        all.extend(found.iter().map(|object| {
            let metadata = &object["metadata"];
            (
                target.resource,
                text(&metadata["namespace"]),
                text(&metadata["name"]),
            )
        }));
    }
    Ok(all)
}

/// Waits for one object; false if it is only to be looked at, and is not as wanted.
async fn one(
    client: &Client,
    place: &Place,
    until: &Until,
    only_look: bool,
) -> Result<bool, Failure> {
    if *until == Until::Gone && !only_look {
        until_gone(client, place, None).await?;
        return Ok(true);
    }
    loop {
        let live = match client.json(Ask::get(place.clone())).await {
            Ok(live) => live,
            Err(refusal) if refusal.is_not_found() && *until == Until::Gone => return Ok(true),
            Err(refusal) if refusal.is_not_found() && *until == Until::There && !only_look => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            Err(refusal) => return Err(refusal.into()),
        };
        if is_so(until, &live) {
            return Ok(true);
        }
        if only_look {
            return Ok(false);
        }
        let version = live["metadata"]["resourceVersion"].as_str().unwrap_or("0");
        let ask = Ask::get(place.clone().with("resourceVersion", version));
        match client.watch(ask).await {
            Ok(mut lines) => {
                while let Some((kind, object)) = lines.next().await? {
                    if kind != "DELETED" && is_so(until, &object) {
                        return Ok(true);
                    }
                }
            }
            // The version was gone already; it is looked at again.
            Err(refusal) if refusal.reason() == Some("Expired") => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
}

fn is_so(until: &Until, object: &Value) -> bool {
    match until {
        Until::Gone => false,
        Until::There => true,
        Until::Condition(name, wanted) => {
            let conditions = object["status"]["conditions"].as_array();
            conditions.into_iter().flatten().any(|condition| {
                let text = |field: &str| condition[field].as_str().unwrap_or_default();
                text("type").eq_ignore_ascii_case(name)
                    && text("status").eq_ignore_ascii_case(wanted)
            })
        }
        Until::Value(template, wanted) => {
            let found = template.find(object);
            match wanted {
                Some(wanted) => found.iter().any(|value| plain(value) == *wanted),
                None => !found.is_empty(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conditions_and_values_are_compared_as_kubectl_compares_them() {
        let pod = json!({ "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] } });
        for (text, expected) in [
            ("condition=Ready", true),
            ("condition=ready=true", true),
            ("condition=Ready=False", false),
            ("condition=Other", false),
            ("jsonpath={.status.phase}=Running", true),
            ("jsonpath='{.status.phase}'=Pending", false),
            ("jsonpath={.status.phase}", true),
            ("jsonpath={.status.podIP}", false),
            (
                "jsonpath={.status.conditions[?(@.type==\"Ready\")].status}=True",
                true,
            ),
            ("create", true),
        ] {
            assert_eq!(is_so(&parse(text).unwrap(), &pod), expected, "{text}");
        }
        assert_eq!(parse("delete").unwrap(), Until::Gone);
        assert!(parse("Ready").is_err());
        assert_eq!(limit("-1s").unwrap(), WEEK);
    }
}
