//! How is one thing told to a thousand watchers, and kept in memory once?

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use hyper::body::Bytes;
use serde_json::Value;

use super::ledger::{Held, Ledger};
use crate::answer::{Line, word};

/// The newest texts are kept for the watchers that come to them next, up to so many bytes.
const RECENT_BYTES: usize = 64 * 1024;
/// So many texts are noted before those are looked for that nobody has any more.
const NOTED: usize = 64;

/// A text that waits for clients.
#[derive(Debug)]
struct Text {
    bytes: Vec<u8>,
    _held: Held,
}

#[derive(Debug)]
struct Shared(Arc<Text>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}

/// The texts that wait.
#[derive(Debug)]
pub(crate) struct Texts {
    ledger: Arc<Ledger>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// By the address of the object, which belongs to no other while it is noted here, and the word.
    noted: HashMap<(usize, &'static str), Noted>,
    /// How many may be noted before the next look.
    room: usize,
    recent: VecDeque<Arc<Text>>,
    recent_bytes: usize,
}

#[derive(Debug)]
struct Noted {
    _object: Weak<Value>,
    text: Weak<Text>,
}

impl Texts {
    pub(crate) fn new(ledger: Arc<Ledger>) -> Texts {
        Texts {
            ledger,
            known: Mutex::default(),
        }
    }

    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Bytes for one client.
    pub(crate) fn own(&self, mut bytes: Vec<u8>) -> Bytes {
        // What was written bit by bit has up to twice the room that it needs.
        bytes.shrink_to_fit();
        let held = self.ledger.take(bytes.len());
        let text = Text { bytes, _held: held };
        Bytes::from_owner(Shared(Arc::new(text)))
    }

    /// The bytes of a line of a watch. What others are told too is there once for all.
    pub(crate) fn line(&self, line: Line) -> serde_json::Result<Bytes> {
        let (change, object) = match line {
            Line::Made(value) => {
                let mut bytes = serde_json::to_vec(&value)?;
                bytes.push(b'\n');
                return Ok(self.own(bytes));
            }
            Line::Event(change, object) => (word(change), object),
        };
        let key = (Arc::as_ptr(&object).addr(), change);
        let mut known = self.known();
        if let Some(text) = known.noted.get(&key).and_then(|noted| noted.text.upgrade()) {
            return Ok(Bytes::from_owner(Shared(text)));
        }
        let mut bytes = format!("{{\"type\":\"{change}\",\"object\":").into_bytes();
        serde_json::to_writer(&mut bytes, &*object)?;
        bytes.extend_from_slice(b"}\n");
        bytes.shrink_to_fit();
        let held = self.ledger.take(bytes.len());
        let text = Arc::new(Text { bytes, _held: held });
        let noted = Noted {
            _object: Arc::downgrade(&object),
            text: Arc::downgrade(&text),
        };
        known.note(key, noted);
        known.keep(&text);
        Ok(Bytes::from_owner(Shared(text)))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn note(&mut self, key: (usize, &'static str), noted: Noted) {
        self.noted.insert(key, noted);
        if self.noted.len() > self.room.max(NOTED) {
            self.noted.retain(|_, noted| noted.text.strong_count() > 0);
            self.room = 2 * self.noted.len();
        }
    }

    fn keep(&mut self, text: &Arc<Text>) {
        self.recent.push_back(Arc::clone(text));
        self.recent_bytes += text.bytes.len();
        // A large one is not kept for those who may come: it waits only with those who have it.
        while self.recent_bytes > RECENT_BYTES {
            let Some(oldest) = self.recent.pop_front() else {
                break;
            };
            self.recent_bytes -= oldest.bytes.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Change;
    use serde_json::json;

    fn event(object: &Arc<Value>) -> Line {
        Line::Event(Change::Modified, Arc::clone(object))
    }

    #[test]
    fn what_a_thousand_are_told_is_there_once_and_then_no_more() {
        let ledger = Ledger::new(1_000_000, usize::MAX);
        let texts = Texts::new(Arc::clone(&ledger));
        let object = Arc::new(json!({ "filler": "x".repeat(100_000) }));
        let all: Vec<Bytes> = (0..1_000)
            .map(|_| texts.line(event(&object)).unwrap())
            .collect();
        assert_eq!(ledger.held(), all[0].len());
        let value: Value = serde_json::from_slice(&all[999]).unwrap();
        assert_eq!(value, json!({ "type": "MODIFIED", "object": *object }));
        assert!(all[0].ends_with(b"\n"));
        drop(all);
        assert_eq!(ledger.held(), 0);
    }

    #[test]
    fn small_texts_stay_for_those_who_come_next_and_old_ones_are_forgotten() {
        let ledger = Ledger::new(1_000_000, usize::MAX);
        let texts = Texts::new(Arc::clone(&ledger));
        for number in 0..1_000 {
            let object = Arc::new(json!({ "number": number, "filler": "x".repeat(1_000) }));
            texts.line(event(&object)).unwrap();
        }
        assert!((RECENT_BYTES / 2..=RECENT_BYTES).contains(&ledger.held()));
        assert!(texts.known().noted.len() < 200);
    }

    #[test]
    fn another_word_or_object_is_another_text() {
        let texts = Texts::new(Ledger::new(1_000, usize::MAX));
        let object = Arc::new(json!({ "a": 1 }));
        let modified = texts.line(event(&object)).unwrap();
        let added = texts.line(Line::Event(Change::Added, Arc::clone(&object)));
        assert_ne!(added.unwrap(), modified);
        let same = Arc::new(Value::clone(&object));
        drop(object);
        assert_eq!(texts.line(event(&same)).unwrap(), modified);
        let made = texts.line(Line::Made(json!({ "type": "BOOKMARK" })));
        assert_eq!(made.unwrap(), "{\"type\":\"BOOKMARK\"}\n");
    }
}
