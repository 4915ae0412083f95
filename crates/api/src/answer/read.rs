//! What is there, and what happens to it?

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::event_form::new_form;
use super::lines::{BOOKMARK_EVERY, Line, Lines, bookmark, word};
use super::{Answer, Body, Desk, now};
use crate::route::{Form, Listed, Match, Shape};
use crate::store::{Change, Key, Listing, Notice, Stored};
use crate::table::{self, Include};
use crate::{Failure, Reason, Resource};

impl Desk {
    pub(super) fn get(&self, key: &Key, form: Form) -> Result<Answer, Failure> {
        let stored = self.find(key)?;
        let object = shown(&stored.object, form);
        Ok(match form.shape {
            Shape::Object => Answer::ok(object),
            Shape::Metadata => Answer::ok(table::partial(&object)),
            Shape::Table(include) => {
                let now = now();
                Answer::ok(table::table_of_one(
                    key.resource,
                    &object,
                    include,
                    now,
                    false,
                ))
            }
        })
    }

    pub(super) fn list(&self, listed: &Listed, form: Form) -> Result<Answer, Failure> {
        let Chosen {
            items,
            version,
            after,
            remaining,
        } = self.choose(listed)?;
        let mut meta = json!({ "resourceVersion": version.to_string() });
        if let Some(after) = after {
            meta["continue"] = after.into();
        }
        if let Some(remaining) = remaining {
            meta["remainingItemCount"] = remaining.into();
        }
        let items: Vec<Arc<Value>> = items.iter().map(|item| shown(&item.object, form)).collect();
        Ok(match form.shape {
            Shape::Table(include) => {
                let now = now();
                Answer::ok(table::table(
                    listed.resource,
                    &items,
                    meta,
                    include,
                    now,
                    false,
                ))
            }
            Shape::Object => {
                let kind = format!("{}List", listed.resource.kind());
                Answer::ok(list_body(&kind, api_version(form), meta, items))
            }
            Shape::Metadata => {
                let items = items.iter().map(|item| Arc::new(table::partial(item)));
                let (kind, group) = ("PartialObjectMetadataList", "meta.k8s.io/v1");
                Answer::ok(list_body(kind, group, meta, items.collect()))
            }
        })
    }

    pub(super) fn choose(&self, listed: &Listed) -> Result<Chosen, Failure> {
        let Listing { items, version } = self
            .store
            .list(listed.resource, listed.namespace.as_deref());
        let token = listed.after.as_deref().map(Token::read).transpose()?;
        if token.is_none() {
            self.check_version(listed, version)?;
        }
        let from = token
            .as_ref()
            .map(|token| (token.namespace.as_str(), token.name.as_str()));
        let mut items: Vec<Stored> = items
            .into_iter()
            .filter(|item| {
                from.is_none_or(|from| (item.key.namespace.as_str(), item.key.name.as_str()) > from)
            })
            .filter(|item| is_chosen(listed, &item.key, &item.object))
            .collect();
        // A later part is shown as of the first part's version: who watches from there hears of all that
        // came between.
        let version = token.map_or(version, |token| token.version);
        let mut chosen = Chosen {
            items: Vec::new(),
            version,
            after: None,
            remaining: None,
        };
        if let Some(limit) = listed.limit.filter(|limit| *limit < items.len()) {
            let is_whole = listed.labels.is_empty() && listed.fields.is_empty();
            chosen.remaining = is_whole.then_some(items.len() - limit);
            items.truncate(limit);
            chosen.after = items.last().map(|last| Token::of(version, last).write());
        }
        chosen.items = items;
        Ok(chosen)
    }

    fn check_version(&self, listed: &Listed, current: u64) -> Result<(), Failure> {
        let Some(version) = listed.version else {
            return Ok(());
        };
        if version > current {
            let mut failure = Failure::new(
                Reason::Timeout,
                format!("Too large resource version: {version}, current: {current}"),
            );
            failure.details = json!({
                "retryAfterSeconds": 1,
                "causes": [{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }],
            });
            return Err(failure);
        }
        let is_exact = listed.version_match == Match::Exact;
        if is_exact && self.store.changed_since(listed.resource, version) != Some(false) {
            return Err(Failure::new(
                Reason::Expired,
                format!(
                    "The resourceVersion for the provided list is too old: {version} ({current})"
                ),
            ));
        }
        Ok(())
    }

