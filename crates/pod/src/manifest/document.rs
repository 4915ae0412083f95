//! Which kind of object is this document, and which does a list hold?

use super::edit_distance::nearest;
use super::tree::{Node, Path, Step, Value};
use super::{Place, Problem};

/// The kinds that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Pod,
    ConfigMap,
    Secret,
}

/// One object, not read any further.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) kind: Kind,
    pub(crate) node: Node,
}

const TAKEN: &str =
    "supported kinds are Pod, ConfigMap, Secret and List of these, all of apiVersion v1";
const WORKLOADS: [&str; 8] = [
    "CronJob",
    "DaemonSet",
    "Deployment",
    "Job",
    "PodTemplate",
    "ReplicaSet",
    "ReplicationController",
    "StatefulSet",
];

enum Shape {
    Object(Kind),
    /// A list, with the kind of its items where its name says so.
    List(Option<Kind>),
}

fn shape_of(kind: &str) -> Option<Shape> {
    Some(match kind {
        "Pod" => Shape::Object(Kind::Pod),
        "ConfigMap" => Shape::Object(Kind::ConfigMap),
        "Secret" => Shape::Object(Kind::Secret),
        "List" => Shape::List(None),
        "PodList" => Shape::List(Some(Kind::Pod)),
        "ConfigMapList" => Shape::List(Some(Kind::ConfigMap)),
        "SecretList" => Shape::List(Some(Kind::Secret)),
        _ => return None,
    })
}

/// The objects of one document, in order.
pub(crate) fn flatten(file: &str, node: Node, problems: &mut Vec<Problem>) -> Vec<Document> {
    let mut documents = Vec::new();
    Flattening {
        file,
        problems,
        documents: &mut documents,
    }
    .take(node, None);
    documents
}

struct Flattening<'a> {
    file: &'a str,
    problems: &'a mut Vec<Problem>,
    documents: &'a mut Vec<Document>,
}

impl Flattening<'_> {
    fn problem(&mut self, path: &str, message: String, place: Place) {
        self.problems.push(Problem::new(
            self.file,
            path.to_owned(),
            message,
            Some(place),
        ));
    }

    fn take(&mut self, node: Node, implied: Option<Kind>) {
        match node.value {
            Value::Map(_) => {}
            Value::Null => return,
            _ => {
                let message =
                    format!("a document must be a mapping with apiVersion and kind; {TAKEN}");
                return self.problem("", message, node.place);
            }
        }
        let shape = match (node.entry("kind"), implied) {
            (None, Some(kind)) => Some(Shape::Object(kind)),
            _ => self.shape(&node),
        };
        let version_is_implied = implied.is_some() && node.entry("apiVersion").is_none();
        let Some(shape) = shape else { return };
        if !version_is_implied && !self.has_version(&node) {
            return;
        }
        match shape {
            Shape::Object(kind) => self.documents.push(Document { kind, node }),
            Shape::List(kind) => self.items(node, kind),
        }
    }

    fn shape(&mut self, node: &Node) -> Option<Shape> {
        let Some(kind) = self.required_text(node, "kind") else {
            // Both are wanted at once; the shape is unknown, so nothing more can be said.
            self.required_text(node, "apiVersion");
            return None;
        };
        let shape = shape_of(&kind);
        if shape.is_none() {
            let place = node.place_of(&Path::parse("kind"));
            let mut problem = Problem::new(
                self.file,
                "kind".to_owned(),
                format!("Unsupported value: {kind:?}: {TAKEN}"),
                Some(place),
            );
            if WORKLOADS.contains(&kind.as_str()) {
                problem.help = Some(format!(
                    "a {kind} makes Pods from a template; write that template as a Pod"
                ));
            }
            let meant = nearest(&kind, ["Pod", "ConfigMap", "Secret", "List"]);
            if let Some(meant) = meant {
                problem.help = Some(format!("did you mean `{meant}`?"));
            }
            self.problems.push(problem);
        }
        shape
    }

    fn has_version(&mut self, node: &Node) -> bool {
        let Some(version) = self.required_text(node, "apiVersion") else {
            return false;
        };
        if version != "v1" {
            let place = node.place_of(&Path::parse("apiVersion"));
            self.problem(
                "apiVersion",
                format!("Unsupported value: {version:?}: supported values: \"v1\""),
                place,
            );
        }
        version == "v1"
    }

    fn required_text(&mut self, node: &Node, key: &str) -> Option<String> {
        let place = node.place_of(&Path(vec![Step::Key(key.to_owned())]));
        match node.get(key).map(|node| &node.value) {
            Some(Value::Text(text)) if !text.is_empty() => return Some(text.clone()),
            None | Some(Value::Null | Value::Text(_)) => {
                self.problem(key, "Required value".to_owned(), place)
            }
            Some(_) => self.problem(key, "Invalid value: expected text".to_owned(), place),
        }
        None
    }

    fn items(&mut self, node: Node, kind: Option<Kind>) {
        let Value::Map(entries) = node.value else {
            return;
        };
        for entry in entries {
            match (entry.key.as_str(), entry.node.value) {
                ("apiVersion" | "kind" | "metadata", _) | ("items", Value::Null) => {}
                ("items", Value::List(items)) => {
                    items.into_iter().for_each(|item| self.take(item, kind))
                }
                ("items", _) => {
                    self.problem(
                        "items",
                        "Invalid value: expected a list".to_owned(),
                        entry.key_place,
                    );
                }
                (key, _) => self.problem(key, format!("unknown field {key:?}"), entry.key_place),
            }
        }
    }
}
