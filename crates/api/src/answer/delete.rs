//! How does an object end?

use std::sync::Arc;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::change::{check_uid, has_finalizers};
use super::create::is_ending;
use super::read::list_body;
use super::{Answer, Desk, missing, now, refuse_from_file, stamp, text};
use crate::route::{DeleteOptions, Listed, WriteOptions, dry_run};
use crate::store::{Key, Stored, Write};
use crate::{Failure, Reason, Resource};

impl Desk {
    pub(super) fn delete_one(
        &self,
        key: &Key,
        options: DeleteOptions,
        body: &[u8],
    ) -> Result<Answer, Failure> {
        let options = with_body(options, body)?;
        let object = self.delete(key, &options)?;
        // Kubernetes shows what it deletes of these kinds, and says of the others that it is done.
        match key.resource {
            Resource::Pods | Resource::Namespaces | Resource::ServiceAccounts => {
                Ok(Answer::ok(object))
            }
            _ => Ok(Answer::ok(json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                "details": {
                    "name": key.name, "kind": key.resource.plural(), "uid": text(&object, "/metadata/uid"),
                },
            }))),
        }
    }

    pub(super) fn delete_all(
        &self,
        listed: &Listed,
        options: DeleteOptions,
        body: &[u8],
    ) -> Result<Answer, Failure> {
        let options = with_body(options, body)?;
        let chosen = self.choose(listed)?;
        let mut gone = Vec::new();
        for item in chosen.items {
            match self.delete(&item.key, &options) {
                Ok(object) => gone.push(object),
                Err(failure) if failure.reason == Reason::NotFound => {}
                // What a file holds stays when all is deleted, as mirror Pods do.
                Err(_) if super::is_from_file(&item.object) => {}
                Err(failure) => return Err(failure),
            }
        }
        let meta = json!({ "resourceVersion": chosen.version.to_string() });
        let kind = format!("{}List", listed.resource.kind());
        Ok(Answer::ok(list_body(&kind, "v1", meta, gone)))
    }

    pub(super) fn evict(
        &self,
        key: &Key,
        options: &WriteOptions,
        body: &[u8],
    ) -> Result<Answer, Failure> {
        let eviction: Value = match body {
            [] => json!({}),
            body => super::json_of(body, "reading the Eviction")?,
        };
        let named = text(&eviction, "/metadata/name");
        if !named.is_empty() && named != key.name {
            return Err(Failure::new(
                Reason::BadRequest,
                "name in URL does not match name in Eviction object",
            ));
        }
        let asked = DeleteOptions {
            dry_run: options.dry_run,
            ..DeleteOptions::default()
        };
        let asked = match eviction.get("deleteOptions") {
            Some(said) => with_said(asked, said)?,
            None => asked,
        };
        self.delete(key, &asked)?;
        Ok(Answer::Object {
            status: 201,
            body: json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 })
                .into(),
            warnings: Vec::new(),
        })
    }

    /// Deletes one object, and gives its last or its present state.
    pub(super) fn delete(&self, key: &Key, options: &DeleteOptions) -> Result<Arc<Value>, Failure> {
        if key.resource == Resource::Namespaces {
            self.check_namespace_end(key)?;
        }
        let mut last: Option<Arc<Value>> = None;
        let written = self.store.write(key, |old| {
            let old = old.ok_or_else(|| missing(key))?;
            refuse_from_file(key, &old.object, "remove")?;
            check_preconditions(key, old, options)?;
            let next = match ending(key.resource, &old.object, options) {
                Ending::Now => Write::Remove,
                Ending::AsItIs => Write::Keep,
                Ending::Later(object) => Write::Durable(object),
            };
            if options.dry_run || next == Write::Remove {
                last = Some(old.object.clone());
            }
            Ok::<Write, Failure>(if options.dry_run { Write::Keep } else { next })
        })?;
        if key.resource == Resource::Namespaces && !options.dry_run {
            self.empty_namespace(&key.name)?;
        }
        last.or(written.map(|stored| stored.object))
            .ok_or_else(|| missing(key))
    }
}

/// How an object ends.
enum Ending {
    /// It is gone.
    Now,
    /// It is ending as it should.
    AsItIs,
    /// It has this state until it is gone.
    Later(Value),
}

fn ending(resource: Resource, object: &Value, options: &DeleteOptions) -> Ending {
    match resource {
        Resource::Pods => pod_ending(object, options.grace_s),
        // It is gone when nothing lives in it any more.
        Resource::Namespaces if is_ending(object) => Ending::AsItIs,
        Resource::Namespaces => {
            let mut next = marked(object, now(), None);
            next["status"]["phase"] = "Terminating".into();
            Ending::Later(next)
        }
        _ => at_once(object),
    }
}

