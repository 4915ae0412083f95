//! What does `{.status.phase}` show of an object? The part of kubectl's JSONPath that points at things:
//! keys, indexes, `*`, filters such as `[?(@.type=="Ready")]`, and `{range .items[*]}…{end}`.

use serde_json::Value;

/// A template: text, and in braces ways to values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Way(Vec<Step>),
    /// The parts once for each value at the end of a way.
    Range(Vec<Step>, Vec<Part>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(i64),
    All,
    /// Elements whose value at the end of a way is this one.
    Where(Vec<Step>, String),
}

impl Template {
    /// Reads one; what has no braces at all is taken for one way.
    pub(crate) fn parse(text: &str) -> Result<Template, String> {
        let mut parts = Vec::new();
        if !text.contains('{') {
            let way = way(text.strip_prefix('$').unwrap_or(text))?;
            return Ok(Template {
                parts: vec![Part::Way(way)],
            });
        }
        let mut rest = text;
        let mut ranges = Vec::new();
        while let Some(open) = rest.find('{') {
            if open > 0 {
                parts.push(Part::Text(rest[..open].to_owned()));
            }
            let inner = &rest[open + 1..];
            let close = closing(inner).ok_or_else(|| format!("{text:?}: a brace is not closed"))?;
            let word = inner[..close].trim();
            if let Some(over) = word.strip_prefix("range ") {
                ranges.push((relative(over)?, std::mem::take(&mut parts)));
            } else if word == "end" {
                let (way, before) = ranges.pop().ok_or("an end without a range")?;
                let inside = std::mem::replace(&mut parts, before);
                parts.push(Part::Range(way, inside));
            } else {
                parts.push(part(word)?);
            }
            rest = &inner[close + 1..];
        }
        if !ranges.is_empty() {
            return Err(format!("{text:?}: a range without {{end}}"));
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Template { parts })
    }

    /// What it shows.
    pub(crate) fn show(&self, object: &Value) -> String {
        show(&self.parts, object)
    }

    /// The values that it points at.
    pub(crate) fn find<'a>(&self, object: &'a Value) -> Vec<&'a Value> {
        let ways = self.parts.iter().filter_map(|part| match part {
            Part::Way(way) => Some(way),
            Part::Text(_) | Part::Range(..) => None,
        });
        ways.flat_map(|way| follow(vec![object], way)).collect()
    }
}

fn show(parts: &[Part], object: &Value) -> String {
    let one = |part: &Part| match part {
        Part::Text(text) => text.clone(),
        Part::Way(way) => {
            let found = follow(vec![object], way);
            found.into_iter().map(plain).collect::<Vec<_>>().join(" ")
        }
        Part::Range(way, inside) => {
            let found = follow(vec![object], way);
            found.into_iter().map(|each| show(inside, each)).collect()
        }
    };
    parts.iter().map(one).collect()
}

/// The closing brace, but for those in quotes.
fn closing(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, each) in text.char_indices() {
        match (quote, each) {
            (Some(open), each) if open == each => quote = None,
            (None, '"' | '\'') => quote = Some(each),
            (None, '}') => return Some(at),
            _ => {}
        }
    }
    None
}

fn part(text: &str) -> Result<Part, String> {
    let text = text.trim();
    if let Some(quoted) = unquoted(text) {
        return Ok(Part::Text(quoted.replace("\\n", "\n").replace("\\t", "\t")));
    }
    relative(text).map(Part::Way)
}

/// A way from where one stands.
fn relative(text: &str) -> Result<Vec<Step>, String> {
    let text = text.trim();
    way(text.strip_prefix(['$', '@']).unwrap_or(text))
}

fn unquoted(text: &str) -> Option<&str> {
    let quote = text
        .chars()
        .next()
        .filter(|first| matches!(first, '"' | '\''))?;
    text.strip_prefix(quote)?.strip_suffix(quote)
}

