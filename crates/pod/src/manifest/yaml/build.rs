//! How do a parser's events become a tree, with every alias, merge and key accounted for?

mod limits;

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};

use super::{Chunk, syntax_help, without_tabs};
use crate::bounds::{Excess, MOST_ITEMS, MOST_KEY_BYTES};
use crate::manifest::scalar;
use crate::manifest::tree::{Entry, Node, Path, Step, Value};
use crate::manifest::{Place, Problem};

/// More keys that are given twice are not told.
const MOST_TWICE: usize = 100;

enum Frame {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        index: HashMap<String, Place>,
        key: Option<(String, Place)>,
        merges: Vec<Node>,
    },
}

struct Open {
    frame: Frame,
    anchor: usize,
    place: Place,
}

/// Builds one document's tree.
pub(super) struct Builder<'a> {
    file: &'a str,
    chunk: Chunk<'a>,
    /// Byte offset of each character, if they are not the same.
    offsets: Vec<usize>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    values: usize,
    most_values: usize,
    /// How many bytes of text aliases have made.
    made_bytes: usize,
    root: Option<Node>,
    pub(super) problems: Vec<Problem>,
    /// The paths of keys that are given twice; each is a problem too.
    pub(super) twice: Vec<Path>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(file: &'a str, chunk: Chunk<'a>, most_values: usize) -> Self {
        let offsets = if chunk.text.is_ascii() {
            Vec::new()
        } else {
            chunk
                .text
                .char_indices()
                .map(|(offset, _)| offset)
                .collect()
        };
        Builder {
            file,
            chunk,
            offsets,
            open: Vec::new(),
            anchors: HashMap::new(),
            values: 0,
            most_values,
            made_bytes: 0,
            root: None,
            problems: Vec::new(),
            twice: Vec::new(),
        }
    }

    /// The document, unless it is empty.
    pub(super) fn run(&mut self) -> Result<Option<Node>, Box<Problem>> {
        let start = self.chunk.text.trim_start_matches("---").trim_start();
        let text = if start.starts_with(['{', '[']) {
            without_tabs(self.chunk.text)
        } else {
            self.chunk.text.to_owned()
        };
        let mut parser = Parser::new_from_str(&text);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| {
                let place = self.place(Span::empty(*error.marker()));
                let message = format!("not YAML: {}", error.info());
                let help = syntax_help(error.info()).map(str::to_owned);
                let problem = Problem::new(self.file, String::new(), message, Some(place));
                Box::new(Problem { help, ..problem })
            })?;
            self.take(event, span)?;
        }
        Ok(self.root.take())
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Box<Problem>> {
        let place = self.place(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = self.scalar(&text, style, tag.as_deref(), place)?;
                self.add(Node { place, value }, anchor, style == ScalarStyle::Plain)
            }
            Event::SequenceStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "seq", place);
                self.open(Frame::List(Vec::new()), anchor, place)
            }
            Event::MappingStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "map", place);
                let frame = Frame::Map {
                    entries: Vec::new(),
                    index: HashMap::new(),
                    key: None,
                    merges: Vec::new(),
                };
                self.open(frame, anchor, place)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => {
                let Some(size) = self.anchors.get(&anchor).map(Node::measure) else {
                    return Err(self.problem(
                        "this alias stands inside of what it refers to".to_owned(),
                        place,
                    ));
                };
                // Counted before it is copied: this is where small texts grow large.
                self.count(size.values, size.depth, place)?;
                self.count_made(size.text_bytes, place)?;
                let node = self.anchors.get(&anchor).cloned();
                node.map_or(Ok(()), |node| self.add(node, 0, false))
            }
            Event::DocumentStart(_) if self.root.is_some() => Err(self.problem(
                "a second document starts here; put `---` on a line before it".to_owned(),
                place,
            )),
            _ => Ok(()),
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        place: Place,
    ) -> Result<Value, Box<Problem>> {
        self.count(1, 0, place)?;
        let plain = style == ScalarStyle::Plain;
        let value = match tag.map(|tag| (tag.is_yaml_core_schema(), tag.suffix.as_str())) {
            Some((true, "str")) => Value::Text(text.to_owned()),
            Some((true, "int" | "float" | "bool" | "null")) => scalar::resolve(text),
            None if plain => scalar::resolve(text),
            None => Value::Text(text.to_owned()),
            Some(_) => {
                self.refuse_tag(place);
                Value::Null
            }
        };
        if matches!(value, Value::Float(number, _) if !number.is_finite()) {
            let problem = self.problem(format!("{text} is not a number that JSON has"), place);
            self.problems.push(*problem);
            return Ok(Value::Null);
        }
        Ok(value)
    }

    fn check_tag(&mut self, tag: Option<&Tag>, expected: &str, place: Place) {
        if tag.is_some_and(|tag| !(tag.is_yaml_core_schema() && tag.suffix == expected)) {
            self.refuse_tag(place);
        }
    }

    fn refuse_tag(&mut self, place: Place) {
        let message = "YAML tags other than !!str, !!int, !!float, !!bool, !!null, !!map and !!seq are not read";
        let problem = self.problem(message.to_owned(), place);
        self.problems.push(*problem);
    }

    fn open(&mut self, frame: Frame, anchor: usize, place: Place) -> Result<(), Box<Problem>> {
        self.count(1, 1, place)?;
        self.open.push(Open {
            frame,
            anchor,
            place,
        });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Box<Problem>> {
        let Some(Open {
            frame,
            anchor,
            place,
        }) = self.open.pop()
        else {
            return Ok(());
        };
        let node = match frame {
            Frame::List(items) => {
                let place = items.first().map_or(place, |item| item.place);
                Node {
                    place,
                    value: Value::List(items),
                }
            }
            Frame::Map {
                mut entries,
                mut index,
                merges,
                ..
            } => {
                let place = entries.first().map_or(place, |entry| entry.key_place);
                for merge in merges {
                    self.merge(merge, &mut entries, &mut index)?;
                }
                Node {
                    place,
                    value: Value::Map(entries),
                }
            }
        };
        self.add(node, anchor, false)
    }

    /// Adds what `<<` brings: keys that the mapping does not have itself.
    fn merge(
        &mut self,
        from: Node,
        entries: &mut Vec<Entry>,
        index: &mut HashMap<String, Place>,
    ) -> Result<(), Box<Problem>> {
        match from.value {
            Value::Map(more) => {
                for entry in more {
                    if !index.contains_key(&entry.key) {
                        index.insert(entry.key.clone(), entry.key_place);
                        entries.push(entry);
                    }
                }
                Ok(())
            }
            Value::List(items) if items.iter().all(|item| matches!(item.value, Value::Map(_))) => {
                items
                    .into_iter()
                    .try_for_each(|item| self.merge(item, entries, index))
            }
            _ => Err(self.problem(
                "`<<` merges a mapping or a list of mappings".to_owned(),
                from.place,
            )),
        }
    }

    fn add(&mut self, node: Node, anchor: usize, plain: bool) -> Result<(), Box<Problem>> {
        if anchor != 0 {
            let size = node.measure();
            self.count(size.values, 0, node.place)?;
            self.count_made(size.text_bytes, node.place)?;
            self.anchors.insert(anchor, node.clone());
        }
        let place = node.place;
        let Some(top) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut top.frame {
            Frame::List(items) if items.len() == MOST_ITEMS => {
                return Err(self.problem(Excess::Items.to_string(), place));
            }
            Frame::List(items) => items.push(node),
            Frame::Map {
                entries,
                index,
                key,
                merges,
            } => match key.take() {
                None => match key_text(&node.value) {
                    Some(text) if text.len() > MOST_KEY_BYTES => {
                        return Err(self.problem(Excess::Key.to_string(), place));
                    }
                    Some(text) => {
                        *key = Some((
                            if plain && text == "<<" {
                                MERGE.to_owned()
                            } else {
                                text
                            },
                            node.place,
                        ))
                    }
                    None => {
                        return Err(self.problem(
                            "a key must be text, a number or a boolean".to_owned(),
                            node.place,
                        ));
                    }
                },
                Some((name, _)) if name == MERGE => merges.push(node),
                Some((name, key_place)) => {
                    if let Some(first) = index.get(&name) {
                        let line = first.line;
                        self.given_twice(&name, line, key_place);
                    } else {
                        index.insert(name.clone(), key_place);
                        entries.push(Entry {
                            key: name,
                            key_place,
                            node,
                        });
                    }
                }
            },
        }
        Ok(())
    }

    fn given_twice(&mut self, name: &str, line: usize, place: Place) {
        if self.twice.len() == MOST_TWICE {
            return;
        }
        let message = format!("the key {name:?} is given twice; it stands on line {line} already");
        let path = self.path().with_key(name);
        let problem = Problem::new(self.file, path.to_string(), message, Some(place));
        self.problems.push(problem);
        self.twice.push(path);
    }

    /// Where the builder stands.
    fn path(&self) -> Path {
        let steps = self
            .open
            .iter()
            .take(self.open.len().saturating_sub(1))
            .filter_map(|open| match &open.frame {
                Frame::List(items) => Some(Step::Index(items.len())),
                Frame::Map { key, .. } => key.as_ref().map(|(key, _)| Step::Key(key.clone())),
            });
        Path(steps.collect())
    }

    fn problem(&self, message: String, place: Place) -> Box<Problem> {
        let path = self.path().to_string();
        Box::new(Problem::new(self.file, path, message, Some(place)))
    }

    fn byte(&self, marker: Marker) -> usize {
        let within = if self.offsets.is_empty() {
            marker.index()
        } else {
            self.offsets
                .get(marker.index())
                .copied()
                .unwrap_or(self.chunk.text.len())
        };
        self.chunk.byte + within.min(self.chunk.text.len())
    }

    fn place(&self, span: Span) -> Place {
        let start = self.byte(span.start);
        Place {
            line: self.chunk.line + span.start.line(),
            column: span.start.col() + 1,
            start,
            end: self.byte(span.end).max(start),
        }
    }
}

/// What a plain `<<` is kept as; no scalar can hold it.
const MERGE: &str = "\0<<";

fn key_text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        Value::Big(number) => Some(number.to_string()),
        Value::Float(_, text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}
