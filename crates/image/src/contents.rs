//! How are the documents and blobs of a layout or an archive read, wherever they lie?

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};

use crate::archive::Archive;
use crate::decode::{Decoded, agree};
use crate::digest::Digest;
use crate::error::{ImageError, UnpackError};
use crate::limits::Limits;
use crate::manifest::Descriptor;
use crate::tarball::Stream;

/// An OCI layout or an archive, with a name for messages.
pub(crate) struct Contents {
    pub(crate) from: String,
    place: Place,
}

enum Place {
    Folder(OwnedFd),
    Archive(Archive),
}

/// Bytes on their way, and how many they will be.
pub(crate) struct Blob<'a> {
    pub(crate) stream: Box<dyn Read + 'a>,
    pub(crate) size_bytes: u64,
}

impl Contents {
    pub(crate) fn folder(path: &Path) -> Result<Contents, ImageError> {
        let from = format!("oci:{}", path.display());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder =
            rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| ImageError::Read {
                what: "the folder".to_owned(),
                from: from.clone(),
                source: errno.into(),
            })?;
        Ok(Contents {
            from,
            place: Place::Folder(folder),
        })
    }

    /// `file` must be a plain tar file; [`plain_archive`] makes one of a compressed file.
    pub(crate) fn archive(
        file: File,
        from: String,
        limits: &Limits,
    ) -> Result<Contents, ImageError> {
        match Archive::index(file, limits) {
            Ok(archive) => Ok(Contents {
                from,
                place: Place::Archive(archive),
            }),
            Err(source) => Err(ImageError::Archive { from, source }),
        }
    }

    /// The bytes at `path` inside; `None` if nothing is there.
    pub(crate) fn open(&self, path: &str) -> Result<Option<Blob<'_>>, ImageError> {
        match &self.place {
            Place::Archive(archive) => Ok(archive.open(path).map(|(section, size_bytes)| Blob {
                stream: Box::new(section),
                size_bytes,
            })),
            Place::Folder(folder) => {
                let failed = |source: std::io::Error| ImageError::Read {
                    what: path.chars().take(200).collect(),
                    from: self.from.clone(),
                    source,
                };
                // A pipe must not block us, and a link must not lead out of the layout.
                let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
                let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
                let file = match rustix::fs::openat2(folder, path, flags, Mode::empty(), resolve) {
                    Ok(file) => file,
                    Err(rustix::io::Errno::NOENT) => return Ok(None),
                    Err(errno) => return Err(failed(errno.into())),
                };
                let stat = rustix::fs::fstat(&file).map_err(|errno| failed(errno.into()))?;
                if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                    return Err(failed(std::io::Error::other("not a regular file")));
                }
                let size_bytes = u64::try_from(stat.st_size).unwrap_or(0);
                Ok(Some(Blob {
                    stream: Box::new(File::from(file)),
                    size_bytes,
                }))
            }
        }
    }

    /// All bytes at `path`, which may be at most `limit_bytes`. `None` if nothing is there.
    pub(crate) fn read(&self, path: &str, limit_bytes: u64) -> Result<Option<Vec<u8>>, ImageError> {
        let Some(blob) = self.open(path)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        blob.stream
            .take(limit_bytes + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| ImageError::Read {
                what: path.chars().take(200).collect(),
                from: self.from.clone(),
                source,
            })?;
        if bytes.len() as u64 > limit_bytes {
            return Err(self.malformed(format!("{path:?} is longer than {limit_bytes} bytes")));
        }
        Ok(Some(bytes))
    }

    /// The bytes that a descriptor points to, checked against its digest and size.
    pub(crate) fn document(
        &self,
        descriptor: &Descriptor,
        limit_bytes: u64,
    ) -> Result<Vec<u8>, ImageError> {
        let digest = self.digest(&descriptor.digest)?;
        let path = blob_path(&digest);
        let bytes = self
            .read(&path, limit_bytes)?
            .ok_or_else(|| self.missing(&path))?;
        let checked = if bytes.len() as u64 == descriptor.size {
            agree("document", Some(&digest), Digest::of(&bytes))
        } else {
            Err(UnpackError::WrongSize {
                promised_bytes: descriptor.size,
            })
        };
        checked.map_err(|source| ImageError::Archive {
            from: self.from.clone(),
            source,
        })?;
        Ok(bytes)
    }

    pub(crate) fn digest(&self, text: &str) -> Result<Digest, ImageError> {
        Digest::parse(text).map_err(|error| self.malformed(error.to_string()))
    }

    pub(crate) fn malformed(&self, problem: impl Into<String>) -> ImageError {
        ImageError::Malformed {
            from: self.from.clone(),
            problem: problem.into(),
        }
    }

    pub(crate) fn missing(&self, path: &str) -> ImageError {
        self.malformed(format!(
            "{path:?} is not in it; save the image again, with all its layers"
        ))
    }
}

/// Where an OCI layout keeps a blob.
pub(crate) fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// A file opened by the user's own word: a link is followed, a pipe is not waited for.
pub(crate) fn open_named(path: &Path, from: &str) -> Result<File, ImageError> {
    let failed = |source| ImageError::Read {
        what: "the file".to_owned(),
        from: from.to_owned(),
        source,
    };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(
        rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?,
    );
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(failed(std::io::Error::other("not a regular file")));
    }
    Ok(file)
}

/// `file` itself if it is a plain tar file, else its decoded form in the folder `spool`.
pub(crate) fn plain_archive(
    mut file: File,
    from: &str,
    spool: &Path,
    limits: &Limits,
) -> Result<File, ImageError> {
    let failed = |source| ImageError::Read {
        what: "the file".to_owned(),
        from: from.to_owned(),
        source,
    };
    let mut magic = [0; 4];
    let count = file.read(&mut magic).map_err(failed)?;
    file.rewind().map_err(failed)?;
    let compressed =
        magic[..count].starts_with(&[0x1f, 0x8b]) || magic[..count] == [0x28, 0xb5, 0x2f, 0xfd];
    if compressed {
        spooled(file, from, spool, limits)
    } else {
        Ok(file)
    }
}

/// Writes a stream, decoded, to a file without a name in the folder `spool`.
pub(crate) fn spooled(
    stream: impl Read,
    from: &str,
    spool: &Path,
    limits: &Limits,
) -> Result<File, ImageError> {
    let store = |operation, path: PathBuf, source| ImageError::Store {
        operation,
        path,
        source,
    };
    let free = free_bytes(spool)
        .map_err(|source| store("measure the free space of", spool.to_owned(), source))?;
    let limit = limits
        .archive_bytes
        .min(free.saturating_sub(limits.reserve_bytes));
    let archive = |source| ImageError::Archive {
        from: from.to_owned(),
        source,
    };
    let mut decoded = Decoded::new(stream, limit).map_err(archive)?;
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let mut file = rustix::fs::open(spool, flags, Mode::from_raw_mode(0o600))
        .map(File::from)
        .map_err(|errno| store("create a spool file in", spool.to_owned(), errno.into()))?;
    std::io::copy(&mut decoded, &mut file)
        .map_err(|error| archive(UnpackError::from_stream(error)))?;
    Ok(file)
}

/// What is left for us on the file system of `path`.
pub(crate) fn free_bytes(path: &Path) -> std::io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

impl<R: Read> Stream for Decoded<R> {}
