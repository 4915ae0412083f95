//! Images from every source, what is refused, and many processes at once.

use super::*;
use crate::error::UnpackError;
use crate::files::read_in_image;
use crate::testing::{
    Folder, Item, Packed, archive, docker_files, file, folder, is_root, lay_out, oci_files, pack,
    tar,
};

mod shared;

type Files = Vec<(String, Vec<u8>)>;

fn layers() -> Vec<Vec<u8>> {
    let layer = |items: &[Item]| tar(items);
    vec![
        layer(&[
            folder("etc"),
            file("etc/passwd", b"root:x:0:0"),
            file("old", b"old"),
            file("app", b"one"),
        ]),
        layer(&[file(".wh.old", b""), file("app", b"two")]),
    ]
}

fn open(place: &Folder) -> Store {
    Store::open(&place.path().join("root")).unwrap()
}

fn read(image: &Image, path: &str) -> Option<String> {
    read_in_image(image, path)
        .unwrap()
        .map(|bytes| String::from_utf8(bytes).unwrap())
}

fn check(image: &Image) {
    assert_eq!(image.layers.len(), 2);
    assert_eq!(read(image, "/etc/passwd").as_deref(), Some("root:x:0:0"));
    assert_eq!(read(image, "/app").as_deref(), Some("two"));
    assert_eq!(read(image, "/old"), None);
    assert_eq!(image.config.cmd, Some(vec!["/bin/app".to_owned()]));
    assert_eq!(
        (image.config.entrypoint.as_ref(), image.config.user.as_str()),
        (None, "1:2")
    );
    assert_eq!(image.config.stop_signal.as_deref(), Some("SIGUSR1"));
    assert_eq!(
        (
            image.config.volumes.as_slice(),
            image.config.exposed_ports.as_slice()
        ),
        (&["/data".to_owned()][..], &["80/tcp".to_owned()][..])
    );
}

fn parse(text: impl AsRef<str>) -> Reference {
    Reference::parse(text.as_ref()).unwrap()
}

#[test]
fn archives_of_both_formats_load_and_resolve_by_name() {
    if !is_root("archives_of_both_formats_load_and_resolve_by_name") {
        return;
    }
    for packed in [Packed::Plain, Packed::Gzip, Packed::Zstd] {
        let place = Folder::new("load");
        let store = open(&place);
        let path = place.path().join("image.tar");
        std::fs::write(
            &path,
            archive(&oci_files(
                Some("docker.io/library/app:v1"),
                &layers(),
                packed,
            )),
        )
        .unwrap();
        assert_eq!(
            store.load_file(&path).unwrap(),
            ["docker.io/library/app:v1"]
        );
        check(&store.resolve(&parse("app:v1")).unwrap());
        // As `docker save | gzip` pipes it.
        let stream = pack(
            &archive(&docker_files(&["app:v2", "example.org/app:v2"], &layers())),
            packed,
        );
        assert_eq!(
            store.load_stream(stream.as_slice()).unwrap(),
            ["docker.io/library/app:v2", "example.org/app:v2"]
        );
        let image = store.resolve(&parse("example.org/app:v2")).unwrap();
        check(&image);
        check(&store.resolve(&parse(&image.id)).unwrap());
        assert_eq!(store.list().unwrap().len(), 3);
        assert_eq!(
            std::fs::read_dir(store.root.join("layers"))
                .unwrap()
                .count(),
            2,
            "layers are shared"
        );
        assert_eq!(
            std::fs::read_dir(store.root.join("tmp")).unwrap().count(),
            0
        );
        let error = store.resolve(&parse("other")).unwrap_err().to_string();
        assert!(
            error.starts_with("image docker.io/library/other:latest is not on this machine"),
            "{error}"
        );
    }
}

