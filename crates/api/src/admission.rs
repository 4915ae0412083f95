//! May a client's object be kept, and how does it look when it is? Between the rules of `outrigger-pod`,
//! which are about typed objects, and the store, which keeps JSON.

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use outrigger_pod::admission::{
    self as rules, Admitted, Decodable, DecodeError, Decoded, FieldValidation, Object,
};
use outrigger_pod::validate::{Invalid, InvalidKind};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::answer::CORDONED;
use crate::{Cause, Failure, Part, Reason, Resource};

/// An object that may be kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept {
    pub(crate) object: Value,
    /// For `Warning` headers.
    pub(crate) warnings: Vec<String>,
}

/// Reads a body.
pub(crate) fn decode(
    resource: Resource,
    body: &[u8],
    validation: FieldValidation,
) -> Result<Decoded, Failure> {
    let kind = match resource {
        Resource::Pods => Decodable::Pod,
        Resource::ConfigMaps => Decodable::ConfigMap,
        Resource::Secrets => Decodable::Secret,
        Resource::Events => Decodable::Event,
        Resource::Namespaces => Decodable::Namespace,
        Resource::Nodes => Decodable::Node,
        Resource::ServiceAccounts => Decodable::ServiceAccount,
    };
    let text = std::str::from_utf8(body).map_err(|_| {
        let message = "the body of the request is no UTF-8 text";
        Failure::new(Reason::BadRequest, message)
    })?;
    rules::decode(kind, text, validation).map_err(|error| unread(&error))
}

/// Reads an object that a patch has made.
pub(crate) fn decode_value(
    resource: Resource,
    value: &Value,
    validation: FieldValidation,
) -> Result<Decoded, Failure> {
    fn boxed<T: k8s_openapi::Resource + DeserializeOwned>(
        value: &Value,
        validation: FieldValidation,
        object: fn(Box<T>) -> Object,
    ) -> Result<Decoded, DecodeError> {
        rules::decode_value::<T>(value, validation).map(|read| Decoded {
            object: object(Box::new(read.object)),
            warnings: read.warnings,
        })
    }
    let read = match resource {
        Resource::Pods => boxed(value, validation, Object::Pod),
        Resource::ConfigMaps => boxed(value, validation, Object::ConfigMap),
        Resource::Secrets => boxed(value, validation, Object::Secret),
        Resource::Events => boxed(value, validation, Object::Event),
        Resource::Namespaces => boxed(value, validation, Object::Namespace),
        Resource::Nodes => boxed(value, validation, Object::Node),
        Resource::ServiceAccounts => boxed(value, validation, Object::ServiceAccount),
    };
    read.map_err(|error| unread(&error))
}

/// The metadata of an object.
pub(crate) fn metadata(object: &mut Object) -> &mut ObjectMeta {
    match object {
        Object::Pod(pod) => &mut pod.metadata,
        Object::ConfigMap(map) => &mut map.metadata,
        Object::Secret(secret) => &mut secret.metadata,
        Object::Namespace(namespace) => &mut namespace.metadata,
        Object::Event(event) => &mut event.metadata,
        Object::ServiceAccount(account) => &mut account.metadata,
        Object::Node(node) => &mut node.metadata,
    }
}

/// Admits a new object, whose metadata is filled in already.
pub(crate) fn create(object: Object, node: &str) -> Result<Kept, Failure> {
    match object {
        Object::Pod(pod) => new_pod(*pod, node),
        Object::ConfigMap(map) => plain(
            "ConfigMap",
            map.metadata.clone(),
            rules::config_map(None, *map),
        ),
        Object::Secret(secret) => plain(
            "Secret",
            secret.metadata.clone(),
            rules::secret(None, *secret),
        ),
        Object::Event(event) => plain("Event", event.metadata.clone(), rules::event(None, *event)),
        Object::ServiceAccount(account) => plain(
            "ServiceAccount",
            account.metadata.clone(),
            rules::service_account(None, *account),
        ),
        Object::Namespace(namespace) => new_namespace(*namespace),
        Object::Node(_) => Err(crate::route::not_allowed()),
    }
}

