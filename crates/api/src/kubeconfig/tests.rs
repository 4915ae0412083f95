//! Is a kubeconfig written, and left alone where it is not ours?

use super::*;
use std::time::SystemTime;

#[test]
fn only_a_file_of_ours_is_written_anew() {
    let root = std::env::temp_dir().join(format!("outrigger-kubeconfig-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&root);
    let pki = crate::pki::prepare(&root, &[], SystemTime::now()).unwrap();
    let path = root.join("etc/deeper/kubeconfig.yaml");
    write(&path, "https://127.0.0.1:6553", &pki).unwrap();
    // Its owner's choice of a namespace stays, until something of ours changes.
    let chosen = std::fs::read_to_string(&path).unwrap().replace(
        "    cluster: outrigger\n",
        "    cluster: outrigger\n    namespace: mine\n",
    );
    std::fs::write(&path, &chosen).unwrap();
    write(&path, "https://127.0.0.1:6553", &pki).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), chosen);
    write(&path, "https://127.0.0.1:7000", &pki).unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().contains(":7000"));
    let mixed = "apiVersion: v1\nclusters:\n- cluster:\n    server: x\n  name: outrigger\n- cluster:\n    server: y\n  name: work\nusers:\n- name: outrigger-admin\n";
    std::fs::write(&path, mixed).unwrap();
    let problem = write(&path, "https://127.0.0.1:6553", &pki).unwrap_err();
    assert!(matches!(problem, KubeconfigError::NotOurs(_)), "{problem}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), mixed);
    std::fs::remove_dir_all(root).unwrap();
}
