//! How does a description stand on the page? Names in a column, values beside them, parts further in.

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

/// What goes between two cells.
const GAP: usize = 2;

/// Text that grows line by line. Cells of neighbouring lines stand below each other, however deep the lines
/// are; a line without such a cell separates.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    lines: Vec<Vec<String>>,
}

impl Lines {
    /// A name and its value.
    pub(crate) fn pair(&mut self, depth: usize, name: &str, value: impl Into<String>) {
        self.cells(depth, [format!("{name}:"), value.into()]);
    }

    /// A line of several cells.
    pub(crate) fn cells(&mut self, depth: usize, cells: impl Into<Vec<String>>) {
        let mut cells = cells.into();
        if let Some(first) = cells.first_mut() {
            first.insert_str(0, &"  ".repeat(depth));
        }
        self.lines.push(cells);
    }

    /// A line without a column.
    pub(crate) fn plain(&mut self, depth: usize, text: impl Into<String>) {
        self.cells(depth, [text.into()]);
    }

    /// The same name with several values, the others below the first.
    pub(crate) fn list(&mut self, depth: usize, name: &str, values: &[String]) {
        let mut values = values.iter();
        let first = values.next().map_or("<none>", String::as_str);
        self.pair(depth, name, first);
        for value in values {
            self.cells(0, [String::new(), value.clone()]);
        }
    }

    /// The text.
    pub(crate) fn text(&self) -> String {
        let mut lines = self.lines.clone();
        let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
        for column in 0..columns {
            // The last cell of a line is as wide as it is.
            let has_next = |line: &Vec<String>| line.len() > column + 1;
            for block in lines.chunk_by_mut(|one, next| has_next(one) && has_next(next)) {
                let width = |line: &Vec<String>| line[column].chars().count();
                let widest = block.iter().filter(|line| has_next(line)).map(width).max();
                for line in block.iter_mut().filter(|line| has_next(line)) {
                    let gap = widest.unwrap_or(0) + GAP - width(line);
                    line[column].extend(std::iter::repeat_n(' ', gap));
                }
            }
        }
        lines
            .iter()
            .map(|line| format!("{}\n", line.concat()))
            .collect()
    }
}

/// `a=b` of each pair of a map, in order.
pub(crate) fn pairs(map: &Value, between: &str) -> Vec<String> {
    let pair = |(key, value): (&String, &Value)| {
        format!("{key}{between}{}", value.as_str().unwrap_or_default())
    };
    let map = map.as_object();
    map.into_iter().flatten().map(pair).collect()
}

/// A moment as kubectl writes it, such as `Mon, 02 Jan 2006 15:04:05 +0000`.
pub(crate) fn moment(value: &Value) -> String {
    let Some(text) = value.as_str() else {
        return "<unset>".to_owned();
    };
    match text.parse::<Timestamp>() {
        Ok(moment) => moment.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string(),
        Err(_) => text.to_owned(),
    }
}

/// Text, or a word for none.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The elements of a list; none of what is no list.
pub(crate) fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// `True` and `False`, as kubectl writes them.
pub(crate) fn truth(value: &Value) -> &'static str {
    match value.as_bool() {
        Some(true) => "True",
        _ => "False",
    }
}
