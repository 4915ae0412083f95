//! How does an object become another?

use outrigger_pod::admission::Object;
use outrigger_pod::bounds;
use serde_json::Value;

use super::create::place;
use super::{Answer, Desk, missing, refuse_from_file, refuse_pretence, text};
use crate::RETRY_ANNOTATION;
use crate::admission::{self, Kept};
use crate::patch;
use crate::route::{Part, WriteOptions};
use crate::store::{Key, Stored, Write};
use crate::{Cause, Failure, Reason, Resource};

/// What Kubernetes says to one who was overtaken.
const OVERTAKEN: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

impl Desk {
    pub(super) fn update(
        &self,
        key: &Key,
        part: Part,
        options: &WriteOptions,
        body: &[u8],
    ) -> Result<Answer, Failure> {
        let read = admission::decode(key.resource, body, options.validation)?;
        let mut object = read.object;
        let metadata = admission::metadata(&mut object);
        let named = metadata.name.as_deref().unwrap_or_default();
        if named != key.name {
            return Err(Failure::new(
                Reason::BadRequest,
                format!(
                    "the name of the object ({named}) does not match the name on the URL ({})",
                    key.name
                ),
            ));
        }
        metadata.managed_fields = None;
        place(metadata, &key.namespace)?;
        self.change(key, part, options.dry_run, |old| {
            check_identity(key, old, &mut object.clone())?;
            let mut kept = admission::replace(part, &old.object, object)?;
            kept.warnings.splice(0..0, read.warnings);
            Ok(kept)
        })
    }

    pub(super) fn patch(
        &self,
        key: &Key,
        (part, kind): (Part, patch::Kind),
        options: &WriteOptions,
        body: &[u8],
    ) -> Result<Answer, Failure> {
        let change = if kind == patch::Kind::Apply {
            if options.manager.is_empty() {
                return Err(manager_is_missing());
            }
            let change = applied(key, options, body)?;
            if part == Part::Whole
                && self.store.get(key).is_none()
                && key.resource != Resource::Nodes
            {
                let read = admission::decode_value(key.resource, &change, options.validation)?;
                let read = (read.object, read.warnings);
                match self.create_read(key.resource, &key.namespace, options, read) {
                    // Somebody else was faster.
                    Err(failure) if failure.reason == Reason::AlreadyExists => {}
                    created => return created,
                }
            }
            change
        } else {
            super::json_of(body, "error decoding patch")?
        };
        self.change(key, part, options.dry_run, |old| {
            let patched = patch::apply(kind, key.resource, &old.object, &change)?;
            let read = admission::decode_value(key.resource, &patched, options.validation)?;
            let mut object = read.object;
            let metadata = admission::metadata(&mut object);
            // Nobody keeps it, and it is the one place where anything at all could stand.
            metadata.managed_fields = None;
            place(metadata, &key.namespace)?;
            check_identity(key, old, &mut object)?;
            let mut kept = admission::replace(part, &old.object, object)?;
            kept.warnings.splice(0..0, read.warnings);
            Ok(kept)
        })
    }

    fn change(
        &self,
        key: &Key,
        part: Part,
        dry_run: bool,
        decide: impl FnOnce(&Stored) -> Result<Kept, Failure>,
    ) -> Result<Answer, Failure> {
        let mut warnings = Vec::new();
        let mut rehearsed = None;
        let mut last = None;
        let written = self.store.write(key, |old| {
            let old = old.ok_or_else(|| missing(key))?;
            let kept = decide(old);
            let is_free = part == Part::Status
                || kept
                    .as_ref()
                    .is_ok_and(|kept| asks_again(&old.object, &kept.object));
            if !is_free {
                refuse_from_file(key, &old.object, "edit")?;
            }
            let kept = kept?;
            if !is_free {
                refuse_pretence(key, &kept.object)?;
            }
            warnings = kept.warnings;
            if dry_run {
                rehearsed = Some(kept.object);
                return Ok(Write::Keep);
            }
            // Its last finalizer is gone, and it had waited for that. A namespace waits for its content too.
            if key.resource != Resource::Namespaces
                && is_over(&old.object)
                && !has_finalizers(&kept.object)
            {
                last = Some(kept.object);
                return Ok(Write::Remove);
            }
            super::create::check_size(&kept.object)?;
            self.check_growth(key, &old.object, &kept.object)?;
            Ok::<Write, Failure>(Write::Durable(kept.object))
        })?;
        if key.resource == Resource::Nodes && !dry_run {
            self.place_waiting()?;
        }
        let namespace = match key.resource {
            Resource::Namespaces => Some(&key.name),
            _ => last.as_ref().map(|_| &key.namespace),
        };
        // It may have been the last that the namespace waited for.
        if let Some(namespace) = namespace
            && !dry_run
            && !self.is_namespace_open(namespace)
        {
            self.empty_namespace(namespace)?;
        }
        let body = match (rehearsed.or(last), written) {
            (Some(made), _) => made.into(),
            (None, Some(stored)) => stored.object.into(),
            (None, None) => return Err(missing(key)),
        };
        Ok(Answer::Object {
            status: 200,
            body,
            warnings,
        })
    }
}

