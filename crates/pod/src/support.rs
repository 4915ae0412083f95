//! What becomes of a field that somebody wrote: is it honoured, ignored or refused, and why?

mod table;

use k8s_openapi::api::core::v1 as core;

use crate::manifest::{Node, Path, Place, Step, Value};

/// What becomes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It does what Kubernetes says.
    Honoured,
    /// Kubernetes itself writes it, or it holds what Kubernetes would write; nothing is lost.
    Bookkeeping,
    /// The daemon does what Kubernetes says; `run` does not, for this reason.
    ByDaemon(&'static str),
    /// It is accepted and has no effect; for this reason.
    Ignored(&'static str),
    /// The Pod is not run, because it would not be what was asked for; for this reason.
    Refused(&'static str),
}

/// A field of a Pod that somebody wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The name of the file.
    pub file: String,
    /// Kubernetes' field path.
    pub path: String,
    /// Where it stands.
    pub place: Option<Place>,
    /// What becomes of it.
    pub support: Support,
}

/// Every field of a Pod's document, in the order of the text. Objects are told by their parts,
/// unless something is to be said about them as a whole.
pub(crate) fn fields(file: &str, node: &Node, pod: &core::Pod) -> Vec<Field> {
    let mut walk = Walk {
        file,
        pod,
        path: Path::default(),
        fields: Vec::new(),
    };
    walk.below(node);
    walk.fields
}

struct Walk<'a> {
    file: &'a str,
    pod: &'a core::Pod,
    path: Path,
    fields: Vec<Field>,
}

impl Walk<'_> {
    fn below(&mut self, node: &Node) {
        match &node.value {
            Value::Map(entries) => {
                for entry in entries
                    .iter()
                    .filter(|entry| !matches!(entry.node.value, Value::Null))
                {
                    self.path.0.push(Step::Key(entry.key.clone()));
                    self.field(&entry.node, node, entry.key_place);
                    self.path.0.pop();
                }
            }
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.path.0.push(Step::Index(index));
                    self.below(item);
                    self.path.0.pop();
                }
            }
            _ => {}
        }
    }

    fn field(&mut self, node: &Node, parent: &Node, place: Place) {
        let shape = table::row_of(&self.path.shape());
        let support = judge(&shape, node, parent, self.pod);
        let has_parts = match &node.value {
            Value::Map(entries) => !entries.is_empty(),
            Value::List(items) => items
                .iter()
                .any(|item| matches!(item.value, Value::Map(_) | Value::List(_))),
            _ => false,
        };
        let tell_parts = match support {
            Support::Honoured => true,
            Support::Bookkeeping => table::has_rows_below(&shape),
            Support::ByDaemon(_) | Support::Ignored(_) | Support::Refused(_) => false,
        };
        if has_parts && tell_parts {
            return self.below(node);
        }
        self.fields.push(Field {
            file: self.file.to_owned(),
            path: self.path.to_string(),
            place: Some(place),
            support,
        });
    }
}

/// What becomes of the field of this shape and value; `parent` is the object that has it.
fn judge(shape: &str, node: &Node, parent: &Node, pod: &core::Pod) -> Support {
    let row = table::row(shape);
    match row {
        Support::Honoured => exception(shape, node, parent, pod).unwrap_or(row),
        Support::Bookkeeping => row,
        _ if is_harmless(shape, node, pod) => Support::Bookkeeping,
        Support::ByDaemon(_) | Support::Ignored(_) | Support::Refused(_) => row,
    }
}

/// Whether a field that is not honoured holds what is the case anyway.
fn is_harmless(shape: &str, node: &Node, pod: &core::Pod) -> bool {
    // The one field here that asks for something by being false.
    if is_empty(node) && shape != "spec.hostUsers" {
        return true;
    }
    let written = node.text().unwrap_or_default();
    match shape {
        "spec.schedulerName" => written == "default-scheduler",
        "spec.serviceAccount" | "spec.serviceAccountName" => written == "default",
        "spec.preemptionPolicy" => written == "PreemptLowerPriority",
        "spec.containers[].volumeMounts[].mountPropagation" => written == "None",
        "spec.containers[].volumeMounts[].recursiveReadOnly" => written == "Disabled",
        "spec.containers[].securityContext.procMount" => written == "Default",
        "spec.hostUsers" => matches!(node.value, Value::Bool(true)),
        "spec.containers[].ports[].hostPort" | "spec.containers[].ports[].hostIP" => {
            pod.spec.as_ref().and_then(|spec| spec.host_network) == Some(true)
        }
        "spec.tolerations" => match &node.value {
            // Kubernetes gives these two to every Pod.
            Value::List(items) => items.iter().all(|item| {
                let key = item.get("key").and_then(Node::text).unwrap_or_default();
                matches!(
                    key,
                    "node.kubernetes.io/not-ready" | "node.kubernetes.io/unreachable"
                )
            }),
            _ => false,
        },
        _ if shape.ends_with("securityContext.appArmorProfile") => {
            node.get("type").and_then(Node::text) == Some("Unconfined")
        }
        _ => false,
    }
}

fn is_empty(node: &Node) -> bool {
    match &node.value {
        Value::Null | Value::Bool(false) | Value::Int(0) => true,
        Value::Text(text) => text.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Map(_) | Value::Bool(true) | Value::Int(_) | Value::Big(_) | Value::Float(..) => {
            false
        }
    }
}

/// Values of honoured fields that are not honoured.
fn exception(shape: &str, node: &Node, parent: &Node, pod: &core::Pod) -> Option<Support> {
    let written = node.text().unwrap_or_default();
    match shape {
        "spec.dnsPolicy" if written == "ClusterFirstWithHostNet" => Some(Support::Ignored(
            "there is no cluster DNS; the machine's own resolv.conf is used",
        )),
        "spec.os.name" if written != "linux" => Some(Support::Refused("this is a Linux machine")),
        "spec.volumes[].emptyDir.medium" if !matches!(written, "" | "Memory") => {
            Some(Support::Refused(
                "an emptyDir is kept on disk or, with `Memory`, in memory; not in huge pages yet",
            ))
        }
        "spec.volumes[].emptyDir.sizeLimit"
            if parent.get("medium").and_then(Node::text) != Some("Memory") =>
        {
            Some(Support::Ignored(
                "the size of an emptyDir on disk is not limited yet",
            ))
        }
        _ => {
            let resources = pod.spec.is_some().then_some(shape)?;
            let (_, name) = resources
                .rsplit_once(".limits.")
                .or_else(|| resources.rsplit_once(".requests."))?;
            resource(name)
        }
    }
}

fn resource(name: &str) -> Option<Support> {
    match name {
        "cpu" | "memory" => None,
        "ephemeral-storage" => Some(Support::Ignored(
            "the disk space that a container uses is not limited yet",
        )),
        _ if name.starts_with("hugepages-") => None,
        _ => Some(Support::Refused(
            "there are no device plugins; cpu, memory and hugepages can be given",
        )),
    }
}

#[cfg(test)]
mod tests;
