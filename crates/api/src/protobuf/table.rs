//! Which field of which message has which number? The text of `fields.txt` as a table.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The facts.
const TEXT: &str = include_str!("fields.txt");

/// All messages.
pub(super) static TABLE: LazyLock<Table> = LazyLock::new(|| Table::read(TEXT));

/// Messages by name.
#[derive(Debug)]
pub(super) struct Table(HashMap<&'static str, Vec<Field>>);

/// A field of a message.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) number: u64,
    /// In JSON; `.` if what it holds stands among the fields of its holder.
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) holds: Holds,
    /// Whether nothing is told apart from what is left out.
    pub(super) is_pointer: bool,
}

/// How many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    One,
    List,
    Map,
}

/// What one of them is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Text,
    Whole,
    Truth,
    Moment,
    FineMoment,
    Quantity,
    Bytes,
    Either,
    Message(&'static str),
}

impl Table {
    /// The fields of a message.
    pub(super) fn message(&self, name: &str) -> Option<&[Field]> {
        self.0.get(name).map(Vec::as_slice)
    }

    fn read(text: &'static str) -> Table {
        let mut messages: HashMap<&'static str, Vec<Field>> = HashMap::new();
        let mut name = "";
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            match line.strip_prefix(' ') {
                Some(fields) => {
                    let fields = fields.split(',').filter_map(field);
                    messages.entry(name).or_default().extend(fields);
                }
                None => {
                    name = line;
                    messages.entry(name).or_default();
                }
            }
        }
        Table(messages)
    }
}

/// `3 name text?`; a test reads that every one of them can be read.
fn field(text: &'static str) -> Option<Field> {
    let mut words = text.split_whitespace();
    let (number, name, kind) = (words.next()?, words.next()?, words.next()?);
    let (kind, is_pointer) = match kind.strip_suffix('?') {
        Some(kind) => (kind, true),
        None => (kind, false),
    };
    let between = |open, close| {
        let kind = kind.strip_prefix(open);
        kind.and_then(|kind: &str| kind.strip_suffix(close))
    };
    let (kind, shape) = match (between('[', ']'), between('{', '}')) {
        (Some(kind), _) => (kind, Shape::List),
        (_, Some(kind)) => (kind, Shape::Map),
        _ => (kind, Shape::One),
    };
    Some(Field {
        number: number.parse().ok()?,
        name,
        shape,
        holds: match kind {
            "text" => Holds::Text,
            "int" => Holds::Whole,
            "bool" => Holds::Truth,
            "time" => Holds::Moment,
            "micro" => Holds::FineMoment,
            "quantity" => Holds::Quantity,
            "bytes" => Holds::Bytes,
            "either" => Holds::Either,
            message => Holds::Message(message),
        },
        is_pointer,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_can_be_read_and_names_only_what_there_is() {
        let said: usize = TEXT
            .lines()
            .filter(|line| line.starts_with(' '))
            .map(|line| line.trim_end_matches(',').split(',').count())
            .sum();
        let read: usize = TABLE.0.values().map(Vec::len).sum();
        assert_eq!(said, read);
        for (name, fields) in &TABLE.0 {
            for (at, field) in fields.iter().enumerate() {
                if let Holds::Message(held) = field.holds {
                    assert!(TABLE.0.contains_key(held), "{name} holds {held}");
                }
                let twice = fields[..at]
                    .iter()
                    .any(|other| other.number == field.number);
                assert!(!twice, "{name} has {} twice", field.number);
            }
        }
    }

    #[test]
    fn no_message_holds_itself_so_that_no_body_is_deeper_than_the_table() {
        fn depth(name: &str, above: &mut Vec<String>) -> usize {
            assert!(!above.iter().any(|each| each == name), "{above:?} {name}");
            above.push(name.to_owned());
            let held = TABLE.message(name).unwrap().iter().filter_map(|field| {
                let Holds::Message(held) = field.holds else {
                    return None;
                };
                Some(held)
            });
            let deepest = held.map(|held| depth(held, above)).max().unwrap_or(0);
            above.pop();
            deepest + 1
        }
        for name in TABLE.0.keys() {
            assert!(depth(name, &mut Vec::new()) < 16, "{name}");
        }
    }
}