/// `.a.b[0]['c.d'][?(@.x=="y")]`
fn way(text: &str) -> Result<Vec<Step>, String> {
    let wrong = || format!("{text:?} is no way to a value, such as .status.phase");
    let mut steps = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (step, after) = bracket(inner).ok_or_else(wrong)?;
            steps.push(step);
            rest = after;
            continue;
        }
        rest = match rest.strip_prefix('.') {
            Some(rest) => rest,
            None if steps.is_empty() => rest,
            None => return Err(wrong()),
        };
        if rest.is_empty() && steps.is_empty() {
            break;
        }
        let (key, after) = key(rest);
        rest = after;
        match key.as_str() {
            "" if rest.starts_with('[') => {}
            "" => return Err(wrong()),
            "*" => steps.push(Step::All),
            _ => steps.push(Step::Key(key)),
        }
    }
    Ok(steps)
}

/// A key up to the next dot or bracket; `\.` is a dot in it.
fn key(text: &str) -> (String, &str) {
    let mut key = String::new();
    let mut each = text.char_indices();
    while let Some((at, next)) = each.next() {
        match next {
            '\\' => key.extend(each.next().map(|(_, next)| next)),
            '.' | '[' => return (key, &text[at..]),
            next => key.push(next),
        }
    }
    (key, "")
}

fn bracket(text: &str) -> Option<(Step, &str)> {
    if let Some(filter) = text.strip_prefix("?(@") {
        let (filter, after) = filter.split_once(")]")?;
        let (left, right) = filter.split_once("==")?;
        let right = right.trim();
        let right = unquoted(right).unwrap_or(right);
        return Some((Step::Where(way(left).ok()?, right.to_owned()), after));
    }
    let (inner, after) = text.split_once(']')?;
    let step = match (inner, unquoted(inner)) {
        (_, Some(key)) => Step::Key(key.replace("\\.", ".")),
        ("*", _) => Step::All,
        (index, _) => Step::Index(index.trim().parse().ok()?),
    };
    Some((step, after))
}

fn follow<'a>(from: Vec<&'a Value>, way: &[Step]) -> Vec<&'a Value> {
    way.iter().fold(from, |here, step| {
        here.into_iter()
            .flat_map(|value| take(value, step))
            .collect()
    })
}

fn take<'a>(value: &'a Value, step: &Step) -> Vec<&'a Value> {
    let elements = || -> Vec<&'a Value> {
        match value {
            Value::Array(list) => list.iter().collect(),
            Value::Object(map) => map.values().collect(),
            _ => Vec::new(),
        }
    };
    match step {
        Step::Key(key) => value.get(key).into_iter().collect(),
        Step::Index(index) => {
            let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
            let at = match usize::try_from(*index) {
                Ok(at) => Some(at),
                Err(_) => usize::try_from(index.unsigned_abs())
                    .ok()
                    .and_then(|back| list.len().checked_sub(back)),
            };
            at.and_then(|at| list.get(at)).into_iter().collect()
        }
        Step::All => elements(),
        Step::Where(way, wanted) => elements()
            .into_iter()
            .filter(|element| {
                follow(vec![element], way)
                    .into_iter()
                    .any(|found| plain(found) == *wanted)
            })
            .collect(),
    }
}

/// Text as it is, everything else as JSON.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn templates_show_what_they_point_at() {
        let object = json!({
            "metadata": { "name": "web", "annotations": { "a.b/c": "d" } },
            "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }, { "type": "X", "status": "False" }] },
        });
        for (template, shown) in [
            ("{.status.phase}", "Running"),
            (".status.phase", "Running"),
            ("status.phase", "Running"),
            (
                "{.metadata.name}{\"\\n\"}is {.status.phase}",
                "web\nis Running",
            ),
            ("{.status.conditions[*].type}", "Ready X"),
            ("{.status.conditions[?(@.type==\"Ready\")].status}", "True"),
            ("{.status.conditions[-1].type}", "X"),
            ("{.metadata.annotations.a\\.b/c}", "d"),
            ("{.metadata.annotations['a\\.b/c']}", "d"),
            ("{.nothing.there}", ""),
            (
                "{range .status.conditions[*]}{.type}{\"\\n\"}{end}.",
                "Ready\nX\n.",
            ),
        ] {
            let read = Template::parse(template).unwrap();
            assert_eq!(read.show(&object), shown, "{template}");
        }
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for text in [
            "{.a",
            "{range .items[*]}{.a}",
            "{.a}{end}",
            "{.a[}",
            "{.a..b}",
            "{.a[x]}",
        ] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
