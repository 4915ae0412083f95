//! Every case has a canary outside the layer; whatever happens to the layer, the canary lives as it was.

use super::*;

/// Unpacks into `place/root/…` with a canary beside it, and checks the canary.
fn attempt(layers: &[Vec<Item>]) -> Result<(), UnpackError> {
    let place = Folder::new("hostile");
    let outside = place.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("canary"), b"alive").unwrap();
    let root = place.path().join("root");
    std::fs::create_dir(&root).unwrap();
    let before = snapshot(place.path());
    let result = stack(&root, layers, &Limits::default()).map(|_| ());
    assert_eq!(
        before,
        snapshot(place.path()),
        "{layers:?} changed something outside"
    );
    result
}

/// Everything but the layers: names, modes, owners, times, contents.
fn snapshot(place: &Path) -> Vec<(String, u32, u32, i64, u64, Vec<u8>)> {
    let mut seen = Vec::new();
    for path in [
        place.to_owned(),
        place.join("outside"),
        place.join("outside/canary"),
    ] {
        let stat = path.symlink_metadata().unwrap();
        let content = std::fs::read(&path).unwrap_or_default();
        seen.push((
            path.display().to_string(),
            stat.mode(),
            stat.uid(),
            stat.mtime_nsec(),
            stat.nlink(),
            content,
        ));
    }
    let names = |path: &Path| std::fs::read_dir(path).unwrap().count() as u64;
    seen.push((
        "names".into(),
        0,
        0,
        0,
        names(place) + names(&place.join("outside")) * 100,
        Vec::new(),
    ));
    seen
}

fn xattr(name: &str) -> Item {
    file("f", b"").pax(&format!("SCHILY.xattr.{name}"), b"y")
}

/// Unpacks each layer and expects its refusal.
fn expect_refusals(cases: Vec<(Vec<Item>, Refusal)>) {
    for (layer, expected) in cases {
        match attempt(std::slice::from_ref(&layer)) {
            Err(UnpackError::Refused { refusal, .. }) => assert_eq!(refusal, expected, "{layer:?}"),
            other => panic!("{layer:?}: {other:?}"),
        }
    }
}

#[test]
fn names_that_no_image_has_are_refused() {
    if !is_root("names_that_no_image_has_are_refused") {
        return;
    }
    let link = |target: &str| Refusal::LinkClimbs(target.to_owned());
    let absent = |target: &str| Refusal::LinkMissing(target.to_owned());
    expect_refusals(vec![
        (vec![file("../outside/new", b"")], Refusal::Climbs),
        (vec![file("a/../../outside/new", b"")], Refusal::Climbs),
        (vec![folder("..")], Refusal::Climbs),
        (
            vec![file("x", b"").pax("path", "../outside/new")],
            Refusal::Climbs,
        ),
        (
            vec![hard_link("h", "../outside/canary")],
            link("../outside/canary"),
        ),
        (
            vec![hard_link("h", "/outside/canary")],
            absent("/outside/canary"),
        ),
        (
            vec![symlink("up", "../../outside"), hard_link("h", "up/canary")],
            absent("up/canary"),
        ),
        (vec![file("f", b""), hard_link("h", ".wh.f")], link(".wh.f")),
        (vec![file(".wh.f", b""), hard_link("h", "f")], absent("f")),
        (vec![folder("d"), hard_link("h", "d")], absent("d")),
        (vec![hard_link("h", "")], Refusal::LinkTarget),
        (vec![symlink("s", "")], Refusal::LinkTarget),
        (vec![symlink(".", "/outside")], Refusal::RootReplaced),
        (vec![symlink("/", "/outside")], Refusal::RootReplaced),
        (vec![symlink("./", "/outside")], Refusal::RootReplaced),
        (vec![file(".", b"")], Refusal::RootReplaced),
        (vec![file("", b"")], Refusal::RootReplaced),
        (vec![hard_link(".", "x")], Refusal::RootReplaced),
        (vec![file(".wh.", b"")], Refusal::Whiteout),
        (vec![file(".wh..", b"")], Refusal::Whiteout),
        (vec![file(".wh...", b"")], Refusal::Whiteout),
        (vec![folder(".wh.x")], Refusal::Whiteout),
        (vec![symlink(".wh.x", "y")], Refusal::Whiteout),
        (vec![file(".wh.d/f", b"")], Refusal::Whiteout),
        (vec![file("f", b""), file("f/below", b"")], Refusal::Parent),
        (
            vec![symlink("a", "b"), symlink("b", "a"), file("a/f", b"")],
            Refusal::Parent,
        ),
    ]);
}

