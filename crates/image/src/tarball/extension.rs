//! What do the extended headers before an entry change about it?

use crate::error::{Refusal, UnpackError};
use crate::tarball::header::Header;
use crate::tarball::{Entry, Kind, refused};

/// PAX records and GNU long names, gathered until the entry that they belong to.
#[derive(Debug, Default)]
pub(super) struct Extension {
    seen: Seen,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    records: Records,
}

#[derive(Debug, Default)]
struct Seen {
    pax: bool,
    name: bool,
    link: bool,
}

#[derive(Debug, Default)]
struct Records {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size_bytes: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    mtime: Option<(i64, u32)>,
    attributes: Vec<(String, Vec<u8>)>,
}

impl Extension {
    pub(super) fn is_empty(&self) -> bool {
        !self.seen.pax && !self.seen.name && !self.seen.link
    }

    /// Takes the content of one extended header. Two of a kind before one entry are read differently by different
    /// readers, and so are global records that change names or sizes.
    pub(super) fn add(&mut self, header: &Header, data: &[u8]) -> Result<(), UnpackError> {
        let ambiguous = |why| refused(&header.name, Refusal::Extension(why));
        let second = || ambiguous("two of a kind before one entry");
        match header.type_flag {
            b'L' if !std::mem::replace(&mut self.seen.name, true) => {
                self.long_name = Some(until_nul(data).to_vec());
            }
            b'K' if !std::mem::replace(&mut self.seen.link, true) => {
                self.long_link = Some(until_nul(data).to_vec());
            }
            b'x' if !std::mem::replace(&mut self.seen.pax, true) => {
                self.records = Records::read(data).map_err(ambiguous)?;
            }
            b'g' => {
                // Checked like any other, then dropped: what builders write here are comments.
                let global = Records::read(data).map_err(ambiguous)?;
                let changes =
                    global.path.is_some() || global.link.is_some() || global.size_bytes.is_some();
                if changes || !global.attributes.is_empty() {
                    return Err(ambiguous(
                        "global records that change names, sizes or attributes",
                    ));
                }
            }
            _ => return Err(second()),
        }
        Ok(())
    }

    /// The entry that `header` and everything before it describe.
    pub(super) fn apply(self, header: Header) -> Result<Entry, UnpackError> {
        let slash = header.name.ends_with(b"/");
        let records = self.records;
        let name = records.path.or(self.long_name).unwrap_or(header.name);
        let link = records.link.or(self.long_link).unwrap_or(header.link);
        let refuse = |refusal| refused(&name, refusal);
        if name.contains(&0) || link.contains(&0) {
            return Err(refuse(Refusal::Nul));
        }
        let kind = match header.type_flag {
            // Before POSIX a folder was a file whose name ends with a slash.
            0 if slash || name.ends_with(b"/") => Kind::Folder,
            b'0' | b'7' if name.ends_with(b"/") => {
                return Err(refuse(Refusal::Extension(
                    "a file whose name ends with a slash",
                )));
            }
            0 | b'0' | b'7' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' | b'4' => Kind::Device,
            b'5' => Kind::Folder,
            b'6' => Kind::Fifo,
            other => return Err(refuse(Refusal::Type(char::from(other)))),
        };
        let size_bytes = records.size_bytes.unwrap_or(header.size_bytes);
        if kind != Kind::File && size_bytes != 0 {
            return Err(refuse(Refusal::Content));
        }
        // The kernel reads the largest number as "leave it", which would keep root as the owner.
        let id = |id: u64, what| {
            u32::try_from(id)
                .ok()
                .filter(|id| *id != u32::MAX)
                .ok_or(refuse(Refusal::Number(what)))
        };
        Ok(Entry {
            kind,
            mode: header.mode,
            uid: id(records.uid.unwrap_or(header.uid), "owner")?,
            gid: id(records.gid.unwrap_or(header.gid), "group")?,
            mtime: records.mtime.unwrap_or((header.mtime_s, 0)),
            size_bytes,
            attributes: records.attributes,
            name,
            link,
        })
    }
}

fn until_nul(data: &[u8]) -> &[u8] {
    data.split(|byte| *byte == 0).next().unwrap_or_default()
}

impl Records {
    /// Reads `LENGTH KEY=VALUE\n` records; the length counts itself.
    fn read(mut data: &[u8]) -> Result<Records, &'static str> {
        const MALFORMED: &str = "a malformed record";
        let mut records = Records::default();
        while !data.is_empty() {
            let space = data
                .iter()
                .take(20)
                .position(|byte| *byte == b' ')
                .ok_or(MALFORMED)?;
            let length: usize = decimal(&data[..space])
                .and_then(|n| usize::try_from(n).ok())
                .ok_or(MALFORMED)?;
            if length <= space + 1 || length > data.len() || data[length - 1] != b'\n' {
                return Err(MALFORMED);
            }
            let record = &data[space + 1..length - 1];
            let equals = record
                .iter()
                .position(|byte| *byte == b'=')
                .ok_or(MALFORMED)?;
            records.set(&record[..equals], &record[equals + 1..])?;
            data = &data[length..];
        }
        Ok(records)
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
        const TWICE: &str = "a record twice";
        if let Some(attribute) = key.strip_prefix(b"SCHILY.xattr.") {
            let name =
                std::str::from_utf8(attribute).map_err(|_| "an attribute name that is no text")?;
            self.attributes.push((name.to_owned(), value.to_vec()));
            return Ok(());
        }
        if key.starts_with(b"GNU.sparse.") {
            return Err("a sparse file; save the image without sparse files");
        }
        // An empty value takes a record of a global header back; there are none that count.
        if value.is_empty() {
            return Ok(());
        }
        let twice = match key {
            b"path" => self.path.replace(value.to_vec()).is_some(),
            b"linkpath" => self.link.replace(value.to_vec()).is_some(),
            b"size" => self
                .size_bytes
                .replace(decimal(value).ok_or("a size that is no number")?)
                .is_some(),
            b"uid" => self
                .uid
                .replace(decimal(value).ok_or("an owner that is no number")?)
                .is_some(),
            b"gid" => self
                .gid
                .replace(decimal(value).ok_or("a group that is no number")?)
                .is_some(),
            b"mtime" => self
                .mtime
                .replace(time(value).ok_or("a time that is no number")?)
                .is_some(),
            // Access times, user names, comments and builders' own records.
            _ => false,
        };
        if twice { Err(TWICE) } else { Ok(()) }
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(digits).ok()?;
    digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

/// `-1.5` is half a second after -2: nanoseconds always count forward.
fn time(text: &[u8]) -> Option<(i64, u32)> {
    let text = std::str::from_utf8(text).ok()?;
    let (negative, text) = text
        .strip_prefix('-')
        .map_or((false, text), |rest| (true, rest));
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds = i64::try_from(decimal(seconds.as_bytes())?).ok()?;
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nanos: u32 = format!("{:0<9}", fraction.get(..9).unwrap_or(fraction))
        .parse()
        .ok()?;
    match (negative, nanos) {
        (false, nanos) => Some((seconds, nanos)),
        (true, 0) => Some((-seconds, 0)),
        (true, nanos) => Some((-seconds - 1, 1_000_000_000 - nanos)),
    }
}
