//! What does an entry's name ask for: a file, a whiteout, the root, or something that no image should?

use crate::error::{Beyond, Refusal, UnpackError};
use crate::tarball::{Entry, Kind, refused, shown};

/// What a name means. Folders are lists of components.
pub(super) enum Named {
    /// Bookkeeping of an old storage driver.
    Ignored,
    Root,
    Opaque {
        folder: Vec<Vec<u8>>,
    },
    Whiteout {
        folder: Vec<Vec<u8>>,
        name: Vec<u8>,
    },
    Plain {
        folder: Vec<Vec<u8>>,
        name: Vec<u8>,
    },
}

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
const BOOKKEEPING: &[u8] = b".wh..wh.";
const LONGEST_COMPONENT_BYTES: usize = 255;

pub(super) fn classify(entry: &Entry) -> Result<Named, UnpackError> {
    let mut folder =
        components(&entry.name).ok_or_else(|| refused(&entry.name, Refusal::Climbs))?;
    if folder
        .iter()
        .any(|part| part.len() > LONGEST_COMPONENT_BYTES)
    {
        return Err(UnpackError::Beyond(Beyond::Path(LONGEST_COMPONENT_BYTES)));
    }
    let Some(name) = folder.pop() else {
        let root = if entry.kind == Kind::Folder {
            Ok(Named::Root)
        } else {
            Err(Refusal::RootReplaced)
        };
        return root.map_err(|refusal| refused(&entry.name, refusal));
    };
    // Bookkeeping may be a folder with files in it.
    if folder
        .iter()
        .chain([&name])
        .any(|part| part.starts_with(BOOKKEEPING) && part != OPAQUE)
    {
        return Ok(Named::Ignored);
    }
    let improper = || Err(refused(&entry.name, Refusal::Whiteout));
    if folder.iter().any(|part| part.starts_with(WHITEOUT)) {
        return improper();
    }
    let Some(hidden) = name.strip_prefix(WHITEOUT) else {
        return Ok(Named::Plain { folder, name });
    };
    // Some drivers wrote whiteouts as hard links to one empty file.
    if !matches!(entry.kind, Kind::File | Kind::HardLink) {
        return improper();
    }
    if name == OPAQUE {
        return Ok(Named::Opaque { folder });
    }
    if matches!(hidden, b"" | b"." | b"..") {
        return improper();
    }
    Ok(Named::Whiteout {
        folder,
        name: hidden.to_vec(),
    })
}

/// The folder and the name that a hard link points at.
pub(super) fn link_target(entry: &Entry) -> Result<(Vec<Vec<u8>>, Vec<u8>), UnpackError> {
    let refuse = || refused(&entry.name, Refusal::LinkClimbs(shown(&entry.link)));
    if entry.link.is_empty() {
        return Err(refused(&entry.name, Refusal::LinkTarget));
    }
    let mut folder = components(&entry.link).ok_or_else(refuse)?;
    if folder
        .iter()
        .any(|part| part.starts_with(WHITEOUT) || part.len() > LONGEST_COMPONENT_BYTES)
    {
        return Err(refuse());
    }
    let name = folder.pop().ok_or_else(refuse)?;
    Ok((folder, name))
}

/// The parts of a path, which is always meant below the root, with or without a slash before it. `None`: it climbs.
fn components(path: &[u8]) -> Option<Vec<Vec<u8>>> {
    let parts = path
        .split(|byte| *byte == b'/')
        .filter(|part| !matches!(*part, b"" | b"."));
    parts
        .map(|part| (part != b"..").then(|| part.to_vec()))
        .collect()
}