#[test]
fn attributes_and_numbers_that_no_image_has_are_refused() {
    if !is_root("attributes_and_numbers_that_no_image_has_are_refused") {
        return;
    }
    let attribute = |name: &str| Refusal::Attribute(name.to_owned());
    expect_refusals(vec![
        (
            vec![xattr("trusted.overlay.opaque")],
            attribute("trusted.overlay.opaque"),
        ),
        (
            vec![xattr("trusted.overlay.redirect")],
            attribute("trusted.overlay.redirect"),
        ),
        (
            vec![xattr("user.overlay.opaque")],
            attribute("user.overlay.opaque"),
        ),
        (
            vec![xattr("security.selinux")],
            attribute("security.selinux"),
        ),
        (
            vec![xattr("system.posix_acl_access")],
            attribute("system.posix_acl_access"),
        ),
        (
            vec![xattr("security.capability")],
            attribute("security.capability"),
        ),
        (vec![xattr("user.")], attribute("user.")),
        (
            vec![folder("./").pax("SCHILY.xattr.trusted.x", b"y")],
            attribute("trusted.x"),
        ),
        (
            vec![file("f", b"").pax("uid", "4294967295")],
            Refusal::Number("owner"),
        ),
        (
            vec![file("f", b"").pax("gid", "4294967296")],
            Refusal::Number("group"),
        ),
        (vec![file("f", b"").pax("linkpath", b"a\0b")], Refusal::Nul),
        (vec![item(b'S', "sparse")], Refusal::Type('S')),
        (vec![item(b'Z', "odd")], Refusal::Type('Z')),
        (
            vec![Item {
                data: b"x".to_vec(),
                ..symlink("s", "t")
            }],
            Refusal::Content,
        ),
    ]);
}

#[test]
fn links_that_lead_out_stay_inside() {
    if !is_root("links_that_lead_out_stay_inside") {
        return;
    }
    for target in [
        "../../outside",
        "/outside",
        "../../../../../../outside",
        "/proc/self/cwd",
        "/proc/1/root/etc",
    ] {
        // In one layer, and with the link in a lower one.
        let link = symlink("out", target);
        let writes = vec![
            file("out/new", b"x").mode(0o4777),
            folder("out/sub").mode(0o777),
            file("out/.wh.canary", b""),
            file("out/.wh..wh..opq", b""),
            symlink("out/l", "x"),
            item(b'6', "out/p"),
        ];
        let one: Vec<Item> = [link.clone()].into_iter().chain(writes.clone()).collect();
        attempt(&[one]).unwrap_or_else(|error| panic!("{target}: {error:?}"));
        attempt(&[vec![link.clone()], writes])
            .unwrap_or_else(|error| panic!("{target}: {error:?}"));
        // A file, a folder and a link over the link replace it and do not touch its target.
        attempt(&[vec![link.clone(), file("out", b"").mode(0o777)]]).unwrap();
        attempt(&[vec![
            link.clone(),
            folder("out").mode(0o777),
            file("out/new", b""),
        ]])
        .unwrap();
        attempt(&[vec![
            link.clone(),
            hard_link("h", "out"),
            file("h/new", b""),
        ]])
        .unwrap();
        attempt(&[
            vec![link.clone()],
            vec![folder("out").mode(0o777), file("out/canary", b"dead")],
        ])
        .unwrap();
    }
}

#[test]
fn a_link_to_itself_and_a_file_over_a_full_folder_are_taken() {
    if !is_root("a_link_to_itself_and_a_file_over_a_full_folder_are_taken") {
        return;
    }
    attempt(&[vec![
        file("f", b"x"),
        hard_link("f", "f"),
        hard_link("g", "f"),
        hard_link("g", "f"),
    ]])
    .unwrap();
    attempt(&[vec![
        file("d/a/b", b"x"),
        file("d", b"file"),
        file("d2/x", b""),
        symlink("d2", "d"),
    ]])
    .unwrap();
}

#[test]
fn a_swapper_inside_the_layer_cannot_lead_the_unpacker_out() {
    if !is_root("a_swapper_inside_the_layer_cannot_lead_the_unpacker_out") {
        return;
    }
    use std::sync::atomic::{AtomicBool, Ordering};
    let place = Folder::new("swapper");
    let outside = place.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("f"), b"alive").unwrap();
    let before = outside.join("f").metadata().unwrap();
    let done = AtomicBool::new(false);
    let layer: Vec<Item> = (0..3000)
        .flat_map(|n| {
            [
                folder("d").mode(0o777),
                file("d/f", n.to_string()).mode(0o777).owner(1),
            ]
        })
        .collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let folder = place.path().join("0");
            let (real, link) = (folder.join("d"), place.path().join("link"));
            std::os::unix::fs::symlink(&outside, &link).unwrap();
            while !done.load(Ordering::Relaxed) {
                // Not there yet, or not there any more: the next round tries again.
                let _ = rustix::fs::renameat_with(
                    rustix::fs::CWD,
                    &real,
                    rustix::fs::CWD,
                    &link,
                    rustix::fs::RenameFlags::EXCHANGE,
                );
            }
        });
        // Whether it succeeds is left to chance; what it may touch is not.
        let result = stack(place.path(), &[layer], &Limits::default());
        done.store(true, Ordering::Relaxed);
        drop(result);
    });
    let after = outside.join("f").metadata().unwrap();
    assert_eq!(std::fs::read(outside.join("f")).unwrap(), b"alive");
    assert_eq!(
        (before.mode(), before.uid(), before.ino()),
        (after.mode(), after.uid(), after.ino())
    );
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
}