/// Admits what replaces `old`, or a part of it.
pub(crate) fn replace(part: Part, old: &Value, new: Object) -> Result<Kept, Failure> {
    match new {
        Object::Pod(pod) => changed_pod(part, old, *pod),
        Object::ConfigMap(map) => plain(
            "ConfigMap",
            map.metadata.clone(),
            rules::config_map(Some(&typed(old)?), *map),
        ),
        Object::Secret(secret) => plain(
            "Secret",
            secret.metadata.clone(),
            rules::secret(Some(&typed(old)?), *secret),
        ),
        Object::Event(event) => plain(
            "Event",
            event.metadata.clone(),
            rules::event(Some(&typed(old)?), *event),
        ),
        Object::ServiceAccount(account) => plain(
            "ServiceAccount",
            account.metadata.clone(),
            rules::service_account(Some(&typed(old)?), *account),
        ),
        Object::Namespace(namespace) => {
            let before: core::Namespace = typed(old)?;
            let mut namespace = *namespace;
            namespace.spec = before.spec.clone();
            namespace.status = before.status.clone();
            let metadata = namespace.metadata.clone();
            plain(
                "Namespace",
                metadata,
                rules::namespace(Some(&before), namespace),
            )
        }
        Object::Node(node) => changed_node(part, typed(old)?, *node),
    }
}

fn new_pod(mut pod: core::Pod, node: &str) -> Result<Kept, Failure> {
    let name = pod.metadata.name.clone().unwrap_or_default();
    let mut warnings = Vec::new();
    let asked = pod.spec.as_mut().and_then(|spec| spec.node_name.take());
    if asked.is_some_and(|asked| !asked.is_empty() && asked != node) {
        warnings.push(format!(
            "spec.nodeName is ignored: there is one node, {node}"
        ));
    }
    let mut admitted = rules::create(pod).map_err(|found| invalid("Pod", &name, &found))?;
    if let Some(spec) = &mut admitted.object.spec {
        spec.node_name = Some(node.to_owned());
        let account = spec
            .service_account_name
            .get_or_insert_with(|| "default".to_owned());
        spec.service_account.get_or_insert_with(|| account.clone());
    }
    warnings.append(&mut admitted.warnings);
    Ok(Kept {
        object: json(&admitted.object)?,
        warnings,
    })
}

fn changed_pod(part: Part, old: &Value, new: core::Pod) -> Result<Kept, Failure> {
    let before: core::Pod = typed(old)?;
    let name = before.metadata.name.clone().unwrap_or_default();
    let admitted: Result<Admitted, Vec<Invalid>> = match part {
        Part::Whole => rules::update(&before, new),
        Part::Ephemeral => rules::update_ephemeral(&before, new),
        Part::Resize => rules::resize(&before, new),
        Part::Status => return changed_status(&name, before, new),
    };
    let admitted = admitted.map_err(|found| invalid("Pod", &name, &found))?;
    Ok(Kept {
        object: json(&admitted.object)?,
        warnings: admitted.warnings,
    })
}

/// The conditions that the node writes.
const OURS: [&str; 9] = [
    "PodScheduled",
    "PodReadyToStartContainers",
    "Initialized",
    "ContainersReady",
    "Ready",
    "DisruptionTarget",
    "PodResizePending",
    "PodResizeInProgress",
    "AllContainersRestarting",
];

/// Others may write conditions of their own, which readiness gates wait for, and nothing else.
fn changed_status(name: &str, mut old: core::Pod, new: core::Pod) -> Result<Kept, Failure> {
    let mut wanted = new.status.unwrap_or_default();
    let mut status = old.status.take().unwrap_or_default();
    let said = wanted.conditions.take().unwrap_or_default();
    let known = status.conditions.take().unwrap_or_default();
    let is_ours = |condition: &core::PodCondition| OURS.contains(&condition.type_.as_str());
    let (ours, foreign): (Vec<_>, Vec<_>) = said.into_iter().partition(is_ours);
    let kept: Vec<core::PodCondition> = known.into_iter().filter(is_ours).collect();
    if wanted != status || ours.iter().any(|condition| !kept.contains(condition)) {
        return Err(Failure::forbidden(
            "pods",
            name,
            "its status is written by the node; only conditions of other types than the node's can be set",
        ));
    }
    status.conditions = Some(kept.into_iter().chain(foreign).collect());
    old.status = Some(status);
    Ok(Kept {
        object: json(&old)?,
        warnings: Vec::new(),
    })
}