    pub(super) fn watch(&self, listed: Listed, form: Form) -> Result<Answer, Failure> {
        let timeout_s = listed.timeout_s;
        let from = listed.version.filter(|version| *version > 0);
        let kind = match form.shape {
            Shape::Object => (api_version(form), listed.resource.kind()),
            Shape::Table(_) => ("meta.k8s.io/v1", "Table"),
            Shape::Metadata => ("meta.k8s.io/v1", "PartialObjectMetadata"),
        };
        let has_bookmarks = listed.bookmarks;
        let (mut first, mut then) = (Vec::new(), None);
        let mut shape = Lining::new(form, listed.resource);
        let watch = match from {
            Some(version) if !listed.initial_events => {
                match self.store.watch(listed.resource, version) {
                    Ok(watch) => watch,
                    Err(failure) => {
                        let watch = self.store.watch(listed.resource, 0)?;
                        let lines = Lines::refused(watch, &failure);
                        return Ok(Answer::Watching { lines, timeout_s });
                    }
                }
            }
            _ => {
                let version = from.unwrap_or(0);
                let Listing {
                    items,
                    version: current,
                } = self
                    .store
                    .list(listed.resource, listed.namespace.as_deref());
                if version > current {
                    self.check_version(&listed, current)?;
                }
                first.extend(items.into_iter().map(|stored| Notice {
                    change: Change::Added,
                    stored,
                    previous: None,
                }));
                if listed.initial_events && has_bookmarks {
                    then = Some(bookmark(kind.0, kind.1, current, true));
                }
                self.store.watch(listed.resource, current)?
            }
        };
        let lines = Lines::new(
            watch,
            Box::new(move |notice| {
                let (change, object) = seen_by(&listed, notice)?;
                Some(shape.line(change, object))
            }),
        );
        let mut lines = lines.beginning_with(first, then);
        if has_bookmarks {
            lines = lines.with_bookmarks(kind, BOOKMARK_EVERY);
        }
        Ok(Answer::Watching { lines, timeout_s })
    }
}

/// What a list shows.
pub(super) struct Chosen {
    pub(super) items: Vec<Stored>,
    pub(super) version: u64,
    after: Option<String>,
    remaining: Option<usize>,
}

pub(super) fn list_body(kind: &str, group: &str, meta: Value, items: Vec<Arc<Value>>) -> Body {
    let mut head = Map::new();
    head.insert("kind".to_owned(), kind.into());
    head.insert("apiVersion".to_owned(), group.into());
    head.insert("metadata".to_owned(), meta);
    Body::List { head, items }
}

fn api_version(form: Form) -> &'static str {
    if form.is_new_event {
        "events.k8s.io/v1"
    } else {
        "v1"
    }
}

fn shown(object: &Arc<Value>, form: Form) -> Arc<Value> {
    // A table of Events looks the same in both groups.
    if form.is_new_event && !matches!(form.shape, Shape::Table(_)) {
        Arc::new(new_form(object))
    } else {
        object.clone()
    }
}

fn is_chosen(listed: &Listed, key: &Key, object: &Value) -> bool {
    listed
        .namespace
        .as_deref()
        .is_none_or(|namespace| namespace == key.namespace)
        && listed.name.as_deref().is_none_or(|name| name == key.name)
        && listed.labels.matches(object)
        && listed.fields.matches(object)
}

/// What happened, for somebody who sees only what is chosen: an object that is not chosen any more is
/// gone for him.
fn seen_by(listed: &Listed, notice: Notice) -> Option<(Change, Arc<Value>)> {
    let key = &notice.stored.key;
    let is = is_chosen(listed, key, &notice.stored.object);
    let was = notice
        .previous
        .as_ref()
        .is_some_and(|previous| is_chosen(listed, key, previous));
    match (notice.change, was, is) {
        (Change::Added, _, true) => Some((Change::Added, notice.stored.object)),
        (Change::Modified, true, true) => Some((Change::Modified, notice.stored.object)),
        (Change::Modified, false, true) => Some((Change::Added, notice.stored.object)),
        (Change::Modified, true, false) => {
            // He is shown what he knew, with the version of this change.
            let mut last = Value::clone(notice.previous.as_ref()?);
            last["metadata"]["resourceVersion"] = notice.stored.version.to_string().into();
            Some((Change::Deleted, Arc::new(last)))
        }
        (Change::Deleted, true, _) => Some((Change::Deleted, notice.stored.object)),
        _ => None,
    }
}

/// How a watch writes its lines.
struct Lining {
    form: Form,
    resource: Resource,
    has_headers: bool,
}

impl Lining {
    fn new(form: Form, resource: Resource) -> Lining {
        Lining {
            form,
            resource,
            has_headers: false,
        }
    }

    fn line(&mut self, change: Change, object: Arc<Value>) -> Line {
        let object = match self.form.shape {
            Shape::Object if self.form.is_new_event => new_form(&object),
            Shape::Object => return Line::Event(change, object),
            Shape::Metadata => table::partial(&object),
            Shape::Table(include) => self.row(&object, include),
        };
        Line::Made(json!({ "type": word(change), "object": object }))
    }

    fn row(&mut self, object: &Arc<Value>, include: Include) -> Value {
        let no_headers = std::mem::replace(&mut self.has_headers, true);
        table::table_of_one(self.resource, object, include, now(), no_headers)
    }
}

/// Where a list goes on.
struct Token {
    version: u64,
    namespace: String,
    name: String,
}

impl Token {
    fn of(version: u64, last: &Stored) -> Token {
        Token {
            version,
            namespace: last.key.namespace.clone(),
            name: last.key.name.clone(),
        }
    }

    fn write(&self) -> String {
        let text = format!("{}/{}/{}", self.version, self.namespace, self.name);
        URL_SAFE_NO_PAD.encode(text)
    }

    fn read(text: &str) -> Result<Token, Failure> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let plain = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let token = plain.as_deref().and_then(|plain| {
            let mut parts = plain.splitn(3, '/');
            Some(Token {
                version: parts.next()?.parse().ok()?,
                namespace: parts.next()?.to_owned(),
                name: parts.next()?.to_owned(),
            })
        });
        token.ok_or_else(|| {
            let message = "continue key is not valid: it was not given by this server";
            Failure::new(Reason::BadRequest, message)
        })
    }
}
