use super::*;
use std::os::unix::fs::PermissionsExt;

fn at(days: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs((20_000 + days) * DAY_S)
}

fn place(name: &str) -> PathBuf {
    let place = std::env::temp_dir().join(format!("outrigger-pki-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&place);
    place
}

#[test]
fn certificates_are_made_once_and_kept_closed() {
    let root = place("once");
    let first = prepare(&root, &["node-1".to_owned()], at(0)).unwrap();
    let second = prepare(&root, &["node-1".to_owned()], at(300)).unwrap();
    assert!(first == second);
    first.server_config().unwrap();
    for name in ["ca.pem", "server.pem", "admin.pem"] {
        let mode = std::fs::metadata(root.join("pki").join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let mode = std::fs::metadata(root.join("pki"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    std::fs::remove_dir_all(root).unwrap();
}

#[test]
fn certificates_near_their_end_are_renewed_by_the_same_authority() {
    let root = place("renewed");
    let first = prepare(&root, &[], at(0)).unwrap();
    let second = prepare(&root, &[], at(306)).unwrap();
    assert_eq!(first.authority_pem, second.authority_pem);
    assert!(first.server != second.server && first.admin != second.admin);
    second.server_config().unwrap();
    let third = prepare(&root, &[], at(3_290)).unwrap();
    assert_ne!(second.authority_pem, third.authority_pem);
    std::fs::remove_dir_all(root).unwrap();
}

#[test]
fn another_listen_address_asks_for_another_server_certificate_only() {
    let root = place("address");
    let first = prepare(&root, &["0.0.0.0".to_owned()], at(0)).unwrap();
    let second = prepare(&root, &["10.1.2.3".to_owned()], at(0)).unwrap();
    assert!(first.server != second.server && first.admin == second.admin);
    std::fs::remove_dir_all(root).unwrap();
}

#[test]
fn a_damaged_authority_is_reported_and_not_replaced() {
    let root = place("damaged");
    prepare(&root, &[], at(0)).unwrap();
    std::fs::write(root.join("pki/ca.pem"), "nonsense").unwrap();
    let problem = prepare(&root, &[], at(0)).err().unwrap();
    assert!(problem.to_string().contains("remove it"), "{problem}");
    assert_eq!(
        std::fs::read_to_string(root.join("pki/ca.pem")).unwrap(),
        "nonsense"
    );
    std::fs::remove_dir_all(root).unwrap();
}

#[test]
fn a_damaged_server_certificate_is_made_anew() {
    let root = place("torn");
    let first = prepare(&root, &[], at(0)).unwrap();
    std::fs::write(root.join("pki/server.pem"), b"\xff\xfe").unwrap();
    let second = prepare(&root, &[], at(0)).unwrap();
    assert!(first.server != second.server && first.admin == second.admin);
    std::fs::remove_dir_all(root).unwrap();
}

/// Puts files there as the revision b1e0b9e wrote them: valid from a day before they were made.
fn made_by_an_older_one(root: &Path, days: u64) {
    let directory = root.join("pki");
    std::fs::create_dir_all(&directory).unwrap();
    let made_s = (20_000 + days) * DAY_S;
    let write = |name: &str, note: serde_json::Value, certificate: String, key: &KeyPair| {
        let text = format!("{note}\n{certificate}{}", key.serialize_pem());
        std::fs::write(directory.join(name), text).unwrap();
    };
    let key = KeyPair::generate().unwrap();
    let mut params = authority_params();
    validity(&mut params, made_s - DAY_S, made_s + AUTHORITY_S);
    let authority = params.self_signed(&key).unwrap().pem();
    let fingerprint = hex(&Sha256::digest(authority.as_bytes()));
    let note =
        serde_json::json!({"not_after_s": made_s + AUTHORITY_S, "names": [], "authority": ""});
    write("ca.pem", note, authority, &key);
    let issuer = Issuer::new(params, key);
    for (name, names) in [
        ("server.pem", server_names(&[])),
        ("admin.pem", vec!["outrigger-admin".to_owned()]),
    ] {
        let note = Note::new(made_s + IDENTITY_S, names, &fingerprint);
        let params = if name == "server.pem" {
            server_params(&note)
        } else {
            admin_params(&note)
        };
        let (mut params, key) = (params.unwrap(), KeyPair::generate().unwrap());
        validity(&mut params, made_s - DAY_S, note.not_after_s);
        let certificate = params.signed_by(&key, &issuer).unwrap().pem();
        write(name, serde_json::json!(note), certificate, &key);
    }
}

/// Which of the three certificates two answers have in common.
fn same(one: &Pki, other: &Pki) -> [bool; 3] {
    [
        one.authority_pem == other.authority_pem,
        one.server == other.server,
        one.admin == other.admin,
    ]
}

/// Whether clients of `before` trust the server of `after`, and it them.
fn trust_goes_on(before: &Pki, after: &Pki, days: u64) {
    let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let now = UnixTime::since_unix_epoch(at(days).duration_since(UNIX_EPOCH).unwrap());
    let roots = |pem: &str| {
        let mut roots = RootCertStore::empty();
        roots.add(der(pem)).unwrap();
        roots
    };
    let server = der(&after.server.certificate_pem);
    is_servers(&server, roots(&before.authority_pem), now).unwrap();
    let client = der(&before.admin.certificate_pem);
    is_clients(&client, roots(&after.authority_pem), now).unwrap();
}

#[test]
fn certificates_of_an_older_version_stay_as_they_are() {
    let root = place("older");
    made_by_an_older_one(&root, 0);
    let first = prepare(&root, &[], at(10)).unwrap();
    let second = prepare(&root, &[], at(20)).unwrap();
    assert_eq!(same(&first, &second), [true; 3]);
    let kept = std::fs::read_to_string(root.join("pki/ca.pem")).unwrap();
    assert!(kept.ends_with(&first.authority_pem) || kept.contains(&first.authority_pem));
    assert!(!kept.contains("sum"), "it was written anew: {kept}");
    std::fs::remove_dir_all(root).unwrap();
}

#[test]
fn certificates_are_never_not_yet_valid() {
    let root = place("ahead");
    // The clock was ten years ahead at the first start.
    made_by_an_older_one(&root, 3_650);
    let renewed = prepare(&root, &[], at(0)).unwrap();
    for pem in [
        &renewed.authority_pem,
        &renewed.server.certificate_pem,
        &renewed.admin.certificate_pem,
    ] {
        let (from, to) = validity_of(pem);
        let now = (20_000 * DAY_S) as i64;
        assert!(from < now && now < to, "valid from {from} to {to}");
    }
    let again = prepare(&root, &[], at(1)).unwrap();
    assert!(renewed == again);
    std::fs::remove_dir_all(root).unwrap();
}

#[test]
fn a_clock_that_is_wrong_for_one_start_costs_nobody_their_kubeconfig() {
    let root = place("behind");
    made_by_an_older_one(&root, 0);
    let before = prepare(&root, &[], at(10)).unwrap();
    // 1970, as on a machine whose clock has lost its battery; and then it is set right.
    prepare(&root, &[], UNIX_EPOCH).unwrap();
    let after = prepare(&root, &[], at(11)).unwrap();
    trust_goes_on(&before, &after, 11);
    assert_eq!(after.news, None);
    // Far ahead, and set right.
    prepare(&root, &[], at(9_000)).unwrap();
    let after = prepare(&root, &[], at(12)).unwrap();
    trust_goes_on(&before, &after, 12);
    std::fs::remove_dir_all(root).unwrap();
}

/// All that can befall a file: what was done, and its content after that.
fn damages(whole: &[u8], flips: usize) -> Vec<(String, Vec<u8>)> {
    let mut all = vec![("nonsense".to_owned(), b"nonsense".to_vec())];
    for quarter in 0..4 {
        let length = whole.len() * quarter / 4;
        all.push((format!("cut to {length}"), whole[..length].to_vec()));
    }
    for place in 0..flips {
        let mut bytes = whole.to_vec();
        let at = place * whole.len() / flips;
        bytes[at] ^= 1 << (place % 8);
        all.push((format!("bit {} of byte {at} flipped", place % 8), bytes));
    }
    all
}

#[test]
fn what_is_damaged_is_made_anew_where_nothing_is_lost_and_named_where_something_is() {
    let root = place("swept");
    for older in [false, true] {
        if older {
            std::fs::remove_dir_all(&root).unwrap();
            made_by_an_older_one(&root, 0);
        }
        let before = prepare(&root, &[], at(0)).unwrap();
        for name in ["ca.pem", "server.pem", "admin.pem"] {
            let file = root.join("pki").join(name);
            let files = ["ca.pem", "server.pem", "admin.pem"].map(|name| {
                let path = root.join("pki").join(name);
                let content = std::fs::read(&path).unwrap();
                (path, content)
            });
            let whole = std::fs::read(&file).unwrap();
            for (what, content) in damages(&whole, if older { 60 } else { 200 }) {
                std::fs::write(&file, &content).unwrap();
                match prepare(&root, &[], at(1)) {
                    Ok(after) => {
                        trust_goes_on(&before, &after, 1);
                        after.server_config().unwrap();
                    }
                    Err(problem) => {
                        let text = problem.to_string();
                        assert!(
                            name == "ca.pem" && text.contains("ca.pem"),
                            "{name}, {what}: {text}"
                        );
                        assert_eq!(std::fs::read(&file).unwrap(), content, "{name}, {what}");
                    }
                }
                for (path, content) in &files {
                    std::fs::write(path, content).unwrap();
                }
            }
        }
    }
    std::fs::remove_dir_all(root).unwrap();
}

#[test]
fn what_stands_in_the_place_of_a_file_is_named_or_replaced() {
    let root = place("places");
    let before = prepare(&root, &[], at(0)).unwrap();
    for name in ["ca.pem", "server.pem", "admin.pem"] {
        let file = root.join("pki").join(name);
        let whole = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        let problem = prepare(&root, &[], at(0)).err().unwrap().to_string();
        assert!(
            problem.contains(name) && problem.contains("move it away"),
            "{problem}"
        );
        std::fs::remove_dir(&file).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
        match prepare(&root, &[], at(0)) {
            Ok(after) => trust_goes_on(&before, &after, 0),
            Err(problem) => assert!(
                problem
                    .to_string()
                    .contains("pki/ca.pem is a symbolic link"),
                "{problem}"
            ),
        }
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, whole).unwrap();
    }
    // A whole file of another pair is no loss where it is not the authority's.
    std::fs::copy(root.join("pki/admin.pem"), root.join("pki/server.pem")).unwrap();
    trust_goes_on(&before, &prepare(&root, &[], at(0)).unwrap(), 0);
    std::fs::remove_dir_all(root).unwrap();
}

#[test]
fn a_lost_authority_is_told() {
    let root = place("lost");
    let before = prepare(&root, &[], at(0)).unwrap();
    assert_eq!(before.news, None);
    std::fs::remove_file(root.join("pki/ca.pem")).unwrap();
    let after = prepare(&root, &[], at(0)).unwrap();
    assert!(
        after
            .news
            .as_ref()
            .unwrap()
            .contains("pki/ca.pem was missing")
    );
    assert_eq!(same(&before, &after), [false; 3]);
    assert_eq!(prepare(&root, &[], at(0)).unwrap().news, None);
    std::fs::remove_dir_all(root).unwrap();
}

/// From when to when a certificate is valid, in seconds since the epoch: the two times in its DER, by their tags.
fn validity_of(pem: &str) -> (i64, i64) {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let times: Vec<i64> = der
        .windows(2)
        .enumerate()
        .filter_map(|(at, tag)| match tag {
            [0x17, 13] => Some((at + 2, 13)),
            [0x18, 15] => Some((at + 2, 15)),
            _ => None,
        })
        .filter_map(|(at, length)| seconds(std::str::from_utf8(der.get(at..at + length)?).ok()?))
        .collect();
    (times[0], times[1])
}

fn seconds(text: &str) -> Option<i64> {
    let digits = text.strip_suffix('Z')?;
    let digits = match digits.len() {
        12 if digits < "50" => format!("20{digits}"),
        12 => format!("19{digits}"),
        _ => digits.to_owned(),
    };
    let number = |from: usize, to: usize| digits.get(from..to)?.parse::<u8>().ok();
    let date = rcgen::date_time_ymd(digits.get(..4)?.parse().ok()?, number(4, 6)?, number(6, 8)?);
    Some(date.unix_timestamp())
}
