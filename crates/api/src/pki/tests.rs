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