fn new_namespace(mut namespace: core::Namespace) -> Result<Kept, Failure> {
    let name = namespace.metadata.name.clone().unwrap_or_default();
    let labels = namespace.metadata.labels.get_or_insert_default();
    labels.insert("kubernetes.io/metadata.name".to_owned(), name);
    namespace.spec = Some(core::NamespaceSpec {
        finalizers: Some(vec!["kubernetes".to_owned()]),
    });
    namespace.status = Some(core::NamespaceStatus {
        phase: Some("Active".to_owned()),
        conditions: None,
    });
    let metadata = namespace.metadata.clone();
    plain("Namespace", metadata, rules::namespace(None, namespace))
}

/// A node's labels and annotations belong to people, and whether new Pods may come to it; the rest to the daemon.
fn changed_node(part: Part, old: core::Node, new: core::Node) -> Result<Kept, Failure> {
    let name = old.metadata.name.clone().unwrap_or_default();
    let wanted = new.spec.unwrap_or_default();
    let mut node = old.clone();
    node.metadata.labels = new.metadata.labels;
    node.metadata.annotations = new.metadata.annotations;
    if part == Part::Whole {
        let spec = node.spec.get_or_insert_default();
        spec.unschedulable = wanted.unschedulable.filter(|is_cordoned| *is_cordoned);
        spec.taints = taints(wanted.taints.clone(), spec.unschedulable == Some(true));
        let mut rest = wanted;
        (rest.unschedulable, rest.taints) = (spec.unschedulable, spec.taints.clone());
        if rest != *spec {
            let why = "only its labels, annotations, taints and unschedulable can be changed: the rest is what the \
                       daemon finds";
            return Err(Failure::forbidden("nodes", &name, why));
        }
    }
    let metadata = node.metadata.clone();
    plain("Node", metadata, rules::node(&old, node))
}

/// A cordoned node has a taint that says so, as a cluster gives it one.
fn taints(said: Option<Vec<core::Taint>>, is_cordoned: bool) -> Option<Vec<core::Taint>> {
    let mut taints = said.unwrap_or_default();
    let is_there = taints.iter().any(|taint| taint.key == CORDONED);
    if is_cordoned && !is_there {
        taints.push(core::Taint {
            effect: "NoSchedule".to_owned(),
            key: CORDONED.to_owned(),
            ..core::Taint::default()
        });
    } else if !is_cordoned {
        taints.retain(|taint| taint.key != CORDONED);
    }
    (!taints.is_empty()).then_some(taints)
}

fn plain<T: Serialize>(
    kind: &str,
    metadata: ObjectMeta,
    admitted: Result<T, Vec<Invalid>>,
) -> Result<Kept, Failure> {
    let name = metadata.name.unwrap_or_default();
    let object = admitted.map_err(|found| invalid(kind, &name, &found))?;
    Ok(Kept {
        object: json(&object)?,
        warnings: Vec::new(),
    })
}

fn json(object: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(object).map_err(|error| ours("writing an object as JSON", &error))
}

fn typed<T: DeserializeOwned>(object: &Value) -> Result<T, Failure> {
    T::deserialize(object).map_err(|error| ours("reading an object that is kept", &error))
}

/// What cannot happen unless this program has a mistake.
fn ours(operation: &str, error: &serde_json::Error) -> Failure {
    Failure::new(Reason::InternalError, format!("{operation}: {error}"))
}

/// `Pod "web" is invalid: …`
fn invalid(kind: &str, name: &str, found: &[Invalid]) -> Failure {
    let mut more = 0;
    let causes = found.iter().filter(|one| {
        if let InvalidKind::More(others) = one.kind {
            more += others;
        }
        !matches!(one.kind, InvalidKind::More(_))
    });
    let causes: Vec<Cause> = causes
        .map(|one| Cause {
            reason: one.kind.reason(),
            message: one.message.clone(),
            field: one.path.clone(),
        })
        .collect();
    Failure::invalid_and_more(kind, name, &causes, more)
}

fn unread(error: &DecodeError) -> Failure {
    if let DecodeError::TooLarge(excess) = error {
        return crate::answer::too_large(excess);
    }
    Failure::new(Reason::BadRequest, error.to_string())
}
