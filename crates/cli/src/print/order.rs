//! In which order do objects stand with `--sort-by`?

use std::cmp::Ordering;

use serde_json::Value;

use super::jsonpath::{Template, plain};
use crate::failure::Failure;

/// An order by what stands at the end of a way.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    path: String,
    way: Template,
}

impl Order {
    /// Reads `--sort-by`.
    pub(crate) fn parse(path: &str) -> Result<Order, Failure> {
        let way = Template::parse(path).map_err(Failure::say)?;
        let path = path.to_owned();
        Ok(Order { path, way })
    }

    /// Sorts things by their objects. Those that have nothing there come first; others that are equal
    /// stay in their order.
    pub(crate) fn sort<T>(
        &self,
        things: &mut [T],
        object: impl Fn(&T) -> &Value,
    ) -> Result<(), Failure> {
        let key = |thing: &T| self.way.find(object(thing)).first().copied().cloned();
        if !things.is_empty() && things.iter().all(|thing| key(thing).is_none()) {
            return Err(Failure::say(format!(
                "couldn't find any field with path {:?} in the list of objects",
                self.path
            )));
        }
        things.sort_by(|one, other| match (key(one), key(other)) {
            (Some(one), Some(other)) => compare(&one, &other),
            (one, other) => one.is_some().cmp(&other.is_some()),
        });
        Ok(())
    }
}

/// Numbers by their size, all else as people count: `web-2` before `web-10`.
fn compare(one: &Value, other: &Value) -> Ordering {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one.total_cmp(&other),
        _ => natural(&plain(one), &plain(other)),
    }
}

fn natural(one: &str, other: &str) -> Ordering {
    let (one, other) = (pieces(one), pieces(other));
    one.cmp(&other)
}

/// A text cut where digits begin and end: the number of a piece of digits, or the piece.
fn pieces(text: &str) -> Vec<(Option<u128>, &str)> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_digit = first.is_ascii_digit();
        let end = rest.find(|each: char| each.is_ascii_digit() != is_digit);
        let (piece, after) = rest.split_at(end.unwrap_or(rest.len()));
        let number = if is_digit { piece.parse().ok() } else { None };
        pieces.push((number, piece));
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sorted(path: &str, objects: &[Value]) -> Result<Vec<String>, Failure> {
        let mut objects = objects.to_vec();
        Order::parse(path)?.sort(&mut objects, |object| object)?;
        Ok(objects.iter().map(|object| plain(&object["n"])).collect())
    }

    #[test]
    fn objects_are_sorted_by_numbers_names_and_times() {
        let of = |n: &str, count: Value| json!({ "n": n, "c": count, "t": format!("2026-01-0{}", n.len()) });
        let objects = [
            of("web-10", json!(9)),
            of("web-2", json!(10)),
            of("a", Value::Null),
        ];
        assert_eq!(sorted(".n", &objects).unwrap(), ["a", "web-2", "web-10"]);
        assert_eq!(sorted("{.c}", &objects[..2]).unwrap(), ["web-10", "web-2"]);
        assert_eq!(sorted("{.t}", &objects).unwrap(), ["a", "web-2", "web-10"]);
        let without = json!({ "n": "none" });
        assert_eq!(
            sorted(".t", &[objects[0].clone(), without]).unwrap(),
            ["none", "web-10"]
        );
        assert!(sorted(".nothing", &objects).is_err());
        assert_eq!(sorted(".nothing", &[]).unwrap(), [""; 0]);
    }
}
