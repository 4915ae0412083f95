//! What entries does a tar stream hold?
//!
//! This reader only reads: it never touches a file. It accepts the formats that image builders write (ustar, PAX, GNU
//! long names) and refuses whatever two well-known readers would understand differently, because a file that one reader
//! sees and another does not is how content is smuggled past a scanner.

use std::io::{self, Read};

use crate::error::{Beyond, Refusal, UnpackError};
use crate::limits::Limits;

mod extension;
mod header;

use extension::Extension;
use header::Header;

const BLOCK_BYTES: u64 = 512;

/// One file, folder or link of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Seconds and nanoseconds.
    pub(crate) mtime: (i64, u32),
    pub(crate) size_bytes: u64,
    pub(crate) attributes: Vec<(String, Vec<u8>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    Symlink,
    HardLink,
    Fifo,
    Device,
}

/// Bytes that can be skipped faster than they are read, where the source allows.
pub(crate) trait Stream: Read {
    /// Passes over `bytes`; the end of the stream before that is an error or found by the next read.
    fn skip(&mut self, bytes: u64) -> io::Result<()>
    where
        Self: Sized,
    {
        let skipped = io::copy(&mut self.by_ref().take(bytes), &mut io::sink())?;
        if skipped == bytes {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}

/// A stream of entries. After each [`Entries::next`], [`Entries::content`] reads that entry's bytes.
pub(crate) struct Entries<'a, S> {
    stream: S,
    limits: &'a Limits,
    offset: u64,
    /// Of the entry at hand: bytes not read yet, and the padding after them.
    content_bytes: u64,
    padding_bytes: u64,
    entries: u64,
}

impl<'a, S: Stream> Entries<'a, S> {
    pub(crate) fn new(stream: S, limits: &'a Limits) -> Entries<'a, S> {
        Entries {
            stream,
            limits,
            offset: 0,
            content_bytes: 0,
            padding_bytes: 0,
            entries: 0,
        }
    }

    /// Where the content of the entry at hand begins.
    pub(crate) fn content_offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn into_stream(self) -> S {
        self.stream
    }

    pub(crate) fn content(&mut self) -> Content<'_, 'a, S> {
        Content { entries: self }
    }

    /// The next entry; `None` at the end of the archive.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, UnpackError> {
        let mut extension = Extension::default();
        loop {
            self.pass()?;
            let Some(header) = self.header()? else {
                return if extension.is_empty() {
                    Ok(None)
                } else {
                    Err(self.damaged("it ends after an extended header"))
                };
            };
            self.entries += 1;
            if self.entries > self.limits.entries {
                return Err(UnpackError::Beyond(Beyond::Entries(self.limits.entries)));
            }
            match header.type_flag {
                b'x' | b'L' | b'K' | b'g' => self.extend(&header, &mut extension)?,
                _ => {
                    let entry = extension.apply(header)?;
                    if entry.name.len() > self.limits.path_bytes
                        || entry.link.len() > self.limits.path_bytes
                    {
                        return Err(UnpackError::Beyond(Beyond::Path(self.limits.path_bytes)));
                    }
                    self.begin(entry.size_bytes);
                    return Ok(Some(entry));
                }
            }
        }
    }

    fn extend(&mut self, header: &Header, extension: &mut Extension) -> Result<(), UnpackError> {
        let size = header.size_bytes;
        if size > self.limits.extension_bytes {
            return Err(UnpackError::Beyond(Beyond::Extension(
                self.limits.extension_bytes,
            )));
        }
        self.begin(size);
        let mut data = Vec::new();
        self.content()
            .read_to_end(&mut data)
            .map_err(UnpackError::from_stream)?;
        if (data.len() as u64) < size {
            return Err(self.damaged("it breaks off in an extended header"));
        }
        extension.add(header, &data)
    }

    fn begin(&mut self, size_bytes: u64) {
        self.content_bytes = size_bytes;
        self.padding_bytes = (BLOCK_BYTES - size_bytes % BLOCK_BYTES) % BLOCK_BYTES;
    }

    /// Passes over what is left of the entry at hand.
    fn pass(&mut self) -> Result<(), UnpackError> {
        let left = self
            .content_bytes
            .checked_add(self.padding_bytes)
            .ok_or_else(|| self.damaged("a size is absurd"))?;
        if left > 0 {
            self.stream.skip(left).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => self.damaged("it breaks off inside an entry"),
                _ => UnpackError::from_stream(error),
            })?;
        }
        self.offset = self.offset.saturating_add(left);
        self.content_bytes = 0;
        self.padding_bytes = 0;
        Ok(())
    }

    /// The next header; `None` at the end. The end is two blocks of zeros; some writers forget one or both.
    fn header(&mut self) -> Result<Option<Header>, UnpackError> {
        let Some(block) = self.block()? else {
            return Ok(None);
        };
        if block.iter().any(|byte| *byte != 0) {
            return Header::read(&block)
                .map(Some)
                .map_err(|problem| match problem {
                    header::Problem::Damaged(problem) => self.damaged(problem),
                    header::Problem::Refused(error) => error,
                });
        }
        match self.block()? {
            Some(block) if block.iter().any(|byte| *byte != 0) => {
                Err(self.damaged("entries follow a block of zeros"))
            }
            _ => Ok(None),
        }
    }

    fn block(&mut self) -> Result<Option<[u8; 512]>, UnpackError> {
        let mut block = [0; BLOCK_BYTES as usize];
        let mut filled = 0;
        while filled < block.len() {
            match self.stream.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(self.damaged("it breaks off inside a header")),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(UnpackError::from_stream(error)),
            }
        }
        self.offset += BLOCK_BYTES;
        Ok(Some(block))
    }

    fn damaged(&self, problem: &'static str) -> UnpackError {
        UnpackError::Damaged {
            offset: self.offset,
            problem,
        }
    }
}

/// The bytes of the entry at hand.
pub(crate) struct Content<'e, 'a, S> {
    entries: &'e mut Entries<'a, S>,
}

impl<S: Stream> Read for Content<'_, '_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.entries.content_bytes)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let count = self.entries.stream.read(&mut buffer[..wanted])?;
        self.entries.content_bytes -= count as u64;
        self.entries.offset += count as u64;
        Ok(count)
    }
}

/// An error about one entry, with its name made fit to be shown.
pub(crate) fn refused(name: &[u8], refusal: Refusal) -> UnpackError {
    UnpackError::Refused {
        entry: shown(name),
        refusal,
    }
}

/// A name from an archive, short and readable. `{:?}` in the messages escapes what is left of control characters.
pub(crate) fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(&name[..name.len().min(200)]).into_owned()
}

#[cfg(test)]
mod tests;
