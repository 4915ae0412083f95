//! What does a client want? Method, path, query and headers become one [`Request`].
//!
//! This is pure: whether the objects exist is for `answer` to find out.

mod foreign;
mod media;
mod query;
mod request;
mod stream;
#[cfg(test)]
mod tests;

pub(crate) use query::dry_run;
pub use query::{DeleteOptions, Listed, Match, WriteOptions};
pub use request::{Ask, Form, Part, Request, Review, Shape};
pub use stream::{PodStream, StreamKind};

use crate::table::Shown;
use crate::{Failure, Key, Reason, Resource};
use query::Query;

/// Reads a request.
///
/// # Errors
/// If there is no such place, the method cannot be used there, or the query is wrong.
pub fn route(ask: &Ask<'_>) -> Result<Request, Failure> {
    let mut parts: Vec<String> = Vec::new();
    for part in ask.path.split('/').filter(|part| !part.is_empty()) {
        parts.push(query::decode(part, false)?);
    }
    let names: Vec<&str> = parts.iter().map(String::as_str).collect();
    let query = Query::read(ask.query)?;
    match names.as_slice() {
        ["healthz" | "livez", ..] => reading(ask, Request::Live),
        ["readyz", ..] => reading(ask, Request::Ready),
        ["metrics"] => reading(ask, Request::Metrics),
        ["api", "v1", "watch", rest @ ..] if !rest.is_empty() => {
            core(ask, &query.watching(), rest, false)
        }
        ["api", "v1", "services"] | ["api", "v1", "namespaces", _, "services"]
            if ask.method == "GET" && !query.is_watch() =>
        {
            Ok(Request::Document {
                path: ask.path.to_owned(),
                accept: ask.accept.to_owned(),
            })
        }
        ["api", "v1", rest @ ..] if !rest.is_empty() => core(ask, &query, rest, false),
        ["apis", "events.k8s.io", "v1", "watch", rest @ ..] => events(ask, &query.watching(), rest),
        ["apis", "events.k8s.io", "v1", rest @ ..] if !rest.is_empty() => events(ask, &query, rest),
        ["apis", "metrics.k8s.io", "v1beta1", rest @ ..] if !rest.is_empty() => {
            usage(ask, &query, rest)
        }
        [
            "apis",
            "authorization.k8s.io",
            "v1",
            "selfsubjectaccessreviews",
        ] => posting(ask, Request::Review(Review::Access)),
        [
            "apis",
            "authorization.k8s.io",
            "v1",
            "selfsubjectrulesreviews",
        ] => posting(ask, Request::Review(Review::Rules)),
        ["apis", "authentication.k8s.io", "v1", "selfsubjectreviews"] => {
            posting(ask, Request::Review(Review::Subject))
        }
        ["apis", group, version, plural, ..] => Err(foreign::of_group(group, version, plural)),
        _ => reading(
            ask,
            Request::Document {
                path: ask.path.to_owned(),
                accept: ask.accept.to_owned(),
            },
        ),
    }
}

fn reading(ask: &Ask<'_>, request: Request) -> Result<Request, Failure> {
    match ask.method {
        "GET" | "HEAD" => Ok(request),
        _ => Err(not_allowed()),
    }
}

fn posting(ask: &Ask<'_>, request: Request) -> Result<Request, Failure> {
    match ask.method {
        "POST" => {
            media::check_body(ask.content_type)?;
            Ok(request)
        }
        _ => Err(not_allowed()),
    }
}

/// `/api/v1/…`
fn core(
    ask: &Ask<'_>,
    query: &Query,
    rest: &[&str],
    is_new_event: bool,
) -> Result<Request, Failure> {
    let (namespace, rest) = match rest {
        ["namespaces", name, "status"] => (None, vec!["namespaces", *name, "status"]),
        ["namespaces", namespace, plural, more @ ..] => {
            let mut rest = vec![*plural];
            rest.extend(more);
            (Some((*namespace).to_owned()), rest)
        }
        rest => (None, rest.to_vec()),
    };
    let (Some(plural), name, sub) = (rest.first(), rest.get(1), rest.get(2)) else {
        return Err(foreign::no_such_path());
    };
    let resource = Resource::ALL
        .into_iter()
        .find(|resource| resource.plural() == *plural)
        .filter(|resource| resource.is_namespaced() || namespace.is_none())
        .ok_or_else(|| foreign::of_core(plural))?;
    if rest.len() > 3 {
        return Err(foreign::no_such_path());
    }
    let place = Place {
        ask,
        query,
        resource,
        namespace,
        is_new_event,
    };
    match (name, sub) {
        (None, _) => place.collection(),
        // What lives in a namespace has no name without one.
        (Some(_), _) if resource.is_namespaced() && place.namespace.is_none() => {
            Err(foreign::no_such_path())
        }
        (Some(name), None) => place.object(name),
        (Some(name), Some(sub)) => place.part(name, sub),
    }
}

/// `/apis/events.k8s.io/v1/…`
fn events(ask: &Ask<'_>, query: &Query, rest: &[&str]) -> Result<Request, Failure> {
    match rest {
        ["events", ..] | ["namespaces", _, "events", ..] if ask.method == "GET" => {
            core(ask, query, rest, true)
        }
        ["events", ..] | ["namespaces", _, "events", ..] => Err(not_allowed()),
        _ => Err(foreign::no_such_path()),
    }
}

