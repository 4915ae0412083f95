//! JSON Patch (RFC 6902): a list of operations, all of them or none.

#[cfg(test)]
mod tests;

use outrigger_pod::bounds::{MOST_ITEMS, MOST_VALUES};
use serde_json::Value;

use super::{bad, said};
use crate::{Failure, Reason};

/// As many operations as the API server takes.
const OPERATIONS_MAX: usize = 10_000;

/// How many bytes copies may add, so that a small patch does not grow without bounds.
const COPIED_MAX_B: usize = 3 << 20;

/// How many values may be looked at for all operations together, those that move in a list counted as one in 64.
const WORK_MAX: usize = 2_000_000;
const MOVED: usize = 64;

/// No deeper than that: what is deeper could not be read from the disk again, and takes a thread's stack.
const DEPTH_MAX: usize = 100;

/// The object after all operations.
pub(super) fn apply(mut object: Value, patch: &Value) -> Result<Value, Failure> {
    let Value::Array(operations) = patch else {
        return Err(bad(format!(
            "a JSON patch must be a list, not {}",
            said(patch)
        )));
    };
    if operations.len() > OPERATIONS_MAX {
        return Err(Failure::new(
            Reason::RequestEntityTooLarge,
            format!(
                "The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {}",
                operations.len()
            ),
        ));
    }
    let mut bounds = Bounds::default();
    for operation in operations {
        let operation = Operation::read(operation)?;
        perform(&mut object, &operation, &mut bounds).map_err(refused)?;
    }
    Ok(object)
}

/// What the operations have taken so far.
#[derive(Default)]
struct Bounds {
    copied_b: usize,
    copied_values: usize,
    work: usize,
}

impl Bounds {
    /// Counts values that are looked at, or moved in a list.
    fn work(&mut self, values: usize) -> Result<(), String> {
        self.work = self.work.saturating_add(values);
        if self.work > WORK_MAX {
            return Err("the patch moves too much too many times: send several".to_owned());
        }
        Ok(())
    }

    fn copy(&mut self, value: &Value) -> Result<Value, String> {
        let before = self.work;
        self.depth(value)?;
        self.copied_values += self.work - before;
        if self.copied_values > MOST_VALUES {
            return Err(format!("copies would add more than {MOST_VALUES} values"));
        }
        self.copied_b += value.to_string().len();
        if self.copied_b > COPIED_MAX_B {
            return Err(format!("copies would add more than {COPIED_MAX_B} bytes"));
        }
        Ok(value.clone())
    }

    /// How deep a value is, which is bounded: it was read within such bounds, or made by operations that were.
    fn depth(&mut self, value: &Value) -> Result<usize, String> {
        self.work(1)?;
        let mut deepest = 0;
        match value {
            Value::Array(list) => {
                for item in list {
                    deepest = deepest.max(self.depth(item)?);
                }
            }
            Value::Object(map) => {
                for value in map.values() {
                    deepest = deepest.max(self.depth(value)?);
                }
            }
            _ => return Ok(0),
        }
        Ok(deepest + 1)
    }
}

/// An operation that cannot be carried out is the object's fault as much as the patch's: 422.
fn refused(why: String) -> Failure {
    Failure::new(
        Reason::Invalid,
        format!("the server rejected our request due to an error in our request: {why}"),
    )
}

struct Operation<'a> {
    name: &'a str,
    path: &'a str,
    from: &'a str,
    value: Option<&'a Value>,
}

impl<'a> Operation<'a> {
    fn read(value: &'a Value) -> Result<Operation<'a>, Failure> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let name = text("op").ok_or_else(|| bad("an operation has no \"op\""))?;
        let path =
            text("path").ok_or_else(|| bad(format!("operation {name:?} has no \"path\"")))?;
        let from = match name {
            "move" | "copy" => {
                text("from").ok_or_else(|| bad(format!("operation {name:?} has no \"from\"")))?
            }
            _ => "",
        };
        let operation = Operation {
            name,
            path,
            from,
            value: value.get("value"),
        };
        match name {
            "add" | "replace" | "test" if operation.value.is_none() => Err(bad(format!(
                "operation {name:?} of {path:?} has no \"value\""
            ))),
            "add" | "replace" | "test" | "remove" | "move" | "copy" => Ok(operation),
            other => Err(bad(format!("unexpected kind of operation: {other:?}"))),
        }
    }
}

