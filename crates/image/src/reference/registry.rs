//! Is this text a name as registries know it, and what is its full form?
//!
//! The rules are the ones that docker, containerd and therefore every kubelet apply: a first component without a dot,
//! a colon or an upper-case letter is no host; `docker.io` and `library` are filled in; no tag means `latest`.

use std::fmt;

/// A full name of an image in a registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegistryName {
    /// The registry's host, with its port if one was written.
    pub registry: String,
    /// The path in the registry.
    pub repository: String,
    /// The tag; `None` only beside a digest.
    pub tag: Option<String>,
    /// The manifest's digest, `sha256:` or `sha512:`.
    pub digest: Option<String>,
}

/// What is wrong with a name, and what to write.
pub(super) type Problem = (&'static str, &'static str);

const HUB: &str = "docker.io";
const LONGEST_REPOSITORY_BYTES: usize = 255;

impl RegistryName {
    pub(super) fn parse(text: &str) -> Result<RegistryName, Problem> {
        let (named, digest) = match text.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (text, None),
        };
        if let Some(digest) = digest
            && !is_digest(digest)
        {
            return Err((
                "what follows @ is no digest",
                "write @sha256: and 64 lower-case hexadecimal digits, or a tag after a colon",
            ));
        }
        let (registry, rest) = split_host(named);
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        if let Some(tag) = tag
            && !is_tag(tag)
        {
            return Err((
                "its tag is malformed",
                "a tag has up to 128 letters, digits, dots, dashes and underscores, and starts with no dot or dash",
            ));
        }
        if !is_host(registry) {
            return Err((
                "its registry is no host name",
                "write host[:port]/repository[:tag]",
            ));
        }
        let repository = full_path(registry, path)?;
        Ok(RegistryName {
            registry: registry.to_owned(),
            repository,
            tag: tag
                .map(str::to_owned)
                .or_else(|| digest.is_none().then(|| "latest".to_owned())),
            digest: digest.map(str::to_owned),
        })
    }
}

impl fmt::Display for RegistryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

fn split_host(named: &str) -> (&str, &str) {
    match named.split_once('/') {
        Some((host, rest))
            if host.contains(['.', ':'])
                || host == "localhost"
                || host.bytes().any(|b| b.is_ascii_uppercase()) =>
        {
            // The hub's old name, which docker still accepts.
            if host == "index.docker.io" {
                (HUB, rest)
            } else {
                (host, rest)
            }
        }
        _ => (HUB, named),
    }
}

fn full_path(registry: &str, path: &str) -> Result<String, Problem> {
    if path.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err((
            "its repository has upper-case letters",
            "write the repository in lower case",
        ));
    }
    if path.is_empty() || !path.split('/').all(is_path_component) {
        return Err((
            "its repository is malformed",
            "write lower-case letters and digits, with single dots, dashes or underscores between them and slashes between parts",
        ));
    }
    if path.len() == 64
        && path
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    {
        return Err((
            "64 hexadecimal digits are an image id",
            "write sha256: before them",
        ));
    }
    let path = if registry == HUB && !path.contains('/') {
        format!("library/{path}")
    } else {
        path.to_owned()
    };
    if registry.len() + 1 + path.len() > LONGEST_REPOSITORY_BYTES {
        return Err((
            "its repository is longer than 255 bytes",
            "write a shorter name",
        ));
    }
    Ok(path)
}

fn is_digest(text: &str) -> bool {
    let hex = |hex: &str, digits: usize| {
        hex.len() == digits && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    match text.split_once(':') {
        Some(("sha256", digits)) => hex(digits, 64),
        Some(("sha512", digits)) => hex(digits, 128),
        _ => false,
    }
}

fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let mut bytes = text.bytes();
    text.len() <= 128
        && bytes.next().is_some_and(word)
        && bytes.all(|b| word(b) || matches!(b, b'.' | b'-'))
}

/// Letters and digits, with one `.`, one or two `_`, or any number of `-` between them.
fn is_path_component(text: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase();
    let bytes = text.as_bytes();
    if !bytes.first().copied().is_some_and(alphanumeric)
        || !bytes.last().copied().is_some_and(alphanumeric)
    {
        return false;
    }
    bytes.split(|b| alphanumeric(*b)).all(|between| {
        matches!(between, b"" | b"." | b"_" | b"__") || between.iter().all(|b| *b == b'-')
    })
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => match bracketed.split_once(']') {
            Some((address, rest)) if address.parse::<std::net::Ipv6Addr>().is_ok() => {
                ("ipv6", rest)
            }
            _ => return false,
        },
        None => match text.find(':') {
            Some(colon) => text.split_at(colon),
            None => (text, ""),
        },
    };
    let port_is_fine = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| {
            digits.parse::<u16>().is_ok_and(|port| port > 0)
                && digits.bytes().all(|b| b.is_ascii_digit())
        });
    let label = |label: &str| {
        let bytes = label.as_bytes();
        bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || *b == b'-')
            && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
            && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
    };
    port_is_fine && host.split('.').all(label)
}