/// `/apis/metrics.k8s.io/v1beta1/…`
fn usage(ask: &Ask<'_>, query: &Query, rest: &[&str]) -> Result<Request, Failure> {
    let (shown, namespace, name) = match rest {
        ["nodes"] => (Shown::NodeMetrics, None, None),
        ["nodes", name] => (Shown::NodeMetrics, None, Some(*name)),
        ["pods"] => (Shown::PodMetrics, None, None),
        ["namespaces", namespace, "pods"] => (Shown::PodMetrics, Some(*namespace), None),
        ["namespaces", namespace, "pods", name] => {
            (Shown::PodMetrics, Some(*namespace), Some(*name))
        }
        _ => return Err(foreign::no_such_path()),
    };
    let resource = match shown {
        Shown::NodeMetrics => Resource::Nodes,
        _ => Resource::Pods,
    };
    let request = Request::Usage {
        shown,
        namespace: namespace.map(str::to_owned),
        name: name.map(str::to_owned),
        listed: query.listed(resource, namespace.map(str::to_owned))?,
        form: Form {
            shape: media::shape(ask.accept, query)?,
            is_new_event: false,
        },
    };
    if query.is_watch() {
        return Err(not_allowed());
    }
    reading(ask, request)
}

/// Somewhere below `/api/v1`.
struct Place<'a> {
    ask: &'a Ask<'a>,
    query: &'a Query,
    resource: Resource,
    namespace: Option<String>,
    is_new_event: bool,
}

impl Place<'_> {
    fn key(&self, name: &str) -> Key {
        Key {
            resource: self.resource,
            namespace: self.namespace.clone().unwrap_or_default(),
            name: name.to_owned(),
        }
    }

    fn form(&self) -> Result<Form, Failure> {
        Ok(Form {
            shape: media::shape(self.ask.accept, self.query)?,
            is_new_event: self.is_new_event,
        })
    }

    fn listed(&self) -> Result<Listed, Failure> {
        self.query.listed(self.resource, self.namespace.clone())
    }

    fn collection(&self) -> Result<Request, Failure> {
        let resource = self.resource;
        let is_homeless = resource.is_namespaced() && self.namespace.is_none();
        match self.ask.method {
            "GET" if self.query.is_watch() => Ok(Request::Watch {
                listed: self.listed()?,
                form: self.form()?,
            }),
            "GET" | "HEAD" => Ok(Request::List {
                listed: self.listed()?,
                form: self.form()?,
            }),
            "POST" if !is_homeless && resource != Resource::Nodes => {
                media::check_body(self.ask.content_type)?;
                Ok(Request::Create {
                    resource,
                    namespace: self.namespace.clone().unwrap_or_default(),
                    options: self.query.write_options("CreateOptions")?,
                })
            }
            "DELETE" if !is_homeless && resource.is_namespaced() => {
                media::check_body(self.ask.content_type)?;
                Ok(Request::DeleteCollection {
                    listed: self.listed()?,
                    options: self.query.delete_options()?,
                })
            }
            _ => Err(not_allowed()),
        }
    }

    fn object(&self, name: &str) -> Result<Request, Failure> {
        match self.ask.method {
            "GET" if self.query.is_watch() => {
                let mut listed = self.listed()?;
                listed.name = Some(name.to_owned());
                Ok(Request::Watch {
                    listed,
                    form: self.form()?,
                })
            }
            "GET" | "HEAD" => Ok(Request::Get {
                key: self.key(name),
                form: self.form()?,
            }),
            "DELETE" if self.resource != Resource::Nodes => {
                media::check_body(self.ask.content_type)?;
                Ok(Request::Delete {
                    key: self.key(name),
                    options: self.query.delete_options()?,
                })
            }
            "PUT" | "PATCH" => self.change(name, Part::Whole),
            _ => Err(not_allowed()),
        }
    }

    fn change(&self, name: &str, part: Part) -> Result<Request, Failure> {
        let key = self.key(name);
        if self.ask.method == "PATCH" {
            let kind = media::patch(self.ask.content_type)?;
            let options = self.query.write_options("PatchOptions")?;
            return Ok(Request::Patch {
                key,
                part,
                kind,
                options,
            });
        }
        media::check_body(self.ask.content_type)?;
        Ok(Request::Update {
            key,
            part,
            options: self.query.write_options("UpdateOptions")?,
        })
    }

    fn part(&self, name: &str, sub: &str) -> Result<Request, Failure> {
        let part = match (self.resource, sub) {
            (Resource::Pods | Resource::Nodes | Resource::Namespaces, "status") => Part::Status,
            (Resource::Pods, "ephemeralcontainers") => Part::Ephemeral,
            (Resource::Pods, "resize") => Part::Resize,
            (Resource::Pods, "eviction") => {
                let options = self.query.write_options("CreateOptions")?;
                let key = self.key(name);
                return posting(self.ask, Request::Evict { key, options });
            }
            (Resource::Pods, "binding") => return Err(not_allowed()),
            (Resource::Pods, "log" | "exec" | "attach" | "portforward") => {
                let namespace = self.namespace.as_deref().unwrap_or_default();
                return stream::read(self.ask, self.query, (namespace, name), sub);
            }
            (resource, sub) => return Err(foreign::of_part(resource, sub)),
        };
        match self.ask.method {
            "GET" | "HEAD" => Ok(Request::Get {
                key: self.key(name),
                form: self.form()?,
            }),
            "PUT" | "PATCH" if self.resource == Resource::Pods => self.change(name, part),
            _ => Err(not_allowed()),
        }
    }
}

pub(crate) fn not_allowed() -> Failure {
    Failure::new(
        Reason::MethodNotAllowed,
        "the server does not allow this method on the requested resource",
    )
}
