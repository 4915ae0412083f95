//! Which Events are there to be read? The same incident again counts up its Event; Events that are too
//! old or too many go. Pure: it says what is to be written.

use std::collections::BTreeMap;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use outrigger_api::{Key, Resource, Write};
use serde_json::{Value, json};

use super::events::Incident;

/// How long an Event stays after it last happened.
const LIFETIME: SignedDuration = SignedDuration::from_hours(1);
/// The most Events about one object.
const PER_SUBJECT: usize = 1_000;
/// The most Events in all.
const IN_ALL: usize = 5_000;

/// What an Event is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Subject {
    /// Its kind, such as `Pod`.
    pub(crate) kind: &'static str,
    /// Its namespace.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
    /// Its uid; empty for what is no object of ours.
    pub(crate) uid: String,
}

impl Subject {
    /// A Pod.
    pub(crate) fn pod(pod: &outrigger_pod::Pod) -> Subject {
        Subject {
            kind: "Pod",
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            uid: pod.uid.0.clone(),
        }
    }
}

struct Entry {
    key: Key,
    uid: String,
    first: Timestamp,
    last: Timestamp,
    count: u64,
}

/// All Events that the node has told of.
pub(crate) struct Journal {
    entries: BTreeMap<(Subject, Incident), Entry>,
    host: String,
    newest_ns: i128,
    uids: fn() -> String,
}

impl Journal {
    /// An empty one of the node with this name.
    pub(crate) fn new(host: String, uids: fn() -> String) -> Journal {
        Journal {
            entries: BTreeMap::new(),
            host,
            newest_ns: 0,
            uids,
        }
    }

    /// Takes note of an incident; gives what is to be written.
    pub(crate) fn note(
        &mut self,
        subject: &Subject,
        incident: Incident,
        at: Timestamp,
    ) -> Vec<(Key, Write)> {
        let mut writes = Vec::new();
        let id = (subject.clone(), incident);
        if !self.entries.contains_key(&id) {
            writes.extend(self.make_room(subject));
            let entry = self.fresh(subject, at);
            self.entries.insert(id.clone(), entry);
        }
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.last = entry.last.max(at);
            entry.count += 1;
            let object = object(entry, &id.0, &id.1, &self.host);
            writes.push((entry.key.clone(), Write::Volatile(object)));
        }
        writes
    }

    /// Forgets what last happened too long ago.
    pub(crate) fn expire(&mut self, now: Timestamp) -> Vec<(Key, Write)> {
        let mut writes = Vec::new();
        self.entries.retain(|_, entry| {
            let stays = now.duration_since(entry.last) < LIFETIME;
            if !stays {
                writes.push((entry.key.clone(), Write::Remove));
            }
            stays
        });
        writes
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn fresh(&mut self, subject: &Subject, at: Timestamp) -> Entry {
        // As of the kubelet: the time in nanoseconds, which no two Events share.
        self.newest_ns = at.as_nanosecond().max(self.newest_ns + 1);
        Entry {
            key: Key {
                resource: Resource::Events,
                namespace: subject.namespace.clone(),
                name: format!("{}.{:016x}", subject.name, self.newest_ns),
            },
            uid: (self.uids)(),
            first: at,
            last: at,
            count: 0,
        }
    }

    /// Removes the oldest Event of the subject, or of all, if there are too many.
    fn make_room(&mut self, subject: &Subject) -> Option<(Key, Write)> {
        let first = (subject.clone(), Incident::normal("", ""));
        let of_subject = self
            .entries
            .range(first..)
            .take_while(|((known, _), _)| known == subject);
        let oldest = if self.entries.len() >= IN_ALL {
            self.entries.iter().min_by_key(|(_, entry)| entry.last)
        } else if of_subject.clone().count() >= PER_SUBJECT {
            of_subject.min_by_key(|(_, entry)| entry.last)
        } else {
            None
        };
        let oldest = oldest.map(|(id, _)| id.clone())?;
        let entry = self.entries.remove(&oldest)?;
        Some((entry.key, Write::Remove))
    }
}

