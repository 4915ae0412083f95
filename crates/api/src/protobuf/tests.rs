use serde_json::json;

use super::*;

/// What `kubectl create ns foo` sends.
const FOO: &[u8] = b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09Namespace\x12\x1b\x0a\x13\x0a\x03foo\x12\0\x1a\0\"\0*\x002\08\0B\0\x12\0\x1a\x02\
\x0a\0\x1a\0\"\0";

fn json_of(body: &[u8]) -> Value {
    serde_json::from_slice(&as_json(body).unwrap().unwrap()).unwrap()
}

/// An envelope around these bytes.
fn envelope(kind: &str, raw: &[u8]) -> Vec<u8> {
    let mut names = vec![0x0a, 2, b'v', b'1', 0x12, kind.len() as u8];
    names.extend(kind.bytes());
    let mut body = MAGIC.to_vec();
    for (tag, part) in [(0x0a, names.as_slice()), (0x12, raw)] {
        body.extend([tag, part.len() as u8]);
        body.extend(part);
    }
    body
}

#[test]
fn what_kubectl_sends_is_the_object_that_it_means() {
    let metadata = json!({ "name": "foo", "generation": 0 });
    let wanted = json!({
        "kind": "Namespace", "apiVersion": "v1", "metadata": metadata, "spec": {}, "status": {},
    });
    assert_eq!(json_of(FOO), wanted);
}

#[test]
fn texts_bytes_numbers_and_lists_are_told_apart() {
    let secret = b"\x12\x08\x0a\x01k\x12\x03\0\x01\x02\x22\x06\x0a\x01a\x12\x01b\x28\x01";
    let found = json_of(&envelope("Secret", secret));
    assert_eq!(found["data"], json!({ "k": "AAEC" }));
    assert_eq!(
        (&found["stringData"], &found["immutable"]),
        (&json!({ "a": "b" }), &json!(true))
    );
    let options = b"\x08\0\x12\x03\x0a\x01u\x2a\x03All";
    let found = json_of(&envelope("DeleteOptions", options));
    assert_eq!(found["gracePeriodSeconds"], 0, "nought is not nothing");
    assert_eq!(
        (&found["preconditions"]["uid"], &found["dryRun"]),
        (&json!("u"), &json!(["All"]))
    );
    let map = b"\x0a\x04\x42\x02\x08\x3c";
    let found = json_of(&envelope("ConfigMap", map));
    assert_eq!(
        found["metadata"]["creationTimestamp"],
        "1970-01-01T00:01:00Z"
    );
}

#[test]
fn what_is_no_envelope_is_left_alone_and_other_kinds_are_refused() {
    assert_eq!(as_json(b"{}").unwrap(), None);
    assert_eq!(as_json(b"").unwrap(), None);
    let failure = as_json(&envelope("Pod", b"")).unwrap_err();
    assert_eq!(failure.reason.code(), 415);
    assert!(
        failure.message.starts_with("a Pod cannot be sent"),
        "{}",
        failure.message
    );
}

#[test]
fn a_body_that_is_cut_or_bent_anywhere_is_refused_or_read_and_never_a_panic() {
    for end in 4..FOO.len() {
        drop(as_json(&FOO[..end]));
        for byte in [0, 0x7f, 0x80, 0xff] {
            let mut bent = FOO.to_vec();
            bent[end] = byte;
            drop(as_json(&bent));
        }
    }
    assert_eq!(
        as_json(&FOO[..FOO.len() - 20]).unwrap_err().reason.code(),
        400
    );
}