#[test]
fn layouts_and_archives_are_used_in_place_and_a_change_is_noticed() {
    if !is_root("layouts_and_archives_are_used_in_place_and_a_change_is_noticed") {
        return;
    }
    let place = Folder::new("local");
    let store = open(&place);
    let at = |name: &str| place.path().join(name).display().to_string();
    let files = oci_files(Some("v1"), &layers(), Packed::Gzip);
    lay_out(&files, &place.path().join("layout"));
    std::fs::write(at("oci.tar"), archive(&files)).unwrap();
    std::fs::write(
        at("docker.tar"),
        archive(&docker_files(&["app:v1"], &layers())),
    )
    .unwrap();
    for text in [
        format!("oci:{}", at("layout")),
        format!("oci:{}:v1", at("layout")),
        format!("oci-archive:{}", at("oci.tar")),
        format!("docker-archive:{}", at("docker.tar")),
        format!("docker-archive:{}:app:v1", at("docker.tar")),
    ] {
        let first = store.resolve(&parse(&text)).unwrap();
        check(&first);
        assert_eq!(store.resolve(&parse(&text)).unwrap(), first);
    }
    let wrong = store
        .resolve(&parse(format!("oci:{}:v2", at("layout"))))
        .unwrap_err();
    assert!(matches!(wrong, ImageError::Choice { .. }), "{wrong}");

    let changed = vec![tar(&[file("app", b"three")])];
    std::fs::write(
        at("oci.tar"),
        archive(&oci_files(None, &changed, Packed::Plain)),
    )
    .unwrap();
    let image = store
        .resolve(&parse(format!("oci-archive:{}", at("oci.tar"))))
        .unwrap();
    assert_eq!(read(&image, "app").as_deref(), Some("three"));
}

#[test]
fn the_host_and_a_folder_are_images_too() {
    let place = Folder::new("dir");
    let store = open(&place);
    assert_eq!(
        store.resolve(&Reference::Host).unwrap().layers,
        [PathBuf::from("/")]
    );
    let path = place.path().join("rootfs");
    let reference = parse(format!("dir:{}", path.display()));
    assert!(matches!(
        store.resolve(&reference),
        Err(ImageError::NoDirectory { .. })
    ));
    std::fs::write(&path, b"").unwrap();
    assert!(matches!(
        store.resolve(&reference),
        Err(ImageError::NoDirectory { .. })
    ));
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let image = store.resolve(&reference).unwrap();
    assert_eq!(image.layers, [std::fs::canonicalize(&path).unwrap()]);
    assert_eq!(image.config, ImageConfig::default());
    store.hold("pod", &image).unwrap();
}

#[test]
fn what_is_not_what_it_promises_leaves_nothing_behind() {
    if !is_root("what_is_not_what_it_promises_leaves_nothing_behind") {
        return;
    }
    let good = oci_files(Some("x:1"), &layers(), Packed::Gzip);
    let with = |change: &dyn Fn(&mut Files)| {
        let mut files = good.clone();
        change(&mut files);
        archive(&files)
    };
    let other_layer = || pack(&tar(&[file("evil", b"evil")]), Packed::Gzip);
    let flip = |bytes: &mut Vec<u8>| {
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
    };
    let lying_diff_id = {
        let mut files = docker_files(&["x:1"], &layers());
        files[0].1 = tar(&[file("evil", b"evil")]);
        archive(&files)
    };
    let cases = [
        ("a flipped layer", with(&|files| flip(&mut files[1].1))),
        ("another layer", with(&|files| files[1].1 = other_layer())),
        ("a truncated layer", with(&|files| files[1].1.truncate(40))),
        ("a longer layer", with(&|files| files[1].1.push(0))),
        ("no layer", with(&|files| drop(files.remove(1)))),
        ("a flipped config", with(&|files| flip(&mut files[0].1))),
        ("a flipped manifest", with(&|files| flip(&mut files[3].1))),
        (
            "no index",
            with(&|files| files.retain(|(name, _)| name != "index.json")),
        ),
        ("a layer that is another in docker's format", lying_diff_id),
        ("an empty archive", archive(&[])),
        ("no archive", b"hello".repeat(500)),
        ("half an archive", archive(&good)[..3000].to_vec()),
    ];
    for (what, bytes) in cases {
        let place = Folder::new("bad");
        let store = open(&place);
        let error = store.load_stream(bytes.as_slice()).expect_err(what);
        let empty = |folder: &str| std::fs::read_dir(store.root.join(folder)).unwrap().count() == 0;
        assert!(
            store.list().unwrap().is_empty() && empty("tmp"),
            "{what}: {error}"
        );
        for layer in std::fs::read_dir(store.root.join("layers")).unwrap() {
            assert!(!layer.unwrap().path().join("tree/evil").exists(), "{what}");
        }
    }
}