fn perform(object: &mut Value, operation: &Operation, bounds: &mut Bounds) -> Result<(), String> {
    let Operation {
        name,
        path,
        from,
        value,
    } = *operation;
    let wanted = || value.cloned().unwrap_or_default();
    match name {
        "add" => add(object, path, wanted(), bounds).map_err(|why| failed("add", path, &why)),
        "remove" => remove(object, path, bounds)
            .map(drop)
            .map_err(|why| failed("remove", path, &why)),
        "replace" => match find_mut(object, path).and_then(|place| {
            is_shallow(&steps(path)?, value.unwrap_or(&Value::Null), bounds)?;
            Ok(place)
        }) {
            Ok(place) => {
                *place = wanted();
                Ok(())
            }
            Err(why) => Err(failed("replace", path, &why)),
        },
        "test" => {
            // A missing value is as good as null, which it is to the API server, too.
            let found = find(object, path).unwrap_or(&Value::Null);
            if found == value.unwrap_or(&Value::Null) {
                Ok(())
            } else {
                Err(format!("testing value {path} failed: test failed"))
            }
        }
        "move" => {
            if path
                .strip_prefix(from)
                .is_some_and(|rest| rest.starts_with('/'))
            {
                return Err(failed("move", from, "it cannot move into itself"));
            }
            let moved = remove(object, from, bounds).map_err(|why| failed("move", from, &why))?;
            add(object, path, moved, bounds).map_err(|why| failed("move", path, &why))
        }
        _ => {
            let found = find(object, from).map_err(|why| failed("copy", from, &why))?;
            let copied = bounds.copy(found)?;
            add(object, path, copied, bounds).map_err(|why| failed("copy", path, &why))
        }
    }
}

fn failed(operation: &str, path: &str, why: &str) -> String {
    format!("{operation} operation does not apply: doc is missing path: {path:?}: {why}")
}

/// The steps of a JSON pointer. The empty one is the whole object.
fn steps(path: &str) -> Result<Vec<String>, String> {
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let Some(path) = path.strip_prefix('/') else {
        return Err("a path begins with '/'".to_owned());
    };
    if path.bytes().filter(|byte| *byte == b'/').count() > DEPTH_MAX {
        return Err(format!("a path has at most {DEPTH_MAX} steps"));
    }
    Ok(path
        .split('/')
        .map(|step| step.replace("~1", "/").replace("~0", "~"))
        .collect())
}

fn find<'a>(object: &'a Value, path: &str) -> Result<&'a Value, String> {
    let mut place = object;
    for step in steps(path)? {
        place = match place {
            Value::Object(map) => map.get(&step).ok_or("missing value")?,
            Value::Array(list) => &list[index(&step, list.len())?],
            _ => return Err("missing value".to_owned()),
        };
    }
    Ok(place)
}

fn find_mut<'a>(object: &'a mut Value, path: &str) -> Result<&'a mut Value, String> {
    walk_mut(object, &steps(path)?)
}

fn walk_mut<'a>(object: &'a mut Value, steps: &[String]) -> Result<&'a mut Value, String> {
    let mut place = object;
    for step in steps {
        place = match place {
            Value::Object(map) => map.get_mut(step).ok_or("missing value")?,
            Value::Array(list) => {
                let at = index(step, list.len())?;
                &mut list[at]
            }
            _ => return Err("missing value".to_owned()),
        };
    }
    Ok(place)
}

fn add(object: &mut Value, path: &str, value: Value, bounds: &mut Bounds) -> Result<(), String> {
    let steps = steps(path)?;
    is_shallow(&steps, &value, bounds)?;
    let Some((last, before)) = steps.split_last() else {
        *object = value;
        return Ok(());
    };
    match walk_mut(object, before)? {
        Value::Object(map) => {
            map.insert(last.clone(), value);
        }
        Value::Array(list) if list.len() >= MOST_ITEMS => {
            return Err(format!(
                "the list has {MOST_ITEMS} items, which is the most"
            ));
        }
        Value::Array(list) if last == "-" => list.push(value),
        Value::Array(list) => {
            // Right behind the last element is a place, too.
            let at = index(last, list.len() + 1)?;
            bounds.work((list.len() - at) / MOVED)?;
            list.insert(at, value);
        }
        _ => return Err("missing value".to_owned()),
    }
    Ok(())
}

/// Whether a value may stand at the end of these steps.
fn is_shallow(steps: &[String], value: &Value, bounds: &mut Bounds) -> Result<(), String> {
    if steps.len() + bounds.depth(value)? > DEPTH_MAX {
        return Err(format!(
            "the object would be more than {DEPTH_MAX} levels deep"
        ));
    }
    Ok(())
}

fn remove(object: &mut Value, path: &str, bounds: &mut Bounds) -> Result<Value, String> {
    let steps = steps(path)?;
    let Some((last, before)) = steps.split_last() else {
        return Ok(object.take());
    };
    match walk_mut(object, before)? {
        Value::Object(map) => map.remove(last).ok_or_else(|| "missing value".to_owned()),
        Value::Array(list) => {
            let at = index(last, list.len())?;
            bounds.work((list.len() - at) / MOVED)?;
            Ok(list.remove(at))
        }
        _ => Err("missing value".to_owned()),
    }
}

fn index(step: &str, length: usize) -> Result<usize, String> {
    let is_number =
        step == "0" || (!step.starts_with('0') && step.bytes().all(|b| b.is_ascii_digit()));
    match step.parse::<usize>() {
        Ok(at) if is_number && at < length => Ok(at),
        _ => Err(format!("invalid index referenced: {step}")),
    }
}
