//! How does what a container packed become files here? The container is a stranger: only files and folders are
//! made, only below the place that was asked for, and never through a link that came with the stream.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use tar::EntryType;

use crate::failure::Failure;

/// Unpacks a stream whose entries begin with `top`, as `to`. The names of what was left out.
pub(super) fn unpack(stream: impl Read, top: &str, to: &Path) -> Result<Vec<String>, Failure> {
    let mut skipped = Vec::new();
    let failed = |error: std::io::Error| Failure::of("read what the container's tar says", &error);
    let mut archive = tar::Archive::new(stream);
    for entry in archive.entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        let name = entry.path().map_err(failed)?.into_owned();
        let Some(path) = inside(&name, top, to) else {
            skipped.push(name.display().to_string());
            continue;
        };
        let written =
            |error: std::io::Error| Failure::of(&format!("write {}", path.display()), &error);
        let mode = entry.header().mode().map_err(failed)? & 0o777;
        match entry.header().entry_type() {
            EntryType::Directory => folder(&path).map_err(written)?,
            EntryType::Regular | EntryType::Continuous => {
                if let Some(parent) = path.parent().filter(|parent| *parent != Path::new("")) {
                    folder(parent).map_err(written)?;
                }
                let mut file = OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .mode(mode)
                    .open(&path)
                    .map_err(written)?;
                std::io::copy(&mut entry, &mut file).map_err(written)?;
            }
            _ => skipped.push(name.display().to_string()),
        }
    }
    Ok(skipped)
}

fn folder(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(path)
}

/// Where an entry goes; nowhere if its name leads elsewhere.
fn inside(name: &Path, top: &str, to: &Path) -> Option<PathBuf> {
    let mut parts = name
        .components()
        .filter(|part| !matches!(part, Component::CurDir))
        .peekable();
    if top != "." {
        let first = parts.next()?;
        if first.as_os_str() != top {
            return None;
        }
    }
    let mut path = to.to_owned();
    for part in parts {
        match part {
            Component::Normal(part) => path.push(part),
            _ => return None,
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_place_that_was_asked_for() {
        let to = Path::new("/to");
        let of = |name: &str, top: &str| inside(Path::new(name), top, to);
        assert_eq!(of("a/b/c", "a"), Some("/to/b/c".into()));
        assert_eq!(of("./a/b", "a"), Some("/to/b".into()));
        assert_eq!(of("a", "a"), Some("/to".into()));
        assert_eq!(of("./x", "."), Some("/to/x".into()));
        for (name, top) in [
            ("a/../../x", "a"),
            ("/etc/passwd", "a"),
            ("b/x", "a"),
            ("../x", "."),
        ] {
            assert_eq!(of(name, top), None, "{name}");
        }
    }
}
