//! What shall an object be after `apply`? What the new manifest says, without what the last one said and
//! the new one does not; all else stays, because others may have put it there.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::schema::{self, How};
use crate::Resource;

/// Merges three states of an object: `last` as it was applied before, `wanted` as it is applied now, and
/// `live` as it is. Lists are merged by the keys of their elements, as a strategic merge patch does.
#[must_use]
pub fn three_way(resource: Resource, last: &Value, wanted: &Value, live: &Value) -> Value {
    value(schema::root(resource), last, wanted, live)
}

fn value(of: &str, last: &Value, wanted: &Value, live: &Value) -> Value {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => map(of, last, wanted, live),
        (Value::Object(wanted), _) => map(of, last, wanted, &Map::new()),
        _ => wanted.clone(),
    }
}

fn map(of: &str, last: &Value, wanted: &Map<String, Value>, live: &Map<String, Value>) -> Value {
    let mut merged = live.clone();
    if let Value::Object(last) = last {
        merged.retain(|key, _| wanted.contains_key(key) || !last.contains_key(key));
    }
    for (key, new) in wanted {
        if new.is_null() {
            merged.remove(key);
            continue;
        }
        let field = schema::field(of, key);
        let (to, how) = field.map_or(("", How::Plain), |field| (field.to, field.how));
        let before = last.get(key).unwrap_or(&Value::Null);
        let now = live.get(key).unwrap_or(&Value::Null);
        let new = match (how, new, now) {
            (How::By(by) | How::ByRetaining(by), Value::Array(new), Value::Array(now)) => {
                list((to, by), before, new, now)
            }
            (How::Set, Value::Array(new), Value::Array(now)) => set(before, new, now),
            _ => value(to, before, new, now),
        };
        merged.insert(key.clone(), new);
    }
    Value::Object(merged)
}

fn list((to, by): (&str, &str), last: &Value, wanted: &[Value], live: &[Value]) -> Value {
    let last = last.as_array().map(Vec::as_slice).unwrap_or_default();
    let [was, wants, is] = [last, wanted, live].map(|list| by_key(list, by));
    let merge = |new: &Value| match is.get(&new[by]) {
        Some(now) => {
            let before = was.get(&new[by]).copied().unwrap_or(&Value::Null);
            value(to, before, new, now)
        }
        None => new.clone(),
    };
    let stays = |now: &&Value| !wants.contains_key(&now[by]) && !was.contains_key(&now[by]);
    let others = live.iter().filter(stays).cloned();
    Value::Array(wanted.iter().map(merge).chain(others).collect())
}

/// The elements of a list by their key; of several with the same, the first counts.
fn by_key<'a>(list: &'a [Value], by: &str) -> HashMap<&'a Value, &'a Value> {
    let mut elements = HashMap::with_capacity(list.len());
    for element in list {
        elements.entry(&element[by]).or_insert(element);
    }
    elements
}

fn set(last: &Value, wanted: &[Value], live: &[Value]) -> Value {
    let last = last.as_array().map(Vec::as_slice).unwrap_or_default();
    let named: HashSet<&Value> = wanted.iter().chain(last).collect();
    let others = live.iter().filter(|now| !named.contains(now));
    Value::Array(wanted.iter().chain(others).cloned().collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_others_put_there_stays_and_what_the_manifest_dropped_goes() {
        let last = json!({ "metadata": { "name": "web", "labels": { "a": "1", "b": "2" } } });
        let wanted = json!({ "metadata": { "name": "web", "labels": { "a": "3" } } });
        let live = json!({ "metadata": { "name": "web", "uid": "u", "labels": { "a": "1", "b": "2", "c": "theirs" } } });
        assert_eq!(
            three_way(Resource::Pods, &last, &wanted, &live),
            json!({ "metadata": { "name": "web", "uid": "u", "labels": { "a": "3", "c": "theirs" } } })
        );
    }

    #[test]
    fn containers_are_merged_by_name_and_keep_their_defaults() {
        let container = |image: &str| json!({ "spec": { "containers": [{ "name": "app", "image": image, "args": ["a"] }] } });
        let live = json!({ "spec": { "restartPolicy": "Always", "containers": [
            { "name": "app", "image": "v1", "args": ["a"], "imagePullPolicy": "IfNotPresent" }] } });
        assert_eq!(
            three_way(Resource::Pods, &container("v1"), &container("v2"), &live),
            json!({ "spec": { "restartPolicy": "Always", "containers": [
                { "name": "app", "image": "v2", "args": ["a"], "imagePullPolicy": "IfNotPresent" }] } })
        );
        let same = three_way(Resource::Pods, &container("v1"), &container("v1"), &live);
        assert_eq!(same, live);
    }

    #[test]
    fn an_element_that_the_manifest_dropped_goes_and_a_foreign_one_stays() {
        let env = |names: &[&str]| {
            let list: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
            json!({ "spec": { "containers": [{ "name": "app", "env": list }] } })
        };
        let merged = three_way(
            Resource::Pods,
            &env(&["a", "b"]),
            &env(&["c", "a"]),
            &env(&["a", "b", "x"]),
        );
        assert_eq!(merged, env(&["c", "a", "x"]));
        let data =
            json!({ "data": { "a": null }, "metadata": { "name": "x", "finalizers": ["one"] } });
        let live =
            json!({ "data": { "a": "1" }, "metadata": { "name": "x", "finalizers": ["two"] } });
        assert_eq!(
            three_way(Resource::ConfigMaps, &Value::Null, &data, &live),
            json!({ "data": {}, "metadata": { "name": "x", "finalizers": ["one", "two"] } })
        );
    }
}