#[test]
fn a_bomb_is_stopped_by_what_comes_out_of_it() {
    if !is_root("a_bomb_is_stopped_by_what_comes_out_of_it") {
        return;
    }
    let place = Folder::new("bomb");
    let limits = Limits {
        layer_bytes: 1 << 20,
        ..Limits::default()
    };
    let store = Store::open_with(&place.path().join("root"), limits).unwrap();
    for packed in [Packed::Gzip, Packed::Zstd] {
        let bomb = vec![tar(&[file("zeros", vec![0; 4 << 20])])];
        let bytes = archive(&oci_files(Some("bomb:1"), &bomb, packed));
        assert!(bytes.len() < 100_000);
        let error = store.load_stream(bytes.as_slice()).unwrap_err();
        let ImageError::Layer {
            source: UnpackError::Beyond(_),
            ..
        } = error
        else {
            panic!("{error:?}")
        };
    }
    // Behind the last entry there may be more.
    let mut tail = tar(&[file("a", b"")]);
    tail.resize(4 << 20, 0);
    let error = store
        .load_stream(archive(&oci_files(Some("bomb:2"), &[tail], Packed::Gzip)).as_slice())
        .unwrap_err();
    assert!(
        matches!(
            error,
            ImageError::Layer {
                source: UnpackError::Beyond(_),
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn an_image_for_other_machines_is_refused_with_their_names() {
    let place = Folder::new("platform");
    let store = open(&place);
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [
        {"digest": format!("sha256:{}", "a".repeat(64)), "size": 1, "platform": {"os": "linux", "architecture": "vax"}},
        {"digest": format!("sha256:{}", "b".repeat(64)), "size": 1, "platform": {"os": "windows", "architecture": "amd64"}},
    ]});
    let files = [("index.json".to_owned(), serde_json::to_vec(&index).unwrap())];
    let error = store
        .load_stream(archive(&files).as_slice())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("only for linux/vax, windows/amd64"),
        "{error}"
    );
}

#[test]
fn a_removed_image_stays_while_a_pod_holds_it() {
    if !is_root("a_removed_image_stays_while_a_pod_holds_it") {
        return;
    }
    let place = Folder::new("hold");
    let store = open(&place);
    store
        .load_stream(archive(&oci_files(Some("x:1"), &layers(), Packed::Gzip)).as_slice())
        .unwrap();
    let image = store.resolve(&parse("x:1")).unwrap();
    store.hold("uid-1", &image).unwrap();
    store.hold("uid-1", &image).unwrap();
    assert_eq!(store.holders().unwrap(), ["uid-1"]);
    assert_eq!(
        store.remove("docker.io/library/x:1").unwrap(),
        Removed::Done
    );
    assert!(matches!(
        store.remove("docker.io/library/x:1"),
        Err(ImageError::NotPresent { .. })
    ));
    check(&image);
    assert!(store.resolve(&parse("x:1")).is_err());
    store.release("uid-1").unwrap();
    for folder in ["layers", "blobs/sha256", "holds", "tmp"] {
        assert_eq!(
            std::fs::read_dir(store.root.join(folder)).unwrap().count(),
            0,
            "{folder}"
        );
    }
    assert!(matches!(
        store.hold("uid-2", &image),
        Err(ImageError::Gone { .. })
    ));
    store.release("uid-1").unwrap();
    for uid in ["", "..", "../x", "a/b", ".hidden"] {
        assert!(
            matches!(
                store.hold(uid, &image),
                Err(ImageError::InvalidHolder { .. })
            ),
            "{uid}"
        );
    }
}
