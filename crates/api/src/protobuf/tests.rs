mod encode;

use outrigger_pod::admission::{Decodable, DecodeError, FieldValidation, decode};
use serde_json::json;

use self::encode::{encoded, full, length};
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
    let metadata = json!({ "name": "foo" });
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
    let failure = as_json(&envelope("Job", b"")).unwrap_err();
    assert_eq!(failure.reason.code(), 415);
    assert!(
        failure.message.starts_with("a Job cannot be sent"),
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

#[test]
fn every_field_that_the_table_names_is_read_as_it_was_written() {
    for kind in KINDS {
        let object = full(kind);
        let mut raw = Vec::new();
        encoded(&object, kind, &mut raw);
        let mut found = Map::new();
        Room::new().message(&mut found, &raw, kind).unwrap();
        assert_eq!(Value::Object(found), Value::Object(object), "{kind}");
    }
}

#[test]
fn the_names_in_the_table_are_those_of_the_api() {
    let kinds = [
        ("ConfigMap", Decodable::ConfigMap),
        ("Event", Decodable::Event),
        ("Namespace", Decodable::Namespace),
        ("Node", Decodable::Node),
        ("Pod", Decodable::Pod),
        ("Secret", Decodable::Secret),
        ("ServiceAccount", Decodable::ServiceAccount),
    ];
    for (kind, decodable) in kinds {
        let text = Value::Object(full(kind)).to_string();
        let unknown = match decode(decodable, &text, FieldValidation::Strict) {
            Ok(_) => Vec::new(),
            Err(DecodeError::Strict { problems, .. }) => problems,
            Err(error) => panic!("{kind}: {error}"),
        };
        assert_eq!(unknown, Vec::<String>::new(), "{kind}");
    }
}

#[test]
fn a_body_of_very_many_values_is_refused() {
    let many = |count: usize| {
        let mut body = MAGIC.to_vec();
        body.extend(b"\x0a\x09\x0a\x02v1\x12\x03Pod\x12");
        // A spec of this many containers without a field.
        let spec = b"\x12\0".repeat(count);
        let mut inner = vec![0x12];
        length(spec.len(), &mut inner);
        inner.extend(spec);
        length(inner.len(), &mut body);
        body.extend(inner);
        as_json(&body)
    };
    let read: Value = serde_json::from_slice(&many(1000).unwrap().unwrap()).unwrap();
    assert_eq!(read["spec"]["containers"].as_array().unwrap().len(), 1000);
    assert_eq!(many(1_500_000).unwrap_err().reason.code(), 413);
}

#[test]
fn garbage_in_a_pod_is_refused_or_read_and_never_a_panic() {
    let mut raw = Vec::new();
    encoded(&full("Pod"), "Pod", &mut raw);
    let mut state = 88_172_645_463_325_252_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let mut read_any = 0;
    for _ in 0..200 {
        let mut bent = raw.clone();
        for _ in 0..=random(4) {
            let at = random(bent.len());
            bent[at] = u8::try_from(random(256)).unwrap();
        }
        bent.truncate(bent.len() - random(2) * random(bent.len()));
        let read = Room::new().message(&mut Map::new(), &bent, "Pod");
        read_any += usize::from(read.is_some());
        let noise: Vec<u8> = (0..random(64)).map(|_| random(256) as u8).collect();
        drop(as_json(&[MAGIC, noise.as_slice()].concat()));
    } // Some bend only what a text says.
    assert!((1..200).contains(&read_any), "{read_any}");
}
