//! Where in an archive file does each of its members lie?

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;

use crate::error::UnpackError;
use crate::limits::Limits;
use crate::tarball::{Entries, Kind, Stream};

/// A tar file whose members can be read in any order.
pub(crate) struct Archive {
    file: File,
    members: HashMap<String, Member>,
}

enum Member {
    Bytes {
        offset: u64,
        size_bytes: u64,
    },
    /// Old `docker save` writes layers that it has already written as links.
    Link(String),
}

const MOST_LINKS: usize = 8;

impl Archive {
    /// Reads all headers of `file`, which must be a plain tar file.
    pub(crate) fn index(file: File, limits: &Limits) -> Result<Archive, UnpackError> {
        let length = file.metadata().map_err(UnpackError::Stream)?.len();
        let scan = file.try_clone().map_err(UnpackError::Stream)?;
        let mut entries = Entries::new(
            BufReader::new(Scan {
                file: scan,
                at: 0,
                length,
            }),
            limits,
        );
        let mut members = HashMap::new();
        while let Some(entry) = entries.next()? {
            let Some(name) = plain(&entry.name, "") else {
                continue;
            };
            match entry.kind {
                Kind::File => {
                    let offset = entries.content_offset();
                    if offset
                        .checked_add(entry.size_bytes)
                        .is_none_or(|end| end > length)
                    {
                        return Err(UnpackError::Damaged {
                            offset,
                            problem: "it breaks off inside an entry",
                        });
                    }
                    members.insert(
                        name,
                        Member::Bytes {
                            offset,
                            size_bytes: entry.size_bytes,
                        },
                    );
                }
                Kind::Symlink => {
                    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
                    if let Some(target) = plain(&entry.link, folder) {
                        members.insert(name, Member::Link(target));
                    }
                }
                Kind::HardLink => {
                    if let Some(target) = plain(&entry.link, "") {
                        members.insert(name, Member::Link(target));
                    }
                }
                Kind::Folder | Kind::Fifo | Kind::Device => {}
            }
        }
        Ok(Archive { file, members })
    }

    /// The bytes of a member and how many they are.
    pub(crate) fn open(&self, name: &str) -> Option<(Section<'_>, u64)> {
        let mut name = plain(name.as_bytes(), "")?;
        for _ in 0..MOST_LINKS {
            match self.members.get(&name)? {
                Member::Link(target) => name.clone_from(target),
                Member::Bytes { offset, size_bytes } => {
                    let section = Section {
                        file: &self.file,
                        at: *offset,
                        end: offset + size_bytes,
                    };
                    return Some((section, *size_bytes));
                }
            }
        }
        None
    }
}

/// The normal form of a name inside the archive: nothing in it is ever a path of the machine.
fn plain(name: &[u8], folder: &str) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    let folder = if name.starts_with('/') { "" } else { folder };
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(name.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// A part of a file, read without moving the file's own position.
pub(crate) struct Section<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.end - self.at)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let count = self.file.read_at(&mut buffer[..wanted], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// The whole file from its beginning, with content skipped rather than read.
struct Scan {
    file: File,
    at: u64,
    length: u64,
}

impl Read for Scan {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Stream for BufReader<Scan> {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let buffered = self.buffer().len() as u64;
        if bytes <= buffered {
            self.consume(usize::try_from(bytes).unwrap_or(usize::MAX));
            return Ok(());
        }
        self.consume(usize::try_from(buffered).unwrap_or(usize::MAX));
        let scan = self.get_mut();
        let end = scan
            .at
            .checked_add(bytes - buffered)
            .filter(|end| *end <= scan.length);
        scan.at = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(())
    }
}