fn object(entry: &Entry, subject: &Subject, incident: &Incident, host: &str) -> Value {
    let time = |at: Timestamp| super::words::seconds(at);
    let mut involved = json!({
        "apiVersion": "v1", "kind": subject.kind, "namespace": subject.namespace, "name": subject.name,
    });
    for (field, value) in [("uid", &subject.uid), ("fieldPath", &incident.field_path)] {
        if !value.is_empty() {
            involved[field] = json!(value);
        }
    }
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": entry.key.name,
            "namespace": entry.key.namespace,
            "uid": entry.uid,
            "creationTimestamp": time(entry.first),
        },
        "involvedObject": involved,
        "reason": incident.reason,
        "message": incident.message,
        "source": { "component": "outrigger", "host": host },
        "firstTimestamp": time(entry.first),
        "lastTimestamp": time(entry.last),
        "count": entry.count,
        "type": if incident.warning { "Warning" } else { "Normal" },
        "eventTime": null,
        "reportingComponent": "outrigger",
        "reportingInstance": host,
    })
}

/// Which Events of the store are too old. Clients write Events too, and those are on the disk.
pub(crate) fn stale(event: &Value, now: Timestamp) -> bool {
    let spelled = [
        "/series/lastObservedTime",
        "/lastTimestamp",
        "/eventTime",
        "/metadata/creationTimestamp",
    ];
    let last = spelled
        .iter()
        .filter_map(|path| event.pointer(path)?.as_str()?.parse::<Timestamp>().ok())
        .max();
    last.is_some_and(|last| now.duration_since(last) >= LIFETIME)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(name: &str) -> Subject {
        Subject {
            kind: "Pod",
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            uid: format!("uid-of-{name}"),
        }
    }

    fn journal() -> Journal {
        Journal::new("here".to_owned(), || "u".to_owned())
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn the_same_incident_counts_up_and_another_field_is_another_event() {
        let mut journal = journal();
        let incident = Incident::warning("Unhealthy", "no");
        journal.note(&subject("web"), incident.clone(), at(0));
        let writes = journal.note(&subject("web"), incident.clone(), at(9));
        let [(key, Write::Volatile(event))] = writes.as_slice() else {
            panic!("{writes:?}");
        };
        assert!(key.name.starts_with("web.") && key.name.len() == "web.".len() + 16);
        assert_eq!(
            (&event["count"], &event["type"]),
            (&json!(2), &json!("Warning"))
        );
        assert_eq!(event["firstTimestamp"], "2027-01-15T08:00:00Z");
        assert_eq!(event["lastTimestamp"], "2027-01-15T08:00:09Z");
        assert_eq!(event["involvedObject"]["uid"], "uid-of-web");
        let mut elsewhere = incident;
        elsewhere.field_path = "spec.containers{main}".to_owned();
        let writes = journal.note(&subject("web"), elsewhere, at(9));
        assert_ne!(writes[0].0, *key);
    }

    #[test]
    fn an_event_goes_an_hour_after_it_last_happened() {
        let mut journal = journal();
        journal.note(&subject("web"), Incident::normal("Started", "a"), at(0));
        journal.note(&subject("web"), Incident::normal("Started", "a"), at(60));
        assert_eq!(journal.expire(at(3_600)), []);
        let writes = journal.expire(at(3_660));
        assert!(matches!(writes.as_slice(), [(_, Write::Remove)]));
        assert!(journal.is_empty());
    }

    #[test]
    fn events_are_bounded_for_each_pod_and_in_all() {
        let mut journal = journal();
        for second in 0..1_001 {
            let text = format!("{second}");
            journal.note(
                &subject("loud"),
                Incident::normal("Started", text),
                at(second),
            );
        }
        assert_eq!(journal.entries.len(), PER_SUBJECT);
        for number in 0..5_500 {
            let name = format!("p{number}");
            journal.note(&subject(&name), Incident::normal("Started", "a"), at(2_000));
        }
        assert_eq!(journal.entries.len(), IN_ALL);
        assert!(
            journal
                .entries
                .keys()
                .all(|(subject, _)| subject.name != "loud")
        );
    }

    #[test]
    fn events_of_clients_grow_old_too() {
        let event = json!({ "metadata": { "creationTimestamp": "2027-01-15T08:00:00Z" }, "lastTimestamp": null });
        assert!(!stale(&event, at(3_599)) && stale(&event, at(3_600)));
        assert!(!stale(&json!({}), at(0)));
    }
}