/// Gone, unless somebody asked to be waited for.
fn at_once(object: &Value) -> Ending {
    if !has_finalizers(object) {
        return Ending::Now;
    }
    if !is_ending(object) {
        return Ending::Later(marked(object, now(), Some(0)));
    }
    nearer(object, 0)
}

/// The end comes nearer, never later.
fn nearer(object: &Value, grace_s: i64) -> Ending {
    let known_s = object
        .pointer("/metadata/deletionGracePeriodSeconds")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    match text(object, "/metadata/deletionTimestamp").parse::<Timestamp>() {
        Ok(end) if grace_s < known_s => {
            Ending::Later(marked(object, later(end, grace_s - known_s), Some(grace_s)))
        }
        _ => Ending::AsItIs,
    }
}

fn pod_ending(object: &Value, asked_s: Option<i64>) -> Ending {
    let of_spec = object
        .pointer("/spec/terminationGracePeriodSeconds")
        .and_then(Value::as_i64);
    let is_finished = matches!(text(object, "/status/phase"), "Succeeded" | "Failed");
    // Kubernetes takes any negative number for 1.
    let whole = |grace_s: i64| if grace_s < 0 { 1 } else { grace_s };
    // What waits for a node has nothing that could end.
    if is_finished || asked_s == Some(0) || super::place::node_of(object).is_empty() {
        return at_once(object);
    }
    if !is_ending(object) {
        let grace_s = whole(asked_s.or(of_spec).unwrap_or(30));
        if grace_s == 0 {
            return at_once(object);
        }
        return Ending::Later(marked(object, later(now(), grace_s), Some(grace_s)));
    }
    asked_s.map_or(Ending::AsItIs, |grace_s| nearer(object, whole(grace_s)))
}

fn later(moment: Timestamp, seconds: i64) -> Timestamp {
    moment
        .checked_add(SignedDuration::from_secs(seconds))
        .unwrap_or(Timestamp::MAX)
}

/// The object with the mark of its end.
fn marked(object: &Value, end: Timestamp, grace_s: Option<i64>) -> Value {
    let mut next = object.clone();
    next["metadata"]["deletionTimestamp"] = stamp(end).into();
    if let Some(grace_s) = grace_s {
        next["metadata"]["deletionGracePeriodSeconds"] = grace_s.into();
    }
    let generation = next.pointer("/metadata/generation").and_then(Value::as_i64);
    // It is wanted otherwise once: a nearer end is the same wish.
    if let Some(generation) = generation.filter(|it| *it > 0 && !is_ending(object)) {
        next["metadata"]["generation"] = (generation + 1).into();
    }
    next
}

fn check_preconditions(key: &Key, old: &Stored, options: &DeleteOptions) -> Result<(), Failure> {
    if let Some(uid) = &options.uid {
        check_uid(key, &old.object, uid)?;
    }
    match &options.version {
        Some(version) if *version != old.version.to_string() => {
            let why = format!(
                "Precondition failed: ResourceVersion in precondition: {version}, ResourceVersion in object meta: {}",
                old.version
            );
            Err(Failure::conflict(key.resource.plural(), &key.name, &why))
        }
        _ => Ok(()),
    }
}

fn with_body(options: DeleteOptions, body: &[u8]) -> Result<DeleteOptions, Failure> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(options);
    }
    let said = super::json_of(body, "reading the DeleteOptions")?;
    with_said(options, &said)
}

fn with_said(mut options: DeleteOptions, said: &Value) -> Result<DeleteOptions, Failure> {
    let bad = |what: &str| Failure::new(Reason::BadRequest, format!("DeleteOptions: {what}"));
    if let Some(grace) = said
        .get("gracePeriodSeconds")
        .filter(|grace| !grace.is_null())
    {
        let grace_s = grace.as_i64();
        options.grace_s =
            Some(grace_s.ok_or_else(|| bad("gracePeriodSeconds is no whole number"))?);
    }
    let policy = text(said, "/propagationPolicy");
    if !matches!(policy, "" | "Orphan" | "Background" | "Foreground") {
        return Err(bad(&format!(
            "propagationPolicy: {policy:?} is none of Orphan, Background and Foreground"
        )));
    }
    let words = said.get("dryRun").and_then(Value::as_array);
    let words = words.into_iter().flatten().filter_map(Value::as_str);
    options.dry_run |= dry_run("DeleteOptions", words)?;
    let of = |pointer: &str| {
        let found = said.pointer(pointer).and_then(Value::as_str);
        found.map(str::to_owned)
    };
    options.uid = of("/preconditions/uid").or(options.uid);
    options.version = of("/preconditions/resourceVersion").or(options.version);
    Ok(options)
}
