//! How does an object come to be?

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use outrigger_pod::admission::Object;
use serde_json::{Value, json};

use super::{Answer, Desk, now, text};
use crate::admission::{self, Kept};
use crate::route::WriteOptions;
use crate::store::{Key, Stored, Write, weight};
use crate::{Cause, Failure, Reason, Resource};

/// No more objects of a kind than that.
const MOST: usize = 10_000;
/// No more Pods that have not finished than that; the Node's capacity says the same.
pub const MOST_PODS: usize = 500;
/// All objects together take no more memory than about that.
const MOST_BYTES: usize = 256 * 1024 * 1024;
/// An object is no longer than that as JSON, as on a cluster.
const MOST_BYTES_EACH: usize = 1_536 * 1_024;
/// So often another random name is tried.
const TRIES: usize = 8;
/// Of the beginning of a random name so much stays, so that with its end it is a label.
const START_CHARS: usize = 63 - 5;
/// What random names end in: no vowels, so that no words come out.
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

impl Desk {
    pub(super) fn create(
        &self,
        resource: Resource,
        namespace: &str,
        options: &WriteOptions,
        body: &[u8],
    ) -> Result<Answer, Failure> {
        let read = admission::decode(resource, body, options.validation)?;
        self.create_read(resource, namespace, options, (read.object, read.warnings))
    }

    pub(super) fn create_read(
        &self,
        resource: Resource,
        namespace: &str,
        options: &WriteOptions,
        (mut object, mut warnings): (Object, Vec<String>),
    ) -> Result<Answer, Failure> {
        let metadata = admission::metadata(&mut object);
        place(metadata, namespace)?;
        if metadata
            .resource_version
            .as_deref()
            .is_some_and(|version| !version.is_empty())
        {
            let message = "resourceVersion should not be set on objects to be created";
            return Err(Failure::new(Reason::BadRequest, message));
        }
        let start = metadata.generate_name.clone().unwrap_or_default();
        let start: String = start.chars().take(START_CHARS).collect();
        let is_random = metadata.name.as_deref().unwrap_or_default().is_empty();
        if is_random && start.is_empty() {
            let cause = Cause {
                reason: "FieldValueRequired",
                message: "Required value: name or generateName is required".to_owned(),
                field: "metadata.name".to_owned(),
            };
            return Err(Failure::invalid(resource.kind(), "", &[cause]));
        }
        for attempt in 1.. {
            let is_last = !is_random || attempt >= TRIES;
            let mut next = match is_last {
                true => std::mem::replace(&mut object, Object::Pod(Box::default())),
                // Another name may be needed.
                false => object.clone(),
            };
            begin(
                admission::metadata(&mut next),
                resource,
                is_random.then_some(start.as_str()),
            )?;
            match self.create_named(resource, namespace, options.dry_run, next) {
                Err(failure) if failure.reason == Reason::AlreadyExists && !is_last => {}
                Err(failure) => return Err(failure),
                Ok((object, more)) => {
                    warnings.extend(more);
                    return Ok(Answer::Object {
                        status: 201,
                        body: object.into(),
                        warnings,
                    });
                }
            }
        }
        // The loop above ends by returning.
        Err(Failure::new(Reason::InternalError, "no name was found"))
    }

