//! Where in the API is something? A path with its query, safely spelled.

use std::fmt;

use outrigger_api::Resource;

/// A path and a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    path: String,
    query: String,
}

impl Place {
    /// A path that is written as it is.
    pub(crate) fn path(path: &str) -> Place {
        Place {
            path: path.to_owned(),
            query: String::new(),
        }
    }

    /// All objects of a kind: in a namespace, or in all if there is none.
    pub(crate) fn all(resource: Resource, namespace: Option<&str>) -> Place {
        Place::path("/api/v1").inside(resource, namespace)
    }

    /// What the Pods of a namespace use, or those of all.
    pub(crate) fn usage(namespace: Option<&str>) -> Place {
        Place::path("/apis/metrics.k8s.io/v1beta1").inside(Resource::Pods, namespace)
    }

    /// One object.
    pub(crate) fn one(resource: Resource, namespace: &str, name: &str) -> Place {
        Place::all(resource, Some(namespace)).below(name)
    }

    fn inside(self, resource: Resource, namespace: Option<&str>) -> Place {
        match namespace.filter(|_| resource.is_namespaced()) {
            Some(namespace) => self.below("namespaces").below(namespace),
            None => self,
        }
        .below(resource.plural())
    }

    /// Something below it.
    pub(crate) fn below(mut self, name: &str) -> Place {
        self.path.push('/');
        self.path.push_str(&encoded(name));
        self
    }

    /// The same with one more word in its query.
    pub(crate) fn with(mut self, key: &str, value: impl fmt::Display) -> Place {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        let pair = format!("{}={}", encoded(key), encoded(&value.to_string()));
        self.query.push_str(&pair);
        self
    }

    /// The same with one more word in its query, if there is something to say.
    pub(crate) fn with_some(self, key: &str, value: Option<impl fmt::Display>) -> Place {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if self.query.is_empty() {
            return Ok(());
        }
        write!(f, "?{}", self.query)
    }
}

/// Percent-encoded, but for what means nothing anywhere in an address.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_types_cannot_leave_its_part_of_the_address() {
        let place = Place::one(Resource::Pods, "default", "../x?y");
        assert_eq!(
            place.to_string(),
            "/api/v1/namespaces/default/pods/..%2Fx%3Fy"
        );
        let place = Place::all(Resource::Nodes, Some("default")).with("labelSelector", "a=b, c");
        assert_eq!(
            place.to_string(),
            "/api/v1/nodes?labelSelector=a%3Db%2C%20c"
        );
    }
}
