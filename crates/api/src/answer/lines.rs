//! What does a watch say, line by line?

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use crate::{Change, Failure, Notice, Reason, Watch};

/// How often a reader that asked for it is told how far it has come.
pub(super) const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

/// After so many objects that are not chosen others have their turn.
const PASSED: usize = 32;

/// What becomes of a notice before it is sent; `None` leaves it out.
pub(crate) type Shape = Box<dyn FnMut(Notice) -> Option<Line> + Send>;

/// One line of a watch.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// Made for this reader.
    Made(Value),
    /// What happened to an object, told as it is kept: the same for everybody who is told so.
    Event(Change, Arc<Value>),
}

impl Line {
    /// As one value, with a copy of everything: for tests, and for those who need to look into it.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Line::Made(value) => value.clone(),
            Line::Event(change, object) => json!({ "type": word(*change), "object": **object }),
        }
    }
}

/// The lines of a watch: each is one JSON object to send, in order.
pub struct Lines {
    /// What is there at the beginning. It is put into form when it is sent: a reader who is slow holds no copies.
    first: VecDeque<Notice>,
    /// The line after those.
    then: Option<Line>,
    watch: Watch,
    shape: Shape,
    bookmarks: Option<Bookmarks>,
    is_over: bool,
}

struct Bookmarks {
    api_version: &'static str,
    kind: &'static str,
    every: Duration,
    next: Instant,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines")
            .field("first", &self.first.len())
            .field("watch", &self.watch)
            .finish_non_exhaustive()
    }
}

impl Lines {
    pub(crate) fn new(watch: Watch, shape: Shape) -> Lines {
        Lines {
            first: VecDeque::new(),
            then: None,
            watch,
            shape,
            bookmarks: None,
            is_over: false,
        }
    }

    /// The one line of a watch that cannot begin. As on a cluster it is no HTTP status: some clients list
    /// again only when a watch itself tells them to.
    pub(crate) fn refused(watch: Watch, failure: &Failure) -> Lines {
        Lines {
            then: Some(Line::Made(error(failure))),
            is_over: true,
            ..Lines::new(watch, Box::new(|_| None))
        }
    }

    /// These come before what the watch says, and then this line.
    pub(crate) fn beginning_with(
        mut self,
        first: impl IntoIterator<Item = Notice>,
        then: Option<Value>,
    ) -> Lines {
        self.first.extend(first);
        self.then = then.map(Line::Made);
        self
    }

    /// From time to time the reader is told how far it has come, in the words of its kind of object.
    pub(crate) fn with_bookmarks(
        mut self,
        (api_version, kind): (&'static str, &'static str),
        every: Duration,
    ) -> Lines {
        self.bookmarks = Some(Bookmarks {
            api_version,
            kind,
            every,
            next: Instant::now() + every,
        });
        self
    }

    /// The next line. `None` when there is nothing more to say and the answer ends; a reader that was
    /// too slow is told so in the last line, so that it lists again.
    ///
    /// Cancelling it loses nothing.
    pub async fn next(&mut self) -> Option<Line> {
        let mut passed = 0;
        while let Some(notice) = self.first.pop_front() {
            if let Some(line) = (self.shape)(notice) {
                return Some(line);
            }
            passed += 1;
            if passed % PASSED == 0 {
                // All others would wait for one who chooses little of much.
                tokio::task::yield_now().await;
            }
        }
        if let Some(line) = self.then.take() {
            return Some(line);
        }
        while !self.is_over {
            let notice = match &mut self.bookmarks {
                None => self.watch.next().await,
                Some(bookmarks) => tokio::select! {
                    biased;
                    notice = self.watch.next() => notice,
                    () = sleep_until(bookmarks.next) => {
                        bookmarks.next = Instant::now() + bookmarks.every;
                        let (version, kind) = (bookmarks.api_version, bookmarks.kind);
                        return Some(Line::Made(bookmark(version, kind, self.watch.position(), false)));
                    }
                },
            };
            let Some(notice) = notice else {
                self.is_over = true;
                let failure = Failure::new(
                    Reason::Expired,
                    "The resourceVersion for the provided watch is too old.",
                );
                return Some(Line::Made(error(&failure)));
            };
            if let Some(line) = (self.shape)(notice) {
                return Some(line);
            }
        }
        None
    }
}

fn error(failure: &Failure) -> Value {
    json!({ "type": "ERROR", "object": failure.status() })
}

/// The line that says how far the reader has come.
pub(crate) fn bookmark(api_version: &str, kind: &str, version: u64, ends_initial: bool) -> Value {
    let mut metadata = json!({ "resourceVersion": version.to_string(), "creationTimestamp": null });
    if ends_initial {
        metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
    }
    json!({
        "type": "BOOKMARK",
        "object": { "apiVersion": api_version, "kind": kind, "metadata": metadata },
    })
}

/// The word for what happened.
pub(crate) fn word(change: Change) -> &'static str {
    match change {
        Change::Added => "ADDED",
        Change::Modified => "MODIFIED",
        Change::Deleted => "DELETED",
    }
}
