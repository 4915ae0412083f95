//! Files that hide, lead elsewhere or never end.

use super::*;
use crate::config::ImageConfig;
use crate::testing::Folder;

fn image(layers: Vec<PathBuf>) -> Image {
    Image {
        id: "sha256:test".into(),
        layers,
        config: ImageConfig::default(),
    }
}

#[test]
fn links_are_followed_inside_the_image_and_across_layers() {
    let place = Folder::new("files");
    let (upper, lower) = (place.path().join("upper"), place.path().join("lower"));
    std::fs::create_dir_all(upper.join("etc")).unwrap();
    std::fs::create_dir_all(lower.join("usr/etc")).unwrap();
    std::fs::write(place.path().join("secret"), b"outside").unwrap();
    std::fs::write(lower.join("usr/etc/passwd"), b"root:x:0:0").unwrap();
    std::fs::write(lower.join("secret"), b"inside").unwrap();
    for (link, target) in [
        ("etc/passwd", "/usr/etc/passwd"),
        ("etc/up", "../../../secret"),
        ("etc/loop", "loop"),
        ("etc/dangling", "/nowhere/x"),
    ] {
        std::os::unix::fs::symlink(target, upper.join(link)).unwrap();
    }
    let image = image(vec![upper, lower]);
    let read = |path| read_in_image(&image, path).unwrap();
    assert_eq!(read("/etc/passwd").unwrap(), b"root:x:0:0");
    assert_eq!(read("etc/../etc/./passwd").unwrap(), b"root:x:0:0");
    assert_eq!(read("/etc/up").unwrap(), b"inside");
    for absent in [
        "/etc/loop",
        "/etc/dangling",
        "/etc/none",
        "/secret/below",
        "/usr/etc/passwd/",
    ] {
        assert_eq!(read(absent), None, "{absent}");
    }
}

#[test]
fn only_regular_files_of_a_sane_size_are_read() {
    let place = Folder::new("files-odd");
    let root = place.path().join("root");
    std::fs::create_dir_all(root.join("etc/folder")).unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(
        rustix::fs::CWD,
        root.join("etc/pipe"),
        fifo,
        Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("etc/socket")).unwrap();
    let large = std::fs::File::create(root.join("etc/large")).unwrap();
    large.set_len(LONGEST_BYTES + 1).unwrap();
    std::fs::File::create(root.join("etc/largest"))
        .unwrap()
        .set_len(LONGEST_BYTES)
        .unwrap();
    let image = image(vec![root]);
    for odd in ["/etc/pipe", "/etc/socket", "/etc/folder", "/", ""] {
        assert!(
            matches!(
                read_in_image(&image, odd),
                Err(ReadError::NotRegular { .. })
            ),
            "{odd}"
        );
    }
    assert!(matches!(
        read_in_image(&image, "/etc/large"),
        Err(ReadError::TooLong { .. })
    ));
    assert_eq!(
        read_in_image(&image, "/etc/largest")
            .unwrap()
            .unwrap()
            .len() as u64,
        LONGEST_BYTES
    );
}
