//! Strategic merge patches: maps are merged, lists by the keys of their elements, and directives say the rest.
//!
//! `$patch: replace|delete|merge` stands in a map or as an element of a list, `$retainKeys` in a map,
//! `$deleteFromPrimitiveList/FIELD` and `$setElementOrder/FIELD` beside the field.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::order::{New, arrange, identities, identity};
use super::schema::{self, How};
use super::{bad, take_map};
use crate::{Failure, Reason};

const PATCH: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const DELETE: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";

/// So many elements of lists are looked at for one patch. A patch that names the same element again and again has its
/// lists merged each time.
const MOST_WORK: usize = 1_000_000;

/// What a patch may still take.
#[derive(Default)]
struct Work(Cell<usize>);

impl Work {
    fn take(&self, elements: usize) -> Result<(), Failure> {
        self.0.set(self.0.get().saturating_add(elements));
        if self.0.get() > MOST_WORK {
            let message =
                "the patch merges long lists too many times: name each of their elements once";
            return Err(Failure::new(Reason::RequestEntityTooLarge, message));
        }
        Ok(())
    }
}

/// Merges a patch into a map of the named type.
pub(super) fn merge(
    target: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    of: &str,
    new: New,
) -> Result<(), Failure> {
    merge_map(target, patch, (of, new), &Work::default())
}

fn merge_map(
    target: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    (of, new): (&str, New),
    work: &Work,
) -> Result<(), Failure> {
    match directive(patch)? {
        Some("replace") => {
            let kept = patch
                .iter()
                .filter(|(key, value)| *key != PATCH && !value.is_null());
            *target = kept
                .map(|(key, value)| (key.clone(), without_nulls(value.clone())))
                .collect();
            return Ok(());
        }
        Some("delete") => {
            target.clear();
            return Ok(());
        }
        _ => {}
    }
    retain(target, patch)?;
    for (key, value) in patch {
        if key == PATCH || key == RETAIN {
            continue;
        }
        if let Some(field) = key.strip_prefix(DELETE) {
            delete_values(target, field, value)?;
        } else if let Some(field) = key.strip_prefix(ORDER) {
            // A list that the patch has too is put in order when it is merged.
            if !patch.contains_key(field) {
                reorder(target, field, value, (of, work))?;
            }
        } else {
            let order = patch.get(&format!("{ORDER}{key}"));
            let place = Place {
                of,
                order,
                new,
                work,
            };
            merge_field(target, key, value, place)?;
        }
    }
    Ok(())
}

/// Where a field stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    of: &'a str,
    order: Option<&'a Value>,
    new: New,
    work: &'a Work,
}

fn merge_field(
    target: &mut Map<String, Value>,
    key: &str,
    value: &Value,
    place: Place,
) -> Result<(), Failure> {
    let known = schema::field(place.of, key);
    // kubectl's debug command names only the container that it adds, and those before it must not move.
    let place = Place {
        new: if key == "ephemeralContainers" {
            New::Last
        } else {
            place.new
        },
        ..place
    };
    let to = known.map_or("", |field| field.to);
    let how = known.map_or(How::Plain, |field| field.how);
    match value {
        Value::Null => {
            target.remove(key);
        }
        Value::Object(inner) => {
            let is_gone = directive(inner)? == Some("delete") && !target.contains_key(key);
            if !is_gone {
                let old = target.entry(key).or_insert(Value::Null);
                let mut map = take_map(old);
                merge_map(&mut map, inner, (to, place.new), place.work)?;
                *old = Value::Object(map);
            }
        }
        Value::Array(list) if how != How::Plain => {
            let old = match target.remove(key) {
                Some(Value::Array(old)) => old,
                _ => Vec::new(),
            };
            let merged = match how {
                How::By(by) | How::ByRetaining(by) => {
                    merge_list(old, list, by, Place { of: to, ..place })?
                }
                _ => merge_set(old, list, place)?,
            };
            target.insert(key.to_owned(), Value::Array(merged));
        }
        other => {
            target.insert(key.to_owned(), without_nulls(other.clone()));
        }
    }
    Ok(())
}

/// Merges a list of maps by a key.
fn merge_list(
    old: Vec<Value>,
    patch: &[Value],
    by: &str,
    place: Place,
) -> Result<Vec<Value>, Failure> {
    place.work.take(old.len() + patch.len())?;
    let server = identities(&old, Some(by));
    let mut merged = old;
    let mut plain = Vec::new();
    let mut gone = HashSet::new();
    let mut is_replaced = false;
    for element in patch {
        let Value::Object(map) = element else {
            return Err(bad(format!(
                "an element of a list that is merged by {by:?} must be an object"
            )));
        };
        match directive(map)? {
            Some("replace") if map.len() == 1 => is_replaced = true,
            Some("delete") => {
                gone.insert(key_of(element, by)?);
            }
            _ => plain.push(element.clone()),
        }
    }
    if is_replaced {
        return Ok(plain.into_iter().map(without_nulls).collect());
    }
    if !gone.is_empty() {
        merged.retain(|one| identity(one, Some(by)).is_none_or(|known| !gone.contains(known)));
    }
    check_order(&plain, place.order, Some(by))?;
    merge_elements(&mut merged, &plain, by, place)?;
    Ok(ordered(merged, &plain, &server, Some(by), place))
}

