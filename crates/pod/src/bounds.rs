//! How much may one object cost that somebody sends? It is told from its text, before anything is made of it.
//!
//! No honest object comes near these bounds. Without them three bytes, such as `{},`, could become kilobytes once they
//! are a container with all its fields.

use serde_json::Value;

/// Values in one object, maps and lists among them.
pub const MOST_VALUES: usize = 50_000;
/// Items in one list.
pub const MOST_ITEMS: usize = 10_000;
/// Levels of maps and lists in each other.
pub const MOST_DEPTH: usize = 128;
/// Bytes of one key.
pub const MOST_KEY_BYTES: usize = 1_024;
/// What the items of all lists of an object may take at least, once they have their types.
const ITEMS_BYTES: usize = 2 * 1024 * 1024;
/// What more they may take for each byte of their text.
const ITEMS_BYTES_EACH: usize = 8;
/// What they may take at most.
const ITEMS_BYTES_MOST: usize = 8 * 1024 * 1024;

/// An object would cost too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// It has more than [`MOST_VALUES`] values.
    #[error(
        "it has more than {MOST_VALUES} values, which is the most that one object may have: make several of it"
    )]
    Values,
    /// A list of it has more than [`MOST_ITEMS`] items.
    #[error(
        "a list in it has more than {MOST_ITEMS} items, which is the most: write a shorter one"
    )]
    Items,
    /// It is deeper than [`MOST_DEPTH`].
    #[error("its maps and lists are more than {MOST_DEPTH} levels deep: write flatter ones")]
    Depth,
    /// A key of it has more than [`MOST_KEY_BYTES`].
    #[error("a key in it has more than {MOST_KEY_BYTES} bytes: write a shorter one")]
    Key,
}

/// What the items of all lists of an object of so much text may take in memory.
pub(crate) fn items_bytes(text_bytes: usize) -> usize {
    let each = text_bytes.saturating_mul(ITEMS_BYTES_EACH);
    ITEMS_BYTES.saturating_add(each).min(ITEMS_BYTES_MOST)
}

/// Whether a text that should be JSON may be read. What is no JSON is for its reader to find out.
///
/// # Errors
/// The bound that it breaks.
pub fn json(text: &[u8]) -> Result<(), Excess> {
    let (mut values, mut key_bytes) = (1, 0);
    // How many commas each open list or map has; those of maps do not matter.
    let mut open: Vec<(bool, usize)> = Vec::new();
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'"' => {
                let length = string_bytes(rest);
                key_bytes = length;
                rest = rest.get(length + 1..).unwrap_or_default();
            }
            b':' if key_bytes > MOST_KEY_BYTES => return Err(Excess::Key),
            b'{' | b'[' => {
                values += 1;
                open.push((byte == b'[', 1));
                if open.len() > MOST_DEPTH {
                    return Err(Excess::Depth);
                }
            }
            b'}' | b']' => {
                open.pop();
            }
            b',' => {
                values += 1;
                if let Some((is_list, items)) = open.last_mut() {
                    *items += 1;
                    if *is_list && *items > MOST_ITEMS {
                        return Err(Excess::Items);
                    }
                }
            }
            _ => continue,
        }
        if values > MOST_VALUES {
            return Err(Excess::Values);
        }
    }
    Ok(())
}

/// How long the rest of a string is, without the mark that ends it.
fn string_bytes(rest: &[u8]) -> usize {
    let mut is_escaped = false;
    let end = rest.iter().position(|byte| {
        let ends = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        ends
    });
    end.unwrap_or(rest.len())
}

/// Whether a value that was made of others, by a patch, may be read.
///
/// # Errors
/// The bound that it breaks.
pub fn value(value: &Value) -> Result<(), Excess> {
    let mut values = 0;
    measure(value, 0, &mut values)
}

fn measure(value: &Value, depth: usize, values: &mut usize) -> Result<(), Excess> {
    *values += 1;
    if *values > MOST_VALUES {
        return Err(Excess::Values);
    }
    if depth > MOST_DEPTH {
        return Err(Excess::Depth);
    }
    match value {
        Value::Array(items) if items.len() > MOST_ITEMS => Err(Excess::Items),
        Value::Array(items) => items
            .iter()
            .try_for_each(|item| measure(item, depth + 1, values)),
        Value::Object(fields) => fields.iter().try_for_each(|(key, field)| {
            if key.len() > MOST_KEY_BYTES {
                return Err(Excess::Key);
            }
            measure(field, depth + 1, values)
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_is_told_from_the_text_and_from_the_value() {
        let items = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        let maps = |count: usize| format!("[{}]", vec!["[{},{}]"; count / 3].join(","));
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        let key = |bytes: usize| format!("{{\"{}\":1}}", "k".repeat(bytes));
        for (fits, exceeds, wanted) in [
            (items(MOST_ITEMS), items(MOST_ITEMS + 1), Excess::Items),
            (maps(29_000), maps(99_000), Excess::Values),
            (deep(120), deep(MOST_DEPTH + 1), Excess::Depth),
            (key(MOST_KEY_BYTES), key(MOST_KEY_BYTES + 1), Excess::Key),
        ] {
            assert_eq!(json(fits.as_bytes()), Ok(()));
            assert_eq!(json(exceeds.as_bytes()), Err(wanted));
            assert_eq!(value(&serde_json::from_str(&fits).unwrap()), Ok(()));
        }
        let lists: Vec<String> = (0..6).map(|_| items(MOST_ITEMS)).collect();
        let many = format!("[{}]", lists.join(","));
        assert_eq!(json(many.as_bytes()), Err(Excess::Values));
        assert_eq!(
            value(&serde_json::from_str(&many).unwrap()),
            Err(Excess::Values)
        );
    }

    #[test]
    fn what_stands_in_a_text_is_not_counted() {
        let text = format!("[\"{}\"]", r#"\",[{:"#.repeat(20_000));
        assert_eq!(json(text.as_bytes()), Ok(()));
        assert_eq!(json(b"\"never ends"), Ok(()));
    }
}
