//! Which headers does a request carry?

use hyper::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue,
    TE, TRAILER, TRANSFER_ENCODING, USER_AGENT,
};

use super::Agent;

/// The headers of a probe or hook.
#[derive(Debug, Clone)]
pub(super) struct Headers {
    pub(super) map: HeaderMap,
    /// What the manifest gives as `Host`.
    pub(super) host: Option<HeaderValue>,
}

impl Headers {
    /// The manifest's headers over the defaults. A default that the manifest sets to nothing is
    /// not sent; headers that frame a body are not the manifest's to set.
    pub(super) fn new(given: &[(String, String)], agent: Agent) -> Result<Headers, String> {
        let mut map = HeaderMap::new();
        for (name, value) in given {
            let bad = |_| format!("net/http: invalid header field {name:?}");
            let value = HeaderValue::from_str(value).map_err(|_| bad(()))?;
            let name: HeaderName = name.parse().map_err(|_| bad(()))?;
            map.append(name, value);
        }
        for (name, default) in [(USER_AGENT, agent.name()), (ACCEPT, "*/*")] {
            match map.get(&name) {
                None => _ = map.insert(name, HeaderValue::from_static(default)),
                Some(value) if value.is_empty() => _ = map.remove(name),
                Some(_) => {}
            }
        }
        let host = map.remove(HOST).filter(|host| !host.is_empty());
        for name in [CONTENT_LENGTH, TRANSFER_ENCODING, TRAILER] {
            map.remove(name);
        }
        Ok(Headers { map, host })
    }

    /// For HTTP/1.1: one request a connection.
    pub(super) fn for_http1(&self, authority: &str) -> Result<HeaderMap, String> {
        let mut map = self.map.clone();
        let host = match &self.host {
            Some(host) => host.clone(),
            None => HeaderValue::from_str(authority).map_err(|error| error.to_string())?,
        };
        map.insert(HOST, host);
        map.insert(CONNECTION, HeaderValue::from_static("close"));
        Ok(map)
    }

    /// For HTTP/2, which knows no headers about connections.
    pub(super) fn for_http2(&self) -> HeaderMap {
        let mut map = self.map.clone();
        map.remove(CONNECTION);
        map.remove(TE);
        map
    }

    /// Takes the credentials out, before they would travel in clear text.
    pub(super) fn without_credentials(mut self) -> Headers {
        self.map.remove(AUTHORIZATION);
        self
    }
}
