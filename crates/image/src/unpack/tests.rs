//! Layers as they should be, and as an enemy would write them.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use super::*;
use crate::decode::Decoded;
use crate::testing::{Folder, Item, MTIME_S, file, folder, hard_link, is_root, item, symlink, tar};
use crate::view::{OPAQUE, is_opaque};

mod hostile;
mod storm;

/// Unpacks layers, lowest first, and returns their folders, uppermost first.
fn stack(place: &Path, layers: &[Vec<Item>], limits: &Limits) -> Result<Vec<PathBuf>, UnpackError> {
    let mut below: Vec<PathBuf> = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        let path = place.join(number.to_string());
        std::fs::create_dir(&path).unwrap();
        let root = rustix::fs::open(&path, FOLDER, Mode::empty()).unwrap();
        let bytes = tar(layer);
        let stream = Decoded::new(bytes.as_slice(), limits.layer_bytes)?;
        unpack(stream, root, &below, limits)?;
        below.insert(0, path);
    }
    Ok(below)
}

fn capability() -> Vec<u8> {
    let mut value = vec![0; 20];
    value[3] = 2;
    value[0] = 1;
    value[5] = 4;
    value
}

#[test]
fn a_layer_keeps_owner_mode_time_attributes_and_links() {
    if !is_root("a_layer_keeps_owner_mode_time_attributes_and_links") {
        return;
    }
    let place = Folder::new("unpack");
    let long = format!("etc/{}/{}", "l".repeat(150), "n".repeat(200));
    let layer = vec![
        folder("./").mode(0o755),
        folder("usr/"),
        folder("usr/bin").mode(0o1777).owner(7),
        file("usr/bin/su", b"program").mode(0o4755).owner(0),
        file("usr/bin/ping", b"p").pax("SCHILY.xattr.security.capability", capability()),
        file("/usr/absolute", b"a")
            .owner(3_000_000_000)
            .pax("SCHILY.xattr.user.note", b"a\0b")
            .pax("mtime", b"12.5"),
        hard_link("usr/bin/sudo", "./usr/bin/su"),
        symlink("bin", "usr/bin").owner(9),
        item(b'6', "pipe").mode(0o620),
        item(b'3', "dev/sda"),
        file(&long, b"long"),
        file("big", vec![7; 300_000]),
    ];
    // uid 3,000,000,000 does not fit seven octal digits: the writer uses base-256 then.
    let layers = stack(place.path(), &[layer], &Limits::default()).unwrap();
    let at = |name: &str| layers[0].join(name);
    let stat = |name: &str| at(name).symlink_metadata().unwrap();
    assert_eq!(stat("usr/bin").mode() & 0o7777, 0o1777);
    assert_eq!(
        (stat("usr/bin").uid(), stat("usr/bin").mtime()),
        (7, MTIME_S as i64)
    );
    assert_eq!(stat("usr/bin/su").mode() & 0o7777, 0o4755);
    assert_eq!(stat("usr/bin/su").ino(), stat("usr/bin/sudo").ino());
    assert_eq!(stat("usr/absolute").uid(), 3_000_000_000);
    assert_eq!(
        (
            stat("usr/absolute").mtime(),
            stat("usr/absolute").mtime_nsec()
        ),
        (12, 500_000_000)
    );
    assert_eq!(
        (stat("bin").uid(), stat("bin").mtime()),
        (9, MTIME_S as i64)
    );
    assert_eq!(std::fs::read_link(at("bin")).unwrap(), Path::new("usr/bin"));
    assert!(stat("pipe").file_type().is_fifo() && stat("pipe").mode() & 0o7777 == 0o620);
    assert!(!at("dev").exists(), "devices are not unpacked");
    assert_eq!(std::fs::read(at(&long)).unwrap(), b"long");
    assert_eq!(std::fs::read(at("big")).unwrap(), vec![7; 300_000]);
    let open = |name: &str| std::fs::File::open(at(name)).unwrap();
    let mut value = [0; 64];
    let count = rustix::fs::fgetxattr(
        open("usr/bin/ping"),
        "security.capability",
        value.as_mut_slice(),
    )
    .unwrap();
    assert_eq!(value[..count], capability());
    let count =
        rustix::fs::fgetxattr(open("usr/absolute"), "user.note", value.as_mut_slice()).unwrap();
    assert_eq!(&value[..count], b"a\0b");
}

