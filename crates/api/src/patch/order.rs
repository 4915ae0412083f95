//! In which order does a merged list stand?
//!
//! What only the server knows keeps its order; what the patch names stands in the patch's order. Where the two
//! meet, the server's order decides; something new comes first, as it does in Kubernetes.

use std::collections::HashMap;

use serde_json::Value;

/// Where new elements go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum New {
    /// Before the others, as in strategic merge patches.
    First,
    /// Behind the others.
    Last,
}

/// What an element of a list is known by: its key's value, or itself.
pub(super) fn identity<'a>(element: &'a Value, key: Option<&str>) -> Option<&'a Value> {
    match key {
        Some(key) => element.get(key),
        None => Some(element),
    }
}

/// Where each element of a list stands, by what it is known by; of several, the first counts.
struct Places<'a>(HashMap<&'a Value, usize>);

impl<'a> Places<'a> {
    fn of(list: &'a [Value], key: Option<&str>) -> Places<'a> {
        let mut places = HashMap::with_capacity(list.len());
        for (place, element) in list.iter().enumerate() {
            if let Some(known) = identity(element, key) {
                places.entry(known).or_insert(place);
            }
        }
        Places(places)
    }

    fn find(&self, element: &Value, key: Option<&str>) -> Option<usize> {
        self.0.get(identity(element, key)?).copied()
    }
}

/// An element, and where it stands in the patch and at the server.
struct Placed {
    patched: Option<usize>,
    server: Option<usize>,
    element: Value,
}

/// What the elements of a list are known by, in their order.
pub(super) fn identities(list: &[Value], key: Option<&str>) -> Vec<Value> {
    let known = list.iter().filter_map(|element| identity(element, key));
    known.cloned().collect()
}

/// Sorts a merged list by the order that the patch gives and the order of the [`identities`] that the server had.
pub(super) fn arrange(
    merged: Vec<Value>,
    patched: &[Value],
    server: &[Value],
    key: Option<&str>,
    new: New,
) -> Vec<Value> {
    if new == New::Last {
        return merged;
    }
    let (patched, server) = (Places::of(patched, key), Places::of(server, None));
    let (mut ours, mut theirs): (Vec<Placed>, Vec<Placed>) = merged
        .into_iter()
        .map(|element| Placed {
            patched: patched.find(&element, key),
            server: server.find(&element, key),
            element,
        })
        .partition(|placed| placed.patched.is_some());
    ours.sort_by_key(|placed| placed.patched);
    theirs.sort_by_key(|placed| placed.server);
    let mut arranged = Vec::with_capacity(ours.len() + theirs.len());
    let mut ours = ours.into_iter().peekable();
    let mut theirs = theirs.into_iter().peekable();
    while let (Some(their), Some(our)) = (theirs.peek(), ours.peek()) {
        let is_theirs_first = match (their.server, our.server) {
            (Some(their), Some(our)) => their < our,
            _ => false,
        };
        let next = if is_theirs_first {
            theirs.next()
        } else {
            ours.next()
        };
        arranged.extend(next);
    }
    arranged.extend(ours);
    arranged.extend(theirs);
    arranged.into_iter().map(|placed| placed.element).collect()
}
