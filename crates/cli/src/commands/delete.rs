//! `outrigger delete`: objects go; Pods within their grace period.

use std::time::Duration;

use hyper::Method;
use outrigger_api::Resource;
use serde_json::{Value, json};

use super::get::{items, list};
use crate::args::{Delete, Places};
use crate::client::{Ask, Client, Place, Refusal};
use crate::failure::Failure;
use crate::{kinds, manifests, screen};

const NO_WAITING: &str = "Warning: Immediate deletion does not wait for confirmation that the running resource has \
                          been terminated. The resource may continue to run on the cluster indefinitely.";

/// One object to delete.
struct Doomed {
    resource: Resource,
    namespace: String,
    name: String,
}

/// Deletes objects.
pub(crate) fn delete(places: &Places, delete: &Delete) -> Result<u8, Failure> {
    if delete.force && delete.grace_period > 0 {
        return Err(Failure::say(
            "--force and --grace-period greater than 0 cannot be specified together",
        ));
    }
    let client = Client::of(places)?;
    Client::run(async {
        if delete.force {
            screen::error(NO_WAITING);
        }
        let mut failures = Vec::new();
        let mut going = Vec::new();
        for doomed in doomed(&client, delete).await? {
            match one(&client, delete, &doomed).await {
                Ok(uid) => {
                    told(delete, &doomed)?;
                    going.push((doomed, uid));
                }
                Err(refusal) if refusal.is_not_found() && delete.ignore_not_found => {}
                Err(refusal) => failures.push(Failure::from(refusal).0),
            }
        }
        if delete.wait.unwrap_or(true) {
            let waiting = async {
                for (doomed, uid) in &going {
                    until_gone(&client, &place(doomed), uid.as_deref()).await?;
                }
                Ok::<_, Failure>(())
            };
            match delete.timeout {
                None => waiting.await?,
                Some(timeout) => within(timeout, waiting).await?,
            }
        }
        match failures.is_empty() {
            true => Ok(0),
            false => Err(Failure(failures.join("\n"))),
        }
    })
}

async fn within(
    timeout: Duration,
    waiting: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    match tokio::time::timeout(timeout, waiting).await {
        Ok(done) => done,
        Err(_) => Err(Failure::say("timed out waiting for the objects to be gone")),
    }
}

fn place(doomed: &Doomed) -> Place {
    Place::one(doomed.resource, &doomed.namespace, &doomed.name)
}

/// What is to be deleted.
async fn doomed(client: &Client, delete: &Delete) -> Result<Vec<Doomed>, Failure> {
    if !delete.files.is_empty() {
        let read = manifests::read(&delete.files, &delete.namespace.name)?;
        let doomed = |wanted: manifests::Wanted| Doomed {
            resource: wanted.resource,
            namespace: wanted.namespace,
            name: wanted.name,
        };
        return Ok(read.into_iter().map(doomed).collect());
    }
    let mut all = Vec::new();
    for target in kinds::targets(&delete.what)? {
        if let Some(name) = target.name {
            all.push(Doomed {
                resource: target.resource,
                namespace: delete.namespace.name.clone(),
                name,
            });
            continue;
        }
        let selection = &delete.selection;
        if !delete.all && selection.labels.is_none() && selection.fields.is_none() {
            return Err(Failure::say(
                "resource(s) were provided, but no name was specified; name them, or give --all or a selector",
            ));
        }
        let place = list(target.resource, selection, &delete.namespace.name);
        let found = items(client.json(Ask::get(place)).await?);
        if found.is_empty() {
            screen::output(b"No resources found\n")?;
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        all.extend(found.iter().map(|object| Doomed {
            resource: target.resource,
            namespace: text(&object["metadata"]["namespace"]),
            name: text(&object["metadata"]["name"]),
        }));
    }
    Ok(all)
}

/// Asks for the deletion: the uid of what goes.
async fn one(client: &Client, delete: &Delete, doomed: &Doomed) -> Result<Option<String>, Refusal> {
    let grace_s = match (delete.now, delete.force, delete.grace_period) {
        (true, ..) => Some(1),
        (_, true, _) => Some(0),
        // Nobody kills by accident: that takes --force.
        (_, _, grace_s @ 0..) => Some(grace_s.max(1)),
        _ => None,
    };
    let mut options = json!({
        "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background",
    });
    if let Some(grace_s) = grace_s {
        options["gracePeriodSeconds"] = grace_s.into();
    }
    let answer = client
        .json(Ask::with(Method::DELETE, place(doomed), &options))
        .await?;
    let uid = [&answer["metadata"]["uid"], &answer["details"]["uid"]];
    let uid = uid.into_iter().find_map(Value::as_str);
    Ok(uid.map(str::to_owned))
}

fn told(delete: &Delete, doomed: &Doomed) -> Result<(), Failure> {
    let (kind, name) = (kinds::singular(doomed.resource), &doomed.name);
    let line = match (&delete.output, delete.force) {
        (Some(_), _) => format!("{kind}/{name}\n"),
        (None, true) => format!("{kind} {name:?} force deleted\n"),
        (None, false) => format!("{kind} {name:?} deleted\n"),
    };
    screen::output(line.as_bytes())
}

/// Waits until the object is gone, or another one has its name.
pub(super) async fn until_gone(
    client: &Client,
    place: &Place,
    uid: Option<&str>,
) -> Result<(), Failure> {
    loop {
        let live = match client.json(Ask::get(place.clone())).await {
            Ok(live) => live,
            Err(refusal) if refusal.is_not_found() => return Ok(()),
            Err(refusal) => return Err(refusal.into()),
        };
        if uid.is_some_and(|uid| live["metadata"]["uid"] != uid) {
            return Ok(());
        }
        let version = live["metadata"]["resourceVersion"].as_str().unwrap_or("0");
        let ask = Ask::get(place.clone().with("resourceVersion", version));
        match client.watch(ask).await {
            Ok(mut lines) => {
                while let Some((kind, _)) = lines.next().await? {
                    if kind == "DELETED" {
                        return Ok(());
                    }
                }
            }
            // It was gone, or had changed too often, in between.
            Err(refusal) if refusal.is_not_found() || refusal.reason() == Some("Expired") => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
}
