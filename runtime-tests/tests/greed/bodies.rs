//! Which requests cost the most for each of their bytes? Long and deep ones of every form that the API reads, drawn by
//! chance: the same seed and number make the same request.

use std::fmt::Write as _;

use runtime_tests::chance::Chance;

use super::envelope::protobuf;

/// As long as a request's body may be.
const MOST_BYTES: usize = 3 * 1024 * 1024;
/// As long as the address of a request may be, somewhat less than the whole head.
const MOST_ADDRESS_BYTES: usize = 60 * 1024;

/// How many short ones of each form.
const SHORT: usize = 60;

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
pub(super) const PODS: &str = "/api/v1/namespaces/default/pods?dryRun=All";
pub(super) const MAPS: &str = "/api/v1/namespaces/default/configmaps?dryRun=All";

/// A request that wants much.
pub(super) struct Greedy {
    /// What it is, for people.
    pub(super) what: &'static str,
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) media_type: &'static str,
    pub(super) body: Vec<u8>,
}

/// The request of this number. Lengths are spread evenly over their orders of magnitude.
pub(super) fn draw(chance: &mut Chance) -> Greedy {
    let size = MOST_BYTES >> chance.below(14);
    let size = size - chance.below(size / 2);
    match chance.below(12) {
        0..=3 => json(chance, size),
        4 | 5 => yaml(chance, size),
        6 | 7 => protobuf(chance, size),
        8..=10 => patch(chance, size),
        _ => selector(chance, size),
    }
}

/// Short ones of each form, so that all that is needed for them is there.
pub(super) fn short(chance: &mut Chance) -> Vec<Greedy> {
    let forms = [json, yaml, protobuf, patch, selector];
    let sizes = [100, 1_000, 5_000].into_iter().cycle().take(SHORT);
    let each = sizes.flat_map(move |size| forms.map(|form| (form, size)));
    each.map(|(form, size)| form(chance, size)).collect()
}

pub(super) fn request(
    what: &'static str,
    method: &'static str,
    path: &str,
    media_type: &'static str,
    body: impl Into<Vec<u8>>,
) -> Greedy {
    let mut body = body.into();
    body.truncate(MOST_BYTES);
    let path = path.to_owned();
    Greedy {
        what,
        method,
        path,
        media_type,
        body,
    }
}

const ITEMS: [&str; 12] = [
    "{}",
    "[]",
    "0",
    "null",
    "\"\"",
    "{\"name\":\"a\"}",
    "{\"name\":\"a\",\"image\":\"i\"}",
    "{\"\":0}",
    "{\"a\":{\"b\":[]}}",
    "{\"name\":\"a\",\"value\":\"b\"}",
    "{\"key\":\"a\",\"operator\":\"Exists\"}",
    "{\"name\":\"!\",\"mountPath\":\"..\",\"containerPort\":-1}",
];
const OF_PODS: [&str; 10] = [
    "containers",
    "initContainers",
    "ephemeralContainers",
    "volumes",
    "tolerations",
    "hostAliases",
    "imagePullSecrets",
    "readinessGates",
    "topologySpreadConstraints",
    "schedulingGates",
];
const OF_CONTAINERS: [&str; 8] = [
    "env",
    "envFrom",
    "ports",
    "volumeMounts",
    "args",
    "command",
    "resizePolicy",
    "volumeDevices",
];

/// An item again and again, with a comma in between, of about this length.
fn list(item: &str, size: usize) -> String {
    let count = (size / (item.len() + 1)).max(1);
    let mut text = format!("{item},").repeat(count);
    text.pop();
    text
}

/// Items that differ by their number, which is written where `#` stands.
fn numbered(item: &str, size: usize) -> String {
    let mut text = String::with_capacity(size + 64);
    for number in 0.. {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&item.replace('#', &number.to_string()));
        if text.len() >= size {
            break;
        }
    }
    text
}

fn pod(fields: &str) -> String {
    format!(
        "{{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{{\"name\":\"greedy\"}},\"spec\":{{{fields}}}}}"
    )
}

fn with_container(fields: &str) -> String {
    pod(&format!(
        "\"containers\":[{{\"name\":\"a\",\"image\":\"i\",{fields}}}]"
    ))
}