    fn create_named(
        &self,
        resource: Resource,
        namespace: &str,
        dry_run: bool,
        mut object: Object,
    ) -> Result<(std::sync::Arc<Value>, Vec<String>), Failure> {
        let name = admission::metadata(&mut object)
            .name
            .clone()
            .unwrap_or_default();
        let key = Key {
            resource,
            namespace: namespace.to_owned(),
            name,
        };
        self.check_room(&key)?;
        let is_placed = matches!(&object, Object::Pod(pod)
            if pod.spec.as_ref().is_some_and(|spec| spec.node_name.as_deref() == Some(&*self.node)));
        let Kept {
            mut object,
            warnings,
        } = admission::create(object, &self.node)?;
        let waits = match resource {
            Resource::Pods if !is_placed => self.hold_back(&mut object),
            _ => None,
        };
        super::refuse_pretence(&key, &object)?;
        check_size(&object)?;
        let mut rehearsed = None;
        let written = self.store.write(&key, |known| match known {
            Some(_) => Err(Failure::already_exists(resource.plural(), &key.name)),
            None if dry_run => {
                rehearsed = Some(object);
                Ok(Write::Keep)
            }
            None => Ok(Write::Durable(object)),
        })?;
        if let Some(object) = rehearsed {
            return Ok((object.into(), warnings));
        }
        if resource == Resource::Namespaces {
            self.add_service_account(&key.name)?;
        }
        // It may have come just when its namespace was emptied.
        if resource.is_namespaced() && !self.is_namespace_open(namespace) {
            self.empty_namespace(namespace)?;
        }
        let Some(Stored { object, .. }) = written else {
            return Err(super::missing(&key));
        };
        if let Some(why) = waits {
            self.tell_of_waiting(&object, &why)?;
            // The node may have been opened just then.
            self.place_waiting()?;
        }
        Ok((object, warnings))
    }

    /// Whether there is a namespace for the object, and not too many of its kind.
    fn check_room(&self, key: &Key) -> Result<(), Failure> {
        let plural = key.resource.plural();
        if self.store.count(key.resource) >= MOST {
            let why =
                format!("there are {MOST} {plural} already, and no more are kept; delete some");
            return Err(Failure::forbidden(plural, &key.name, &why));
        }
        if key.resource == Resource::Pods && self.is_full_of_pods() {
            let why = format!("exceeded: this node holds {MOST_PODS} pods, which is the most");
            return Err(Failure::forbidden(plural, &key.name, &why));
        }
        self.check_bytes(key, MOST_BYTES)?;
        if !key.resource.is_namespaced() {
            return Ok(());
        }
        let namespace = self.find(&namespace_key(&key.namespace))?;
        if namespace
            .object
            .pointer("/metadata/deletionTimestamp")
            .is_none()
        {
            return Ok(());
        }
        let why = format!(
            "unable to create new content in namespace {} because it is being terminated",
            key.namespace
        );
        let mut failure = Failure::forbidden(plural, &key.name, &why);
        failure.details["causes"] = json!([{
            "reason": "NamespaceTerminating",
            "message": format!("namespace {} is being terminated", key.namespace),
            "field": "metadata.namespace",
        }]);
        Err(failure)
    }

    /// Whether there are as many Pods as the node takes. One that has finished takes no place.
    fn is_full_of_pods(&self) -> bool {
        if self.store.count(Resource::Pods) < MOST_PODS {
            return false;
        }
        let pods = self.store.list(Resource::Pods, None).items;
        let is_there =
            |pod: &&Stored| !matches!(text(&pod.object, "/status/phase"), "Succeeded" | "Failed");
        pods.iter().filter(is_there).count() >= MOST_PODS
    }

    /// Whether there is memory for more.
    pub(super) fn check_bytes(&self, key: &Key, most: usize) -> Result<(), Failure> {
        if self.store.bytes() < most {
            return Ok(());
        }
        let why = format!(
            "exceeded: all objects together take {} MiB, which is the most; delete some",
            most / (1024 * 1024)
        );
        Err(Failure::forbidden(key.resource.plural(), &key.name, &why))
    }

    /// Whether an object may take another state: what does not grow always may.
    pub(super) fn check_growth(&self, key: &Key, old: &Value, new: &Value) -> Result<(), Failure> {
        if self.store.bytes() < MOST_BYTES || weight(new) <= weight(old) {
            return Ok(());
        }
        self.check_bytes(key, MOST_BYTES)
    }

