//! Which texts may be names? Each function returns what is wrong with one, in Kubernetes' words.
//!
//! Names become directories and cgroups, so nothing that passes [`label`] or [`subdomain`] can
//! hold a slash, be `..` or be empty.

fn edges(text: &str) -> bool {
    let alnum = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    alnum(text.as_bytes().first()) && alnum(text.as_bytes().last())
}

fn is_label(text: &str) -> bool {
    edges(text)
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_word(text: &str) -> bool {
    edges(text)
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

fn too_long(text: &str, most: usize) -> Option<String> {
    (text.len() > most).then(|| format!("must be no more than {most} characters"))
}

fn problems(ok: bool, words: &str, long: Option<String>) -> Vec<String> {
    let syntax = (!ok).then(|| words.to_owned());
    long.into_iter().chain(syntax).collect()
}

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = r"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const WORD: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

/// An RFC 1123 label of at most 63 characters.
pub(super) fn label(text: &str) -> Vec<String> {
    problems(is_label(text), LABEL, too_long(text, 63))
}

/// An RFC 1123 subdomain of at most 253 characters.
pub(super) fn subdomain(text: &str) -> Vec<String> {
    problems(
        text.split('.').all(is_label),
        SUBDOMAIN,
        too_long(text, 253),
    )
}

/// The characters of a Pod's uid, which becomes part of paths and cgroup names.
pub(super) fn uid(text: &str) -> Vec<String> {
    let ok = edges(text) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let words = "a uid must consist of alphanumeric characters or '-', and must start and end with an alphanumeric character";
    problems(ok, words, too_long(text, 63))
}

/// The key of a label or annotation: a name with an optional domain before it.
pub(super) fn qualified(text: &str) -> Vec<String> {
    let (prefix, name) = match text.split_once('/') {
        None => (None, text),
        Some((_, name)) if name.contains('/') => {
            return vec![format!(
                "a qualified name {WORD} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
        Some((prefix, name)) => (Some(prefix), name),
    };
    let mut found = Vec::new();
    match prefix {
        Some("") => found.push("prefix part must be non-empty".to_owned()),
        Some(prefix) => found.extend(subdomain(prefix).iter().map(|p| format!("prefix part {p}"))),
        None => {}
    }
    if name.is_empty() {
        found.push("name part must be non-empty".to_owned());
    }
    found.extend(too_long(name, 63).map(|p| format!("name part {p}")));
    if !is_word(name) {
        found.push(format!("name part {WORD}"));
    }
    found
}

/// The value of a label.
pub(super) fn label_value(text: &str) -> Vec<String> {
    let words = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
    problems(text.is_empty() || is_word(text), words, too_long(text, 63))
}

/// The name of an environment variable, by the relaxed rule.
pub(super) fn env(text: &str) -> Vec<String> {
    let ok = !text.is_empty() && text.bytes().all(|b| (0x20..0x7f).contains(&b) && b != b'=');
    let words = "a valid environment variable name must consist only of printable ASCII characters other than '='";
    problems(ok, words, None)
}

/// The key of a ConfigMap or a Secret, which becomes a file name.
pub(super) fn data_key(text: &str) -> Vec<String> {
    let ok = !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let words = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
    let mut found = problems(ok, words, too_long(text, 253));
    if text == "." {
        found.push("must not be '.'".to_owned());
    } else if text == ".." {
        found.push("must not be '..'".to_owned());
    } else if text.starts_with("..") {
        found.push("must not start with '..'".to_owned());
    }
    found
}

/// The name of a port (an IANA service name).
pub(super) fn port(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let checks = [
        (text.len() > 15, "must be no more than 15 characters"),
        (
            !bytes
                .iter()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-'),
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        ),
        (
            !bytes.iter().any(u8::is_ascii_lowercase),
            "must contain at least one letter (a-z)",
        ),
        (text.contains("--"), "must not contain consecutive hyphens"),
        (
            text.starts_with('-') || text.ends_with('-'),
            "must not begin or end with a hyphen",
        ),
    ];
    checks
        .iter()
        .filter(|(broken, _)| *broken)
        .map(|(_, words)| (*words).to_owned())
        .collect()
}

/// The name of an HTTP header.
pub(super) fn header(text: &str) -> Vec<String> {
    let ok = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let words = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";
    problems(ok, words, None)
}

/// An IP address.
pub(super) fn ip(text: &str) -> Vec<String> {
    let words = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
    problems(text.parse::<std::net::IpAddr>().is_ok(), words, None)
}

/// The name of a sysctl, with dots or slashes between its segments.
pub(super) fn is_sysctl(text: &str) -> bool {
    let segment = |part: &str| {
        edges(part)
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
    };
    text.len() <= 253 && text.split(['.', '/']).all(segment)
}
