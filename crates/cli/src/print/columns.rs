//! How are rows printed, so that the columns stand below each other?

use serde_json::Value;

/// What goes between two columns of a table.
const GAP: usize = 3;

/// Columns that never become narrower, so that rows that come later stand where the earlier ones do.
#[derive(Debug)]
pub(crate) struct Columns {
    widths: Vec<usize>,
    gap: usize,
}

impl Default for Columns {
    fn default() -> Columns {
        Columns::with_gap(GAP)
    }
}

impl Columns {
    /// Columns with that much between them.
    pub(crate) fn with_gap(gap: usize) -> Columns {
        let widths = Vec::new();
        Columns { widths, gap }
    }

    /// The text of rows.
    pub(crate) fn rows(&mut self, rows: &[Vec<String>]) -> String {
        for row in rows {
            for (index, cell) in row.iter().enumerate() {
                let width = cell.chars().count();
                match self.widths.get_mut(index) {
                    Some(widest) => *widest = width.max(*widest),
                    None => self.widths.push(width),
                }
            }
        }
        let mut text = String::new();
        for row in rows {
            for (index, cell) in row.iter().enumerate() {
                text.push_str(cell);
                if index + 1 < row.len() {
                    let width = self.widths[index] + self.gap - cell.chars().count();
                    text.extend(std::iter::repeat_n(' ', width));
                }
            }
            text.push('\n');
        }
        text
    }
}

/// What a cell of a table shows; a stranger's text cannot move the cursor.
pub(crate) fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => "<none>".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.find(['\n', '\r', '\x0c']) {
        Some(end) => format!("{}...", harmless(&text[..end])),
        None => harmless(&text),
    }
}

/// The text without what a terminal would obey.
pub(crate) fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for each in text.chars() {
        match each {
            '\x1b' => out.push_str("^["),
            '\n' | '\t' => out.push(each),
            each if each.is_control() => out.push('\u{fffd}'),
            each => out.push(each),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_ever_were() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect();
        let mut columns = Columns::default();
        let text = columns.rows(&[row(&["NAME", "AGE"]), row(&["longer", "1s"])]);
        assert_eq!(text, "NAME     AGE\nlonger   1s\n");
        assert_eq!(columns.rows(&[row(&["a", "2s"])]), "a        2s\n");
    }

    #[test]
    fn a_cell_is_one_line_and_does_nothing_to_the_terminal() {
        assert_eq!(cell(&json!("a\nb")), "a...");
        assert_eq!(cell(&json!("\u{1b}[2J")), "^[[2J");
        assert_eq!(cell(&json!(3)), "3");
    }
}
