use super::*;
use crate::fixture;

const ACCOUNTS: Accounts<'static> = Accounts {
    passwd: "root:x:0:0:root:/root:/bin/sh\n\
             app:x:1000:1001::/home/app:/bin/sh\n\
             4294967296:x:0:0::/root:/bin/sh\n\
             1e3:x:7:7::relative:/bin/sh\n\
             big:x:4294967295:0::/:\n\
             broken\n",
    group: "root:x:0:\nwheel:x:10:root,app\nstaff:x:50:app\nbroken:x\n",
};

fn as_user(security: &str, image_user: &str) -> Result<User, UserError> {
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, uid: u1}}\nspec:\n  {security}\n  containers: [{{name: c, image: i}}]\n"
    );
    resolve(&fixture::pod(&text).0, Slot(0), image_user, ACCOUNTS)
}

#[test]
fn an_images_user_is_a_number_or_a_name_and_never_both() {
    for (text, expected) in [
        ("", Some((0, 0))),
        ("0", Some((0, 0))),
        ("00", Some((0, 0))),
        ("root", Some((0, 0))),
        ("app", Some((1000, 1001))),
        ("1000", Some((1000, 1001))),
        ("1234", Some((1234, 0))),
        ("1234:", Some((1234, 0))),
        ("1:2", Some((1, 2))),
        (":2", Some((0, 2))),
        ("app:wheel", Some((1000, 10))),
        ("1e3", Some((7, 7))),
        ("2147483647", Some((2_147_483_647, 0))),
        ("2147483648", None),
        ("4294967295", None),
        ("4294967296", None),
        ("-1", None),
        ("+1", None),
        ("1:4294967296", None),
        ("0x0", None),
        (" 0", None),
        ("①", None),
        ("big", None),
        ("nobody", None),
        ("app:nogroup", None),
        (&"9".repeat(10_000), None),
    ] {
        let user = as_user("", text).ok().map(|user| (user.uid, user.gid));
        assert_eq!(user, expected, "{:.30}", text);
    }
}

#[test]
fn nobody_runs_as_root_against_the_pods_word() {
    for text in [
        "",
        "0",
        "00",
        "root",
        ":2",
        "0:5",
        "app",
        "4294967296",
        "4294967295",
        "-1",
        "1e3",
        "0x0",
        " 0",
        "①",
    ] {
        let user = as_user("securityContext: {runAsNonRoot: true}", text);
        assert!(user.is_err(), "{text:?} gave {user:?}");
    }
    assert_eq!(
        as_user("securityContext: {runAsNonRoot: true}", "1000")
            .unwrap()
            .uid,
        1000
    );
    let both = "securityContext: {runAsNonRoot: true, runAsUser: 5}";
    assert_eq!(as_user(both, "root").unwrap().uid, 5);
}

#[test]
fn refusals_are_said_in_the_kubelets_words() {
    let non_root = "securityContext: {runAsNonRoot: true}";
    assert_eq!(
        as_user(non_root, "").unwrap_err().to_string(),
        "container has runAsNonRoot and image will run as root (pod: \"p_default(u1)\", container: c)"
    );
    assert_eq!(
        as_user(non_root, "app").unwrap_err().to_string(),
        "container has runAsNonRoot and image has non-numeric user (app), cannot verify user is non-root (pod: \"p_default(u1)\", container: c)"
    );
    assert_eq!(
        as_user("securityContext: {runAsNonRoot: true, runAsUser: 0}", "5")
            .unwrap_err()
            .to_string(),
        "container's runAsUser breaks non-root policy (pod: \"p_default(u1)\", container: c)"
    );
}

#[test]
fn groups_come_from_the_pod_and_unless_strict_from_the_image() {
    let merged = as_user(
        "securityContext: {supplementalGroups: [7, 50], fsGroup: 3}",
        "app",
    )
    .unwrap();
    assert_eq!(merged.groups, [3, 7, 10, 50]);
    assert_eq!(merged.home, "/home/app");
    let strict = as_user(
        "securityContext: {supplementalGroups: [7], supplementalGroupsPolicy: Strict}",
        "app",
    )
    .unwrap();
    assert_eq!(strict.groups, [7]);
}

#[test]
fn the_manifests_user_goes_before_the_images_with_its_group() {
    let user = as_user("securityContext: {runAsUser: 1000}", "root:wheel").unwrap();
    assert_eq!((user.uid, user.gid), (1000, 1001));
    let user = as_user("securityContext: {runAsUser: 5, runAsGroup: 6}", "app").unwrap();
    assert_eq!((user.uid, user.gid, user.home.as_str()), (5, 6, "/"));
}
