//! What a document looks like once its scalars are resolved and every part of it knows its place.

use std::fmt;

use super::Place;

/// One value of a document, with its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// The scalar itself; for a mapping its first key, for a list its first element.
    pub(crate) place: Place,
    pub(crate) value: Value,
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    /// A whole number that is too large for [`Value::Int`].
    Big(u64),
    /// The number and its text, because a quantity must not go through binary fractions.
    Float(f64, String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a mapping with its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_place: Place,
    pub(crate) node: Node,
}

/// One step from a value to a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// The way from a document's root to a part of it; displays as Kubernetes spells field paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Path(pub(crate) Vec<Step>);

impl Path {
    /// Reads a path as Kubernetes spells it: `spec.containers[0].image`, `metadata.labels[a.b/c]`.
    pub(crate) fn parse(text: &str) -> Path {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(inside) = rest.strip_prefix('[') {
                let end = inside.find(']').unwrap_or(inside.len());
                let (step, after) = inside.split_at(end);
                steps.push(match step.parse() {
                    Ok(index) => Step::Index(index),
                    Err(_) => Step::Key(step.to_owned()),
                });
                rest = after.strip_prefix(']').unwrap_or(after);
            } else {
                let name = rest.strip_prefix('.').unwrap_or(rest);
                let end = name.find(['.', '[']).unwrap_or(name.len());
                let (step, after) = name.split_at(end);
                if !step.is_empty() {
                    steps.push(Step::Key(step.to_owned()));
                }
                rest = after;
            }
        }
        Path(steps)
    }

    /// This path and one key more.
    pub(crate) fn with_key(&self, key: &str) -> Path {
        let mut path = self.clone();
        path.0.push(Step::Key(key.to_owned()));
        path
    }

    /// The path without its indices, which says what kind of field it leads to:
    /// `spec.containers[].image`.
    pub(crate) fn shape(&self) -> String {
        let mut shape = String::new();
        for step in &self.0 {
            match step {
                Step::Index(_) => shape.push_str("[]"),
                Step::Key(key) => {
                    if !shape.is_empty() {
                        shape.push('.');
                    }
                    shape.push_str(key);
                }
            }
        }
        shape
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if key.contains(['.', '/', '[', ' ']) => write!(f, "[{key}]")?,
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

impl Node {
    /// The value of `key`, if this is a mapping that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The entry of `key`, if this is a mapping that has it.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The text of a scalar that is text.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    fn step_mut(&mut self, step: &Step) -> Option<&mut Node> {
        match (&mut self.value, step) {
            (Value::Map(entries), Step::Key(key)) => entries
                .iter_mut()
                .find(|entry| entry.key == *key)
                .map(|entry| &mut entry.node),
            (Value::List(items), Step::Index(index)) => items.get_mut(*index),
            _ => None,
        }
    }

    /// Whether there is a part at `path`.
    pub(crate) fn has(&self, path: &Path) -> bool {
        let mut node = self;
        for step in &path.0 {
            let part = match (&node.value, step) {
                (Value::List(items), Step::Index(index)) => items.get(*index),
                (_, Step::Key(key)) => node.get(key),
                _ => None,
            };
            let Some(part) = part else { return false };
            node = part;
        }
        true
    }

    /// The part at `path`.
    pub(crate) fn at_mut(&mut self, path: &Path) -> Option<&mut Node> {
        path.0
            .iter()
            .try_fold(self, |node, step| node.step_mut(step))
    }

    /// Where to point for `path`: at a scalar itself, else at the key of what is there, else at the
    /// nearest thing above it that exists.
    pub(crate) fn place_of(&self, path: &Path) -> Place {
        let mut node = self;
        let mut place = self.place;
        for step in &path.0 {
            match (&node.value, step) {
                (Value::Map(entries), Step::Key(_) | Step::Index(_)) => {
                    let wanted = match step {
                        Step::Key(key) => key.clone(),
                        Step::Index(index) => index.to_string(),
                    };
                    let Some(entry) = entries.iter().find(|entry| entry.key == wanted) else {
                        return place;
                    };
                    node = &entry.node;
                    // Block text and what an alias stands for are elsewhere; their key is here.
                    let beside = node.place.line == entry.key_place.line;
                    place = if beside && node.is_pointable() {
                        node.place
                    } else {
                        entry.key_place
                    };
                }
                (Value::List(items), Step::Index(index)) => {
                    let Some(item) = items.get(*index) else {
                        return place;
                    };
                    node = item;
                    place = node.place;
                }
                _ => return place,
            }
        }
        place
    }

    fn is_pointable(&self) -> bool {
        let scalar = !matches!(self.value, Value::Map(_) | Value::List(_) | Value::Null);
        scalar && self.place.end > self.place.start
    }

    /// How large this is.
    pub(crate) fn measure(&self) -> Size {
        let mut size = Size {
            values: 1,
            ..Size::default()
        };
        match &self.value {
            Value::List(items) => items.iter().for_each(|item| size.add(item.measure())),
            Value::Map(entries) => entries.iter().for_each(|entry| {
                size.text_bytes += entry.key.len();
                size.add(entry.node.measure());
            }),
            Value::Text(text) => size.text_bytes = text.len(),
            _ => {}
        }
        size
    }
}

/// How large a part of a document is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size {
    /// How many values it is made of.
    pub(crate) values: usize,
    /// How deep they are nested.
    pub(crate) depth: usize,
    /// How long its texts and keys are together.
    pub(crate) text_bytes: usize,
}

impl Size {
    fn add(&mut self, part: Size) {
        self.values += part.values;
        self.text_bytes += part.text_bytes;
        self.depth = self.depth.max(part.depth + 1);
    }

    /// About how many bytes of text it takes to write it down.
    pub(crate) fn bytes(self) -> usize {
        const BETWEEN: usize = 3;
        self.text_bytes + BETWEEN * self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_and_written_as_kubernetes_spells_it() {
        for text in [
            "spec",
            "spec.containers[0].image",
            "metadata.labels[app.kubernetes.io/name]",
            "",
        ] {
            assert_eq!(Path::parse(text).to_string(), text);
        }
        assert_eq!(Path::parse("spec.a[3].b[x.y]").shape(), "spec.a[].b.x.y");
    }
}