    pub(super) fn is_namespace_open(&self, namespace: &str) -> bool {
        self.store
            .get(&namespace_key(namespace))
            .is_some_and(|stored| {
                stored
                    .object
                    .pointer("/metadata/deletionTimestamp")
                    .is_none()
            })
    }

    /// Each namespace has a ServiceAccount `default`.
    fn add_service_account(&self, namespace: &str) -> Result<(), Failure> {
        let key = Key {
            resource: Resource::ServiceAccounts,
            namespace: namespace.to_owned(),
            name: "default".to_owned(),
        };
        let account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {
                "name": key.name, "namespace": namespace, "uid": uid()?,
                "creationTimestamp": super::stamp(now()),
            },
        });
        self.store.write(&key, |known| -> Result<Write, Failure> {
            Ok(known.map_or(Write::Durable(account), |_| Write::Keep))
        })?;
        Ok(())
    }
}

/// Whether an object is short enough to be kept.
pub(super) fn check_size(object: &Value) -> Result<(), Failure> {
    let mut length = Length(0);
    serde_json::to_writer(&mut length, object)
        .map_err(|error| Failure::new(Reason::InternalError, error.to_string()))?;
    let Length(length) = length;
    if length <= MOST_BYTES_EACH {
        return Ok(());
    }
    Err(super::too_large(&format_args!(
        "the object would have {length} bytes as JSON, and {MOST_BYTES_EACH} are the most that is kept: \
         make several of it, or put files into images or volumes"
    )))
}

/// Counts what is written.
struct Length(usize);

impl std::io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The name of a namespace's object.
pub(super) fn namespace_key(namespace: &str) -> Key {
    Key {
        resource: Resource::Namespaces,
        namespace: String::new(),
        name: namespace.to_owned(),
    }
}

/// The namespace of an object is that of the path.
pub(super) fn place(metadata: &mut ObjectMeta, namespace: &str) -> Result<(), Failure> {
    let said = metadata.namespace.take().filter(|said| !said.is_empty());
    if said.is_some_and(|said| said != namespace) {
        return Err(Failure::new(
            Reason::BadRequest,
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    metadata.namespace = (!namespace.is_empty()).then(|| namespace.to_owned());
    Ok(())
}

/// Fills in what only the server can say. `random` is the beginning of a random name.
fn begin(
    metadata: &mut ObjectMeta,
    resource: Resource,
    random: Option<&str>,
) -> Result<(), Failure> {
    if let Some(start) = random {
        metadata.name = Some(format!("{start}{}", ending()?));
    }
    metadata.uid = Some(uid()?);
    let now = now();
    let second = Timestamp::from_second(now.as_second()).unwrap_or(now);
    metadata.creation_timestamp = Some(Time(second));
    metadata.generation = (resource == Resource::Pods).then_some(1);
    metadata.resource_version = None;
    metadata.deletion_timestamp = None;
    metadata.deletion_grace_period_seconds = None;
    metadata.managed_fields = None;
    metadata.self_link = None;
    Ok(())
}

/// A random UUID.
fn uid() -> Result<String, Failure> {
    let path = "/proc/sys/kernel/random/uuid";
    match std::fs::read_to_string(path) {
        Ok(uuid) => Ok(uuid.trim().to_owned()),
        Err(error) => {
            let message = format!("reading {path} for a uid: {error}");
            Err(Failure::new(Reason::InternalError, message))
        }
    }
}

/// Five random letters.
fn ending() -> Result<String, Failure> {
    let digits: Vec<u32> = uid()?.chars().filter_map(|c| c.to_digit(16)).collect();
    let letters = digits.chunks(4).take(5).map(|chunk| {
        let number = chunk.iter().fold(0, |number, digit| number * 16 + digit);
        char::from(LETTERS[number as usize % LETTERS.len()])
    });
    Ok(letters.collect())
}

/// Whether an object is being deleted.
pub(super) fn is_ending(object: &Value) -> bool {
    !text(object, "/metadata/deletionTimestamp").is_empty()
}
