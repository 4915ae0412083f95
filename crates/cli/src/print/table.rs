//! How does a table that the server wrote look on a terminal?

use serde_json::Value;

use super::columns::{Columns, cell};
use super::order::Order;
use crate::failure::Failure;

/// Rows of one kind of object.
#[derive(Debug, Default)]
pub(crate) struct Table {
    is_wide: bool,
    /// Begin each row with the namespace.
    pub(crate) with_namespace: bool,
    /// End each row with the labels.
    pub(crate) with_labels: bool,
    /// Begin each name with this kind and a slash.
    pub(crate) kind: Option<String>,
    headers: Vec<Header>,
    rows: Vec<Value>,
    columns: Columns,
}

#[derive(Debug)]
struct Header {
    name: String,
    /// Only wide tables show columns of a priority above 0.
    is_shown: bool,
    is_name: bool,
}

impl Table {
    /// An empty one.
    pub(crate) fn new(is_wide: bool) -> Table {
        Table {
            is_wide,
            ..Table::default()
        }
    }

    /// Takes the rows of an answer.
    pub(crate) fn append(&mut self, answer: &Value) {
        let definitions = answer["columnDefinitions"].as_array();
        let definitions = definitions.filter(|definitions| !definitions.is_empty());
        if let (true, Some(definitions)) = (self.headers.is_empty(), definitions) {
            let header = |definition: &Value| Header {
                name: definition["name"]
                    .as_str()
                    .unwrap_or_default()
                    .to_uppercase(),
                is_shown: self.is_wide || definition["priority"].as_i64().unwrap_or(0) == 0,
                is_name: definition["format"] == "name",
            };
            self.headers = definitions.iter().map(header).collect();
        }
        let rows = answer["rows"].as_array();
        self.rows.extend(rows.into_iter().flatten().cloned());
    }

    /// Sorts the rows, which must have come with their whole objects.
    pub(crate) fn sort(&mut self, order: &Order) -> Result<(), Failure> {
        order.sort(&mut self.rows, |row| &row["object"])
    }

    /// Whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Forgets the rows, and remembers how wide the columns were.
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
    }

    /// The text.
    pub(crate) fn text(&mut self, with_headers: bool) -> String {
        let mut lines = Vec::new();
        if with_headers {
            let mut line = Vec::new();
            if self.with_namespace {
                line.push("NAMESPACE".to_owned());
            }
            let shown = self.headers.iter().filter(|header| header.is_shown);
            line.extend(shown.map(|header| header.name.clone()));
            if self.with_labels {
                line.push("LABELS".to_owned());
            }
            lines.push(line);
        }
        lines.extend(self.rows.iter().map(|row| self.line(row)));
        self.columns.rows(&lines)
    }

    fn line(&self, row: &Value) -> Vec<String> {
        let metadata = &row["object"]["metadata"];
        let mut line = Vec::new();
        if self.with_namespace {
            line.push(
                metadata["namespace"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            );
        }
        let cells = row["cells"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        for (header, value) in self.headers.iter().zip(cells) {
            if header.is_shown {
                line.push(match &self.kind {
                    Some(kind) if header.is_name => format!("{kind}/{}", cell(value)),
                    _ => cell(value),
                });
            }
        }
        if self.with_labels {
            line.push(labels(&metadata["labels"]));
        }
        line
    }
}

/// `a=1,b=2`
pub(crate) fn labels(labels: &Value) -> String {
    let pair =
        |(key, value): (&String, &Value)| format!("{key}={}", value.as_str().unwrap_or_default());
    match labels.as_object() {
        Some(map) if !map.is_empty() => map.iter().map(pair).collect::<Vec<_>>().join(","),
        _ => "<none>".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer() -> Value {
        json!({
            "columnDefinitions": [
                { "name": "Name", "format": "name", "priority": 0 },
                { "name": "Ready", "priority": 0 }, { "name": "IP", "priority": 1 },
            ],
            "rows": [
                { "cells": ["web", "3/3", null], "object": { "metadata": { "namespace": "default", "labels": { "a": "1" } } } },
                { "cells": ["longer-name", "0/1", "10.0.0.1"], "object": { "metadata": { "namespace": "x" } } },
            ],
        })
    }

    #[test]
    fn a_table_shows_the_columns_that_are_asked_for() {
        let mut narrow = Table::new(false);
        narrow.append(&answer());
        assert_eq!(
            narrow.text(true),
            "NAME          READY\nweb           3/3\nlonger-name   0/1\n"
        );
        let mut wide = Table::new(true);
        wide.with_namespace = true;
        wide.with_labels = true;
        wide.kind = Some("pod".to_owned());
        wide.append(&answer());
        assert_eq!(
            wide.text(true),
            "NAMESPACE   NAME              READY   IP         LABELS\n\
             default     pod/web           3/3     <none>     a=1\n\
             x           pod/longer-name   0/1     10.0.0.1   <none>\n"
        );
    }
}