fn json(chance: &mut Chance, size: usize) -> Greedy {
    let item = chance.of(&ITEMS);
    let post = |body: String| request("JSON", "POST", PODS, JSON, body);
    match chance.below(9) {
        0 => post(pod(&format!(
            "\"{}\":[{}]",
            chance.of(&OF_PODS),
            list(item, size)
        ))),
        1 => post(with_container(&format!(
            "\"{}\":[{}]",
            chance.of(&OF_CONTAINERS),
            list(item, size)
        ))),
        2 => post(deep(chance, size)),
        3 => {
            let keys = numbered(
                chance.of(&[
                    "\"k#\":1",
                    "\"/#\":\"/\"",
                    "\"k\":\"#\"",
                    "\"k#\":\"v\"",
                    "\"k#\":{}",
                ]),
                size,
            );
            let place = chance.of(&["labels", "annotations", "finalizers", "x"]);
            post(format!(
                "{{\"metadata\":{{\"name\":\"greedy\",\"{place}\":{{{keys}}}}},\"spec\":{{}}}}"
            ))
        }
        4 => {
            let text = chance.of(&["a", "é", "\\u0001", "\\\"", "$(A)", " "]);
            let text = text.repeat(size / text.len());
            let place = chance.of(&[
                "hostname",
                "nodeName",
                "restartPolicy",
                "schedulerName",
                "x",
            ]);
            post(pod(&format!(
                "\"{place}\":\"{text}\",\"containers\":[{{\"name\":\"{text}\",\"image\":\"{text}\"}}]"
            )[..]))
        }
        5 => {
            let volumes = numbered("{\"name\":\"v#\",\"emptyDir\":{}}", size / 2);
            let mounts = numbered("{\"name\":\"v#\",\"mountPath\":\"/#\"}", size / 2);
            post(pod(&format!(
                "\"volumes\":[{volumes}],\"containers\":[{{\"name\":\"a\",\"image\":\"i\",\"volumeMounts\":[{mounts}]}}]"
            )))
        }
        6 => {
            let containers = numbered(
                "{\"name\":\"c#\",\"image\":\"i\",\"ports\":[{\"name\":\"p#\",\"containerPort\":1,\"hostPort\":#}],\
                 \"env\":[{\"name\":\"A\",\"valueFrom\":{}}]}",
                size,
            );
            post(pod(&format!("\"containers\":[{containers}]")))
        }
        7 => {
            let entries = numbered("\"k#\":\"v\"", size);
            let body = format!("{{\"metadata\":{{\"name\":\"greedy\"}},\"data\":{{{entries}}}}}");
            request("JSON", "POST", MAPS, JSON, body)
        }
        _ => noise(chance, size, "JSON", JSON),
    }
}

fn deep(chance: &mut Chance, size: usize) -> String {
    let levels = [20, 60, 100, 127, 200, size][chance.below(6)];
    let (open, close) = chance.of(&[
        ("[", "]"),
        ("{\"a\":", "}"),
        ("[[],", "]"),
        ("[{\"a\":0},", "]"),
    ]);
    let levels = levels.min(size / (open.len() + close.len()));
    let inner = format!("{}0{}", open.repeat(levels), close.repeat(levels));
    // As often beside each other as there is room.
    let many = list(&inner, size);
    pod(&format!("\"{}\":[{many}]", chance.of(&OF_PODS)))
}

fn noise(chance: &mut Chance, size: usize, what: &'static str, media_type: &'static str) -> Greedy {
    let signs = chance.of(&["{}[],:\"0a ", "-: \n?&*!|>%@", "\\\"", "[{", "\n - a: b"]);
    let signs = signs.as_bytes();
    let body: Vec<u8> = (0..size).map(|_| chance.of(signs)).collect();
    request(what, "POST", PODS, media_type, body)
}

fn yaml(chance: &mut Chance, size: usize) -> Greedy {
    // Longer ones are not read at all.
    let size = size.min(1024 * 1024 - 300);
    let head = "apiVersion: v1\nkind: Pod\nmetadata: {name: greedy}\n";
    let post = |body: String| request("YAML", "POST", PODS, YAML, body);
    let lines = |line: &str, size: usize| line.repeat(size / line.len());
    let item = chance.of(&ITEMS);
    match chance.below(9) {
        0 => post(format!(
            "{head}spec:\n  {}:\n{}",
            chance.of(&OF_PODS),
            lines(&format!("  - {item}\n"), size)
        )),
        1 => {
            // Each list holds the one before ten times.
            let mut text = format!("{head}a0: &a0 [{}]\n", list("x", size / 2));
            for level in 1..20 {
                let alias = format!("*a{}", level - 1);
                let _ = writeln!(text, "a{level}: &a{level} [{}]", vec![alias; 10].join(", "));
            }
            post(text)
        }
        2 => {
            let text = format!(
                "{head}a: &a {}\nb:\n{}",
                "x".repeat(size / 2),
                lines("- *a\n", size / 2)
            );
            post(text)
        }
        3 => post(lines("---\na: b\n", size)),
        4 => post(lines("- ", size)),
        5 => post(lines("a: 1\n", size)),
        6 => post(format!("{head}spec:\n{}", "? ".repeat(60)) + &lines("a\n", size)),
        7 => post(format!(
            "{head}spec:\n  hostname: |\n{}",
            lines("    a\n\n", size)
        )),
        _ => noise(chance, size, "YAML", YAML),
    }
}

