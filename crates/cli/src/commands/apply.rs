//! `outrigger apply`: objects become what manifests say, and keep what others have added to them.

use hyper::Method;
use outrigger_api::patch::three_way;
use serde_json::{Value, json};

use crate::args::{Apply, Places};
use crate::client::{Ask, Client, Place, Refusal};
use crate::failure::Failure;
use crate::manifests::{self, Wanted};
use crate::print::form::{Form, name};
use crate::{kinds, screen};

/// Keeps what was applied last; kubectl's own word, so that both can be used on one object.
const LAST: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Somebody may be faster than we are that often.
const TRIES: usize = 5;

/// Applies manifests.
pub(crate) fn apply(places: &Places, apply: &Apply) -> Result<u8, Failure> {
    let client = Client::of(places)?;
    let wanted = manifests::read(&apply.files, &apply.namespace.name)?;
    let form = Form::parse(apply.output.as_deref())?;
    if apply.output.is_some() && matches!(form, Form::Table { .. }) {
        return Err(Failure::say(
            "apply prints json, yaml, name or jsonpath=TEMPLATE",
        ));
    }
    let mut failures = Vec::new();
    Client::run(async {
        for wanted in &wanted {
            match one(&client, apply, wanted).await {
                Ok((object, word)) => told(apply, &form, &object, word)?,
                Err(refusal) => failures.push(Failure::from(refusal).0),
            }
        }
        Ok(0)
    })?;
    match failures.is_empty() {
        true => Ok(0),
        false => Err(Failure(failures.join("\n"))),
    }
}

fn told(apply: &Apply, form: &Form, object: &Value, word: &str) -> Result<(), Failure> {
    if apply.output.is_some() {
        return screen::output(form.text(object).as_bytes());
    }
    let how = match apply.dry_run.as_str() {
        "client" => " (dry run)",
        "server" => " (server dry run)",
        _ => "",
    };
    screen::output(format!("{} {word}{how}\n", name(object)).as_bytes())
}

/// Makes or changes one object: what it is now, and the word for what was done.
async fn one(
    client: &Client,
    apply: &Apply,
    wanted: &Wanted,
) -> Result<(Value, &'static str), Refusal> {
    let place = Place::one(wanted.resource, &wanted.namespace, &wanted.name);
    let new = with_last(wanted.object.clone());
    let mut tries = 0;
    loop {
        tries += 1;
        let live = match client.json(Ask::get(place.clone())).await {
            Ok(live) => live,
            Err(refusal) if refusal.is_not_found() => {
                return create(client, apply, wanted, new).await;
            }
            Err(refusal) => return Err(refusal.when(&retrieving(wanted))),
        };
        let merged = three_way(wanted.resource, &last(&live), &new, &live);
        if same(&merged, &live) {
            return Ok((live, "unchanged"));
        }
        if apply.dry_run == "client" {
            return Ok((merged, "configured"));
        }
        let ask = Ask::with(Method::PUT, options(place.clone(), apply), &merged);
        match client.json(ask).await {
            // Its status changes all the time; the object that was merged is none of the newest.
            Err(refusal) if refusal.is_conflict() && tries < TRIES => {}
            Err(refusal) => {
                let doing = format!("error when applying patch from {:?}", wanted.file);
                return Err(refusal.when(&doing));
            }
            Ok(object) => return Ok((object, "configured")),
        }
    }
}

async fn create(
    client: &Client,
    apply: &Apply,
    wanted: &Wanted,
    new: Value,
) -> Result<(Value, &'static str), Refusal> {
    if apply.dry_run == "client" {
        return Ok((new, "created"));
    }
    let place = Place::all(wanted.resource, Some(&wanted.namespace));
    let ask = Ask::with(Method::POST, options(place, apply), &new);
    match client.json(ask).await {
        Ok(object) => Ok((object, "created")),
        Err(refusal) => Err(refusal.when(&format!("error when creating {:?}", wanted.file))),
    }
}

fn retrieving(wanted: &Wanted) -> String {
    let kind = kinds::singular(wanted.resource);
    format!("error when retrieving {kind} {:?}", wanted.name)
}

fn options(place: Place, apply: &Apply) -> Place {
    let validation = match apply.validate.as_str() {
        "warn" => "Warn",
        "ignore" => "Ignore",
        _ => "Strict",
    };
    place
        .with("fieldManager", "kubectl-client-side-apply")
        .with("fieldValidation", validation)
        .with_some("dryRun", (apply.dry_run == "server").then_some("All"))
}

/// The object with a note of what is applied.
fn with_last(mut object: Value) -> Value {
    if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
        annotations.remove(LAST);
    }
    let mut noted = object.clone();
    if !noted["metadata"]["annotations"].is_object() {
        noted["metadata"]["annotations"] = json!({});
    }
    let note = format!("{noted}\n");
    if !object["metadata"]["annotations"].is_object() {
        object["metadata"]["annotations"] = json!({});
    }
    object["metadata"]["annotations"][LAST] = note.into();
    object
}

/// What was applied last; nothing if nobody has.
fn last(live: &Value) -> Value {
    let note = live["metadata"]["annotations"][LAST].as_str();
    let note = note.and_then(|note| serde_json::from_str(note).ok());
    note.unwrap_or(Value::Null)
}

/// Whether nothing is to be done. How the note is spelled is no difference.
fn same(merged: &Value, live: &Value) -> bool {
    let without_note = |object: &Value| {
        let mut object = object.clone();
        if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
            annotations.remove(LAST);
        }
        object
    };
    without_note(merged) == without_note(live) && last(merged) == last(live)
}

#[cfg(test)]
mod tests {
    use outrigger_api::Resource;

    use super::*;

    fn pod(image: &str) -> Value {
        let spec = json!({ "containers": [{ "name": "app", "image": image }] });
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web" }, "spec": spec })
    }

    #[test]
    fn the_same_manifest_again_changes_nothing_and_another_one_does() {
        let mut live = with_last(pod("v1"));
        live["metadata"]["uid"] = "u".into();
        live["status"] = json!({ "phase": "Running" });
        let again = |new: Value| three_way(Resource::Pods, &last(&live), &with_last(new), &live);
        assert!(same(&again(pod("v1")), &live));
        assert!(!same(&again(pod("v2")), &live));
        assert_eq!(again(pod("v2"))["status"]["phase"], "Running");
    }

    #[test]
    fn the_note_is_the_one_that_kubectl_reads() {
        let noted = with_last(with_last(pod("v1")));
        let mut expected = pod("v1");
        expected["metadata"]["annotations"] = json!({});
        assert_eq!(last(&noted), expected);
    }
}