#[test]
fn whiteouts_become_what_overlayfs_reads() {
    if !is_root("whiteouts_become_what_overlayfs_reads") {
        return;
    }
    let place = Folder::new("whiteouts");
    let layers = [
        vec![
            folder("d"),
            file("d/low", b""),
            file("gone", b""),
            folder("dir"),
            file("dir/low", b""),
        ],
        vec![
            file(".wh.gone", b""),
            file("d/.wh..wh..opq", b""),
            file("d/new", b""),
            folder(".wh..wh.plnk"),
            file(".wh..wh.plnk/1.2", b""),
            folder("dir"),
            file("dir/mine", b""),
            file(".wh.dir", b""),
        ],
    ];
    let stack = stack(place.path(), &layers, &Limits::default()).unwrap();
    let gone = stack[0].join("gone").symlink_metadata().unwrap();
    assert!(gone.file_type().is_char_device() && gone.rdev() == 0);
    for name in ["d", "dir"] {
        assert!(
            is_opaque(std::fs::File::open(stack[0].join(name)).unwrap()).unwrap(),
            "{name}"
        );
    }
    assert!(
        stack[0].join("dir/mine").exists(),
        "a whiteout hides lower layers only"
    );
    assert_eq!(std::fs::read_dir(&stack[0]).unwrap().count(), 3);
}

#[test]
fn a_layer_that_leaves_folders_out_takes_them_from_below() {
    if !is_root("a_layer_that_leaves_folders_out_takes_them_from_below") {
        return;
    }
    let place = Folder::new("implied");
    let layers = [
        vec![
            folder("./").mode(0o711),
            folder("tmp").mode(0o1777).owner(5),
            folder("usr/bin"),
            symlink("bin", "/usr/bin"),
        ],
        vec![
            file("tmp/x", b""),
            file("bin/tool", b""),
            file("fresh/y", b""),
            file("bin/../z", b""),
        ][..3]
            .to_vec(),
    ];
    let stack = stack(place.path(), &layers, &Limits::default()).unwrap();
    let tmp = stack[0].join("tmp").metadata().unwrap();
    assert_eq!(
        (tmp.mode() & 0o7777, tmp.uid(), tmp.mtime()),
        (0o1777, 5, MTIME_S as i64)
    );
    assert!(
        stack[0].join("usr/bin/tool").exists(),
        "the link of the lower layer is followed inside the root"
    );
    assert!(stack[0].join("bin").symlink_metadata().is_err());
    assert_eq!(
        stack[0].join("fresh").metadata().unwrap().mode() & 0o7777,
        0o755
    );
    assert_eq!(
        stack[0].metadata().unwrap().mode() & 0o7777,
        0o711,
        "the root looks like the one below"
    );
}

#[test]
fn limits_stop_a_layer() {
    if !is_root("limits_stop_a_layer") {
        return;
    }
    let layers = vec![vec![
        folder("a"),
        file("a/b", vec![0; 5000]),
        file("a/c", b"").pax("comment", vec![b'x'; 600]),
    ]];
    let limits = [
        (
            Limits {
                layer_bytes: 4000,
                ..Limits::default()
            },
            Beyond::Bytes(4000),
        ),
        (
            Limits {
                entries: 2,
                ..Limits::default()
            },
            Beyond::Entries(2),
        ),
        (
            Limits {
                path_bytes: 2,
                ..Limits::default()
            },
            Beyond::Path(2),
        ),
        (
            Limits {
                extension_bytes: 599,
                ..Limits::default()
            },
            Beyond::Extension(599),
        ),
        (
            Limits {
                directory_names_bytes: 60,
                ..Limits::default()
            },
            Beyond::DirectoryNames(60),
        ),
    ];
    for (limits, expected) in limits {
        let place = Folder::new("limits");
        match stack(place.path(), &layers, &limits) {
            Err(UnpackError::Beyond(beyond)) => assert_eq!(beyond, expected),
            other => panic!("{expected:?}: {other:?}"),
        }
    }
}

#[test]
fn the_mark_of_opaque_folders_is_the_kernels() {
    assert_eq!(OPAQUE, "trusted.overlay.opaque");
}