fn patch(chance: &mut Chance, size: usize) -> Greedy {
    let path = chance.of(&[
        "/api/v1/namespaces/default/pods/target?dryRun=All",
        "/api/v1/namespaces/default/configmaps/target?dryRun=All",
        "/api/v1/namespaces/default/pods/target/ephemeralcontainers?dryRun=All",
        "/api/v1/namespaces/default/pods/new?dryRun=All&fieldManager=greed",
    ]);
    let send = |media_type, body: String| request("patch", "PATCH", path, media_type, body);
    const STRATEGIC: &str = "application/strategic-merge-patch+json";
    let item = chance.of(&ITEMS);
    match chance.below(7) {
        0 | 1 => {
            let op = chance.of(&[
                r#"{"op":"copy","from":"/metadata","path":"/metadata/x#"}"#,
                r#"{"op":"copy","from":"/metadata","path":"/metadata/x"}"#,
                r#"{"op":"add","path":"/data/k#","value":"v"}"#,
                r#"{"op":"add","path":"/spec/containers/0","value":{"name":"c#"}}"#,
                r#"{"op":"test","path":"","value":{}}"#,
                r#"{"op":"move","from":"/metadata","path":"/x"},{"op":"move","from":"/x","path":"/metadata"}"#,
                r#"{"op":"replace","path":"/spec","value":[[[{}]]]}"#,
            ]);
            send(
                "application/json-patch+json",
                format!("[{}]", numbered(op, size)),
            )
        }
        2 => {
            let keys = numbered(
                chance.of(&["\"k#\":\"v\"", "\"k#\":null", "\"k#\":{\"a\":{}}"]),
                size,
            );
            let place = chance.of(&["data", "metadata", "spec"]);
            send(
                "application/merge-patch+json",
                format!("{{\"{place}\":{{{keys}}}}}"),
            )
        }
        3 => {
            let one = chance.of(&[
                r#"{"name":"main","env":[{"name":"A#","value":"b"}]}"#,
                r#"{"name":"c#","image":"i"}"#,
                r#"{"name":"c#","$patch":"delete"}"#,
                r#"{"name":"main","$retainKeys":["name"]}"#,
            ]);
            let field = chance.of(&["containers", "volumes", "ephemeralContainers"]);
            send(
                STRATEGIC,
                format!("{{\"spec\":{{\"{field}\":[{}]}}}}", numbered(one, size)),
            )
        }
        4 => {
            let order = numbered("{\"name\":\"c#\"}", size / 2);
            let body = format!(
                "{{\"spec\":{{\"$setElementOrder/containers\":[{order}],\"containers\":[{order}]}}}}"
            );
            send(STRATEGIC, body)
        }
        5 => send(
            "application/apply-patch+yaml",
            pod(&format!("\"volumes\":[{}]", list(item, size))),
        ),
        _ => send(
            STRATEGIC,
            format!(
                "{{\"metadata\":{{\"finalizers\":[{}]}}}}",
                numbered("\"a.b/c#\"", size)
            ),
        ),
    }
}

fn selector(chance: &mut Chance, size: usize) -> Greedy {
    let size = size.min(MOST_ADDRESS_BYTES);
    let plural = chance.of(&["pods", "events", "configmaps"]);
    let (kind, text) = match chance.below(5) {
        0 => ("labelSelector", format!("a+in+({})", numbered("v#", size))),
        1 => (
            "labelSelector",
            list(chance.of(&["!a", "a", "a!=b", "a=b", "a>1"]), size),
        ),
        2 => (
            "fieldSelector",
            list(
                chance.of(&["metadata.name!=a", "metadata.namespace=default"]),
                size,
            ),
        ),
        3 => ("labelSelector", "(".repeat(size)),
        _ => ("fieldSelector", "\\".repeat(size)),
    };
    let more = chance.of(&["", "&watch=1&timeoutSeconds=1", "&limit=1"]);
    let path = format!("/api/v1/namespaces/default/{plural}?{kind}={text}{more}");
    request("selector", "GET", &path, JSON, "")
}
