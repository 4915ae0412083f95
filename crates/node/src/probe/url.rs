//! Where does a request go, and where does a redirect lead?

use std::fmt;

use hyper::Uri;
use outrigger_pod::{HttpGet, Scheme};

use super::POD_HOST;

/// The address of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) scheme: Scheme,
    /// Without brackets around an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// Path and query, beginning with a slash, in characters that may stand in a request.
    pub(super) path: String,
}

impl Url {
    pub(super) fn of(get: &HttpGet) -> Url {
        let host = get.host.as_deref().unwrap_or(POD_HOST);
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        Url {
            scheme: get.scheme,
            host: host.to_owned(),
            port: get.port,
            path: escaped(&get.path),
        }
    }

    /// `host:port`, as it stands in a URL and in `Host`.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Where a `Location` leads from here; `None` if it is no place for HTTP.
    pub(super) fn follow(&self, location: &str) -> Option<Url> {
        if let Some(rest) = location.strip_prefix("//") {
            return self.follow(&format!("{}://{rest}", word(self.scheme)));
        }
        if is_absolute(location) {
            let uri: Uri = location.split('#').next()?.parse().ok()?;
            let scheme = match uri.scheme_str()? {
                "http" => Scheme::Http,
                "https" => Scheme::Https,
                _ => return None,
            };
            let host = uri.host()?.trim_matches(['[', ']']).to_owned();
            let default = if scheme == Scheme::Http { 80 } else { 443 };
            let path = escaped(uri.path_and_query().map_or("/", |path| path.as_str()));
            return Some(Url {
                scheme,
                host,
                port: uri.port_u16().unwrap_or(default),
                path,
            });
        }
        let (path, query) = location
            .split_once('?')
            .map_or((location, None), |(p, q)| (p, Some(q)));
        let here = self.path.split('?').next().unwrap_or("/");
        let folder = here.rsplit_once('/').map_or("", |(folder, _)| folder);
        let path = match path {
            "" => here.to_owned(),
            _ if path.starts_with('/') => without_dots(path),
            _ => without_dots(&format!("{folder}/{path}")),
        };
        let path = query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
        Some(Url {
            path: escaped(&path),
            ..self.clone()
        })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}{}",
            word(self.scheme),
            self.authority(),
            self.path
        )
    }
}

/// Whether a `Location` names its own host.
pub(super) fn is_absolute(location: &str) -> bool {
    location.find("://").is_some_and(|end| {
        end > 0
            && location[..end]
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    })
}

fn word(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    }
}

/// Begins the path with a slash, ends it before a fragment and escapes what may not stand in it.
fn escaped(path: &str) -> String {
    let path = path.split('#').next().unwrap_or("");
    let mut out = String::from(if path.starts_with('/') { "" } else { "/" });
    for byte in path.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Resolves `.` and `..` in an absolute path.
fn without_dots(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').skip(1) {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let folder = path.ends_with("/.") || path.ends_with("/..");
    format!(
        "/{}{}",
        parts.join("/"),
        if folder && !parts.is_empty() { "/" } else { "" }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_resolved_against_where_they_come_from() {
        let here = Url {
            scheme: Scheme::Https,
            host: "h".into(),
            port: 8443,
            path: "/a/b?q".into(),
        };
        for (location, expected) in [
            ("/x y", "https://h:8443/x%20y"),
            ("c", "https://h:8443/a/c"),
            ("../../c?d=1", "https://h:8443/c?d=1"),
            ("./", "https://h:8443/a/"),
            ("?z", "https://h:8443/a/b?z"),
            ("//o/x", "https://o:443/x"),
            ("http://o", "http://o:80/"),
            (
                "http://[::1]:8080/x?u=http://y#f",
                "http://[::1]:8080/x?u=http://y",
            ),
            ("/x?u=http://y", "https://h:8443/x?u=http://y"),
        ] {
            assert_eq!(
                here.follow(location).map(|url| url.to_string()).as_deref(),
                Some(expected),
                "{location}"
            );
        }
        assert_eq!(here.follow("ftp://h/x"), None);
        assert_eq!(here.follow("http://"), None);
    }
}
