//! Greedy bodies of Protocol Buffers: messages of very many small fields.

use runtime_tests::chance::Chance;

use super::bodies::{Greedy, MAPS, PODS, request};

/// An envelope of about this length.
pub(super) fn protobuf(chance: &mut Chance, size: usize) -> Greedy {
    const MEDIA: &str = "application/vnd.kubernetes.protobuf";
    let (kind, path) = chance.of(&[
        ("Pod", PODS),
        ("ConfigMap", MAPS),
        ("Event", PODS),
        ("DeleteOptions", PODS),
    ]);
    let payload: &[u8] = chance.of(&[
        &b""[..],
        b"\x0a\x01a",
        b"\x0a\x00\x12\x00",
        b"\x0a\x01a\x12\x01b",
        b"\x08\x01",
    ]);
    let tag = chance.of(&[0x0a_u8, 0x12, 0x1a, 0x22, 0x5a, 0x62, 0xa2]);
    let mut item = vec![tag, payload.len() as u8];
    item.extend(payload);
    let mut raw = item.repeat(size / item.len());
    for &tag in chance.of(&[&[][..], &[0x12_u8], &[0x0a], &[0x12, 0x12]]) {
        raw = field(tag, &raw);
    }
    let mut body = b"k8s\0".to_vec();
    let mut named = field(0x0a, b"v1");
    named.extend(field(0x12, kind.as_bytes()));
    body.extend(field(0x0a, &named));
    body.extend(field(0x12, &raw));
    request("protobuf", "POST", path, MEDIA, body)
}

fn field(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut all = vec![tag];
    let mut rest = bytes.len();
    while rest >= 0x80 {
        all.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    all.push(rest as u8);
    all.extend(bytes);
    all
}