/// Whether a change asks for nothing but that a Pod be tried again, which does not stand in its file.
fn asks_again(old: &Value, new: &Value) -> bool {
    let without = |object: &Value| {
        let mut object = object.clone();
        let metadata = object["metadata"].as_object_mut();
        if let Some(annotations) =
            metadata.and_then(|it| it.get_mut("annotations")?.as_object_mut())
        {
            annotations.remove(RETRY_ANNOTATION);
        }
        object
    };
    super::is_from_file(old) && without(old) == without(new)
}

/// Whether the only thing that keeps an object is its finalizers.
fn is_over(object: &Value) -> bool {
    super::create::is_ending(object)
        && has_finalizers(object)
        && object
            .pointer("/metadata/deletionGracePeriodSeconds")
            .and_then(Value::as_i64)
            .unwrap_or(0)
            == 0
}

pub(super) fn has_finalizers(object: &Value) -> bool {
    object
        .pointer("/metadata/finalizers")
        .and_then(Value::as_array)
        .is_some_and(|finalizers| !finalizers.is_empty())
}

/// Whether the client means this life and this state of the object, if it says which it means.
fn check_identity(key: &Key, old: &Stored, new: &mut Object) -> Result<(), Failure> {
    let metadata = admission::metadata(new);
    let plural = key.resource.plural();
    if let Some(uid) = metadata.uid.as_deref().filter(|uid| !uid.is_empty()) {
        check_uid(key, &old.object, uid)?;
    }
    match metadata.resource_version.as_deref() {
        Some(version) if !version.is_empty() && version != old.version.to_string() => {
            Err(Failure::conflict(plural, &key.name, OVERTAKEN))
        }
        _ => Ok(()),
    }
}

/// Whether the object is in that life.
pub(super) fn check_uid(key: &Key, object: &Value, uid: &str) -> Result<(), Failure> {
    let found = text(object, "/metadata/uid");
    if found == uid {
        return Ok(());
    }
    let why =
        format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {found}");
    Err(Failure::conflict(key.resource.plural(), &key.name, &why))
}

/// The body of a server-side apply, which is JSON or YAML, under the name of the path.
fn applied(key: &Key, options: &WriteOptions, body: &[u8]) -> Result<Value, Failure> {
    if body.trim_ascii_start().starts_with(b"{") {
        bounds::json(body).map_err(|excess| super::too_large(&excess))?;
    }
    let mut change = match serde_json::from_slice::<Value>(body) {
        Ok(change @ Value::Object(_)) => change,
        _ => {
            let read = admission::decode(key.resource, body, options.validation)?;
            typed_value(&read.object)?
        }
    };
    let Some(fields) = change.as_object_mut() else {
        let message = "the body of an apply must be an object";
        return Err(Failure::new(Reason::BadRequest, message));
    };
    let metadata = fields
        .entry("metadata")
        .or_insert_with(|| Value::Object(serde_json::Map::new()));
    let named = text(metadata, "/name");
    if !named.is_empty() && named != key.name {
        return Err(Failure::new(
            Reason::BadRequest,
            format!(
                "the name of the object ({named}) does not match the name on the URL ({})",
                key.name
            ),
        ));
    }
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.insert("name".to_owned(), key.name.clone().into());
    }
    Ok(change)
}

fn typed_value(object: &Object) -> Result<Value, Failure> {
    let value = match object {
        Object::Pod(pod) => serde_json::to_value(pod),
        Object::ConfigMap(map) => serde_json::to_value(map),
        Object::Secret(secret) => serde_json::to_value(secret),
        Object::Namespace(namespace) => serde_json::to_value(namespace),
        Object::Event(event) => serde_json::to_value(event),
        Object::ServiceAccount(account) => serde_json::to_value(account),
        Object::Node(node) => serde_json::to_value(node),
    };
    value.map_err(|error| Failure::new(Reason::InternalError, error.to_string()))
}

fn manager_is_missing() -> Failure {
    let cause = Cause {
        reason: "FieldValueRequired",
        message: "Required value: is required for apply patch".to_owned(),
        field: "fieldManager".to_owned(),
    };
    Failure::invalid("PatchOptions.meta.k8s.io", "", &[cause])
}
