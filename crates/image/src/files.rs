//! What does a file of an image say, read without ever leaving the image?

use std::io::Read;
use std::path::PathBuf;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::store::Image;
use crate::view::{Resolved, View};

/// No `passwd` is longer; whatever is, was made to fill memory.
pub const LONGEST_BYTES: u64 = 10 << 20;

/// A file of an image that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A layer cannot be opened.
    #[error("open layer {}", path.display())]
    Layer {
        /// The layer's folder.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
    /// The kernel refused.
    #[error("read {path} in the image")]
    Read {
        /// The path in the image.
        path: String,
        /// What it said.
        #[source]
        source: std::io::Error,
    },
    /// It is a folder, pipe, device or socket.
    #[error("{path} in the image is no regular file: repair the image")]
    NotRegular {
        /// The path in the image.
        path: String,
    },
    /// It is longer than [`LONGEST_BYTES`].
    #[error("{path} in the image is longer than {LONGEST_BYTES} bytes: repair the image")]
    TooLong {
        /// The path in the image.
        path: String,
    },
}

/// The content of `path` as the image's layers show it together; `None` if nothing is there. Links are followed inside
/// the image, across layers, whiteouts hide what they should, and nothing but a regular file is read.
pub fn read_in_image(image: &Image, path: &str) -> Result<Option<Vec<u8>>, ReadError> {
    let view = View::open(&image.layers).map_err(|(path, errno)| ReadError::Layer {
        path,
        source: errno.into(),
    })?;
    let failed = |errno: Errno| ReadError::Read {
        path: path.to_owned(),
        source: errno.into(),
    };
    let parts: Vec<Vec<u8>> = path
        .split('/')
        .map(|part| part.as_bytes().to_vec())
        .collect();
    let found = match view.resolve(&parts, true).map_err(failed)? {
        Resolved::At {
            found: Some(found), ..
        } => found,
        Resolved::At { path, .. } if path.is_empty() => {
            return Err(ReadError::NotRegular {
                path: "/".to_owned(),
            });
        }
        Resolved::At { .. } | Resolved::Nowhere => return Ok(None),
    };
    // Asked before it is opened, because opening some devices does things; and again after, because only that is certain.
    if found.kind() != FileType::RegularFile {
        return Err(ReadError::NotRegular {
            path: path.to_owned(),
        });
    }
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&found.folder, found.name.as_slice(), flags, Mode::empty())
        .map_err(failed)?;
    let stat = rustix::fs::fstat(&file).map_err(failed)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(ReadError::NotRegular {
            path: path.to_owned(),
        });
    }
    let mut bytes = Vec::new();
    std::fs::File::from(file)
        .take(LONGEST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| ReadError::Read {
            path: path.to_owned(),
            source,
        })?;
    if bytes.len() as u64 > LONGEST_BYTES {
        return Err(ReadError::TooLong {
            path: path.to_owned(),
        });
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests;
