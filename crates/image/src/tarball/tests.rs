//! What two readers could understand differently is refused.

use super::*;
use crate::testing::{Item, file, folder, header, item, record, symlink, tar};

impl Stream for &[u8] {}

fn entries(bytes: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, UnpackError> {
    let limits = Limits::default();
    let mut entries = Entries::new(bytes, &limits);
    let mut all = Vec::new();
    while let Some(entry) = entries.next()? {
        let mut content = Vec::new();
        entries.content().read_to_end(&mut content).unwrap();
        all.push((entry, content));
    }
    Ok(all)
}

/// Headers and contents exactly as given, without an end.
fn raw(parts: &[(Item, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (item, data) in parts {
        bytes.extend_from_slice(header(item, data.len() as u64).as_bytes());
        bytes.extend_from_slice(data);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes
}

#[test]
fn names_come_from_records_then_long_names_then_the_header() {
    let long = (item(b'L', "././@LongLink"), b"from/gnu\0".to_vec());
    let pax = (item(b'x', "pax"), record("path", b"from/pax"));
    let plain = (file("plain", b""), b"data".to_vec());
    for (parts, name) in [
        (vec![plain.clone()], "plain"),
        (vec![long.clone(), plain.clone()], "from/gnu"),
        (vec![pax.clone(), long.clone(), plain.clone()], "from/pax"),
        (vec![long, pax, plain], "from/pax"),
    ] {
        let all = entries(&raw(&parts)).unwrap();
        assert_eq!(
            (all.len(), all[0].0.name.as_slice(), all[0].1.as_slice()),
            (1, name.as_bytes(), b"data".as_slice())
        );
    }
}

#[test]
fn a_size_in_a_record_counts_for_the_file_and_not_for_the_header_between() {
    let mut bytes = raw(&[
        (item(b'x', "pax"), record("size", b"600")),
        (item(b'L', "l"), b"long\0".to_vec()),
    ]);
    bytes.extend_from_slice(header(&file("f", b""), 0).as_bytes());
    bytes.extend_from_slice(&[b'c'; 600]);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes.extend_from_slice(&raw(&[(file("next", b""), b"n".to_vec())]));
    let all = entries(&bytes).unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(
        (all[0].0.name.as_slice(), all[0].1.len()),
        (b"long".as_slice(), 600)
    );
    assert_eq!(all[1].0.name, b"next");
}

#[test]
fn ambiguous_streams_are_refused() {
    let pax = |key: &str, value: &[u8]| (item(b'x', "pax"), record(key, value));
    let global = |key: &str, value: &[u8]| (item(b'g', "pax"), record(key, value));
    let end = (file("f", b""), Vec::new());
    let cases = [
        vec![pax("path", b"a"), pax("path", b"b"), end.clone()],
        vec![
            (
                item(b'x', "pax"),
                [record("path", b"a"), record("path", b"b")].concat(),
            ),
            end.clone(),
        ],
        vec![pax("size", b"-1"), end.clone()],
        vec![pax("size", b"0x10"), end.clone()],
        vec![pax("GNU.sparse.major", b"1"), end.clone()],
        vec![(item(b'x', "pax"), b"99 path=a\n".to_vec()), end.clone()],
        vec![(item(b'x', "pax"), b"3 a".to_vec()), end.clone()],
        vec![(item(b'x', "pax"), b"0 \n".to_vec()), end.clone()],
        vec![global("path", b"a"), end.clone()],
        vec![global("size", b"5"), end.clone()],
        vec![pax("path", b"a")],
        vec![(file("slash/", b""), b"x".to_vec())],
        vec![(folder("d"), b"x".to_vec())],
        vec![(symlink("s", "t"), b"x".to_vec())],
    ];
    for case in cases {
        assert!(entries(&raw(&case)).is_err(), "{case:?}");
    }
    assert_eq!(
        entries(&raw(&[global("comment", b"c"), end]))
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn damage_is_told_and_never_a_panic() {
    let whole = tar(&[
        file("a", b"abc"),
        file("b", vec![1; 2000]).pax("comment", "x"),
        folder("c"),
    ]);
    assert_eq!(entries(&whole).unwrap().len(), 3);
    for end in 0..whole.len() - 1024 {
        // An archive may end after any entry; it must never show content that is not there.
        if let Ok(all) = entries(&whole[..end]) {
            assert!(end % 512 == 0, "cut at {end}");
            assert!(
                all.iter()
                    .all(|(entry, content)| entry.size_bytes == content.len() as u64)
            );
        }
    }
    for at in 0..512 {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x81;
        assert!(entries(&flipped).is_err(), "a flip at {at} went through");
    }
    let mut lone_zeros = vec![0; 512];
    lone_zeros.extend_from_slice(&whole);
    assert!(entries(&lone_zeros).is_err());
}

#[test]
fn a_record_cannot_claim_more_than_its_header_holds() {
    let mut bytes = header(&item(b'x', "pax"), 1 << 40).as_bytes().to_vec();
    bytes.extend_from_slice(&[0; 1024]);
    assert!(matches!(
        entries(&bytes),
        Err(UnpackError::Beyond(Beyond::Extension(_)))
    ));
}