/// Merges each element of a patch into the one that it means, or puts it behind the others.
fn merge_elements(
    merged: &mut Vec<Value>,
    patch: &[Value],
    by: &str,
    place: Place,
) -> Result<(), Failure> {
    // A list may be as long as a request may be, so nothing is looked for from its beginning.
    let mut places: HashMap<Value, usize> = HashMap::with_capacity(merged.len());
    for (index, one) in merged.iter().enumerate() {
        if let Some(known) = identity(one, Some(by)) {
            places.entry(known.clone()).or_insert(index);
        }
    }
    for element in patch {
        let wanted = key_of(element, by)?;
        let Value::Object(map) = element else {
            continue;
        };
        let known = places.get(wanted).and_then(|index| merged.get_mut(*index));
        if let Some(found) = known {
            let mut old = take_map(found);
            merge_map(&mut old, map, (place.of, place.new), place.work)?;
            *found = Value::Object(old);
        } else {
            let mut made = Map::new();
            merge_map(&mut made, map, (place.of, place.new), place.work)?;
            if let Some(known) = made.get(by) {
                places.insert(known.clone(), merged.len());
            }
            merged.push(Value::Object(made));
        }
    }
    Ok(())
}

/// Merges a list of plain values as a set.
fn merge_set(old: Vec<Value>, patch: &[Value], place: Place) -> Result<Vec<Value>, Failure> {
    place.work.take(old.len() + patch.len())?;
    check_order(patch, place.order, None)?;
    let server = old.clone();
    let mut merged = old;
    let mut known: HashSet<&Value> = server.iter().collect();
    merged.extend(patch.iter().filter(|value| known.insert(value)).cloned());
    Ok(ordered(merged, patch, &server, None, place))
}

fn ordered(
    merged: Vec<Value>,
    patch: &[Value],
    server: &[Value],
    by: Option<&str>,
    place: Place,
) -> Vec<Value> {
    match place.order {
        Some(Value::Array(order)) => arrange(merged, order, server, by, New::First),
        _ => arrange(merged, patch, server, by, place.new),
    }
}

/// Puts a list that the patch does not have in the order that the patch wants.
fn reorder(
    target: &mut Map<String, Value>,
    field: &str,
    order: &Value,
    (of, work): (&str, &Work),
) -> Result<(), Failure> {
    let Value::Array(wanted) = order else {
        return Err(bad(format!("{ORDER}{field} must be a list")));
    };
    let by = match schema::field(of, field).map(|field| field.how) {
        Some(How::By(by) | How::ByRetaining(by)) => Some(by),
        Some(How::Set) => None,
        _ => return Ok(()),
    };
    if let Some(Value::Array(list)) = target.get_mut(field) {
        work.take(list.len() + wanted.len())?;
        let old = std::mem::take(list);
        let server = identities(&old, by);
        *list = arrange(old, wanted, &server, by, New::First);
    }
    Ok(())
}

/// The elements of a patch must stand in the order that the patch itself wants.
fn check_order(patch: &[Value], order: Option<&Value>, by: Option<&str>) -> Result<(), Failure> {
    let Some(order) = order else {
        return Ok(());
    };
    let Value::Array(order) = order else {
        return Err(bad("$setElementOrder must be a list"));
    };
    let mut rest = order.iter();
    for element in patch {
        let wanted = identity(element, by);
        if !rest.any(|one| identity(one, by) == wanted) {
            return Err(bad(format!(
                "the order in the patch's list does not match the $setElementOrder list: {} is missing or too late",
                wanted.unwrap_or(&Value::Null)
            )));
        }
    }
    Ok(())
}

fn delete_values(
    target: &mut Map<String, Value>,
    field: &str,
    values: &Value,
) -> Result<(), Failure> {
    let Value::Array(values) = values else {
        return Err(bad(format!("{DELETE}{field} must be a list")));
    };
    if let Some(Value::Array(list)) = target.get_mut(field) {
        let gone: HashSet<&Value> = values.iter().collect();
        list.retain(|one| !gone.contains(one));
    }
    Ok(())
}

/// `$retainKeys`: of the old map only the named keys stay, and the patch must not have others.
fn retain(target: &mut Map<String, Value>, patch: &Map<String, Value>) -> Result<(), Failure> {
    let Some(retained) = patch.get(RETAIN) else {
        return Ok(());
    };
    let Value::Array(retained) = retained else {
        return Err(bad("$retainKeys must be a list of names"));
    };
    let retained: HashSet<&str> = retained.iter().filter_map(Value::as_str).collect();
    let stays = |key: &str| retained.contains(key);
    for (key, value) in patch {
        if !key.starts_with('$') && !value.is_null() && !stays(key) {
            return Err(bad(format!(
                "the patch has {key:?}, which is not in its $retainKeys"
            )));
        }
    }
    target.retain(|key, _| stays(key));
    Ok(())
}

fn directive(map: &Map<String, Value>) -> Result<Option<&str>, Failure> {
    match map.get(PATCH) {
        None => Ok(None),
        Some(Value::String(word)) if matches!(word.as_str(), "replace" | "delete" | "merge") => {
            Ok(Some(word))
        }
        Some(other) => Err(bad(format!("unknown patch type found: {other}"))),
    }
}

fn key_of<'a>(element: &'a Value, by: &str) -> Result<&'a Value, Failure> {
    element.get(by).ok_or_else(|| {
        bad(format!(
            "map: {element} does not contain declared merge key: {by}"
        ))
    })
}

/// In what is new there is nothing that a `null` could remove.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, without_nulls(value)))
            .collect(),
        Value::Array(list) => list.into_iter().map(without_nulls).collect(),
        plain => plain,
    }
}
