//! What does one 512-byte tar header say?

use crate::error::{Refusal, UnpackError};
use crate::tarball::refused;

/// The fields that we use. The name is already joined with its prefix.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) type_flag: u8,
    pub(super) name: Vec<u8>,
    pub(super) link: Vec<u8>,
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    pub(super) mtime_s: i64,
    pub(super) size_bytes: u64,
}

pub(super) enum Problem {
    Damaged(&'static str),
    Refused(UnpackError),
}

impl Header {
    pub(super) fn read(block: &[u8; 512]) -> Result<Header, Problem> {
        let stored =
            number(&block[148..156]).ok_or(Problem::Damaged("a header has no checksum"))?;
        let summed = block.iter().enumerate().map(|(at, byte)| {
            // The checksum counts its own field as spaces.
            if (148..156).contains(&at) {
                u64::from(b' ')
            } else {
                u64::from(*byte)
            }
        });
        if stored != summed.sum::<u64>() {
            return Err(Problem::Damaged("a header does not fit its checksum"));
        }
        let mut name = text(&block[0..100]).to_vec();
        // Only POSIX headers have a prefix; GNU ones keep other things in its place.
        if &block[257..263] == b"ustar\0" && block[345] != 0 {
            let mut joined = text(&block[345..500]).to_vec();
            joined.push(b'/');
            joined.append(&mut name);
            name = joined;
        }
        let field = |range: std::ops::Range<usize>, what| {
            number(&block[range])
                .ok_or_else(|| Problem::Refused(refused(&name, Refusal::Number(what))))
        };
        let mode = field(100..108, "mode")? & 0o7777;
        Ok(Header {
            type_flag: block[156],
            mode: u32::try_from(mode).unwrap_or(0),
            uid: field(108..116, "owner")?,
            gid: field(116..124, "group")?,
            size_bytes: field(124..136, "size")?,
            mtime_s: signed(&block[136..148]).ok_or_else(|| {
                Problem::Refused(refused(&name, Refusal::Number("modification time")))
            })?,
            link: text(&block[157..257]).to_vec(),
            name,
        })
    }
}

fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Octal digits between spaces, or GNU's base-256 for numbers that do not fit. An empty field is zero.
fn number(field: &[u8]) -> Option<u64> {
    if field.first()? & 0x80 != 0 {
        return signed(field).and_then(|value| u64::try_from(value).ok());
    }
    let digits = text(field).trim_ascii();
    if digits.is_empty() {
        return Some(0);
    }
    let digits = std::str::from_utf8(digits).ok()?;
    digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| u64::from_str_radix(digits, 8).ok())?
}

/// As [`number`], but base-256 may be negative: two's complement, with the first bit only a mark.
fn signed(field: &[u8]) -> Option<i64> {
    let first = *field.first()?;
    if first & 0x80 == 0 {
        return number(field).and_then(|value| i64::try_from(value).ok());
    }
    let negative = first & 0x40 != 0;
    let head = if negative { first } else { first & 0x7f };
    let mut value: i128 = if negative {
        i128::from(head) - 256
    } else {
        i128::from(head)
    };
    for byte in &field[1..] {
        value = value.checked_mul(256)?.checked_add(i128::from(*byte))?;
    }
    i64::try_from(value).ok()
}
