//! A line of JSON with its own checksum: is what was read what was written? Records and exit ledgers are files
//! of such lines.
//!
//! The checksum (CRC-32, IEEE 802.3, as eight hexadecimal digits) is the object's last member, `"sum"`, and
//! covers all bytes before it. Lines of versions before it have none and are read as they are.

use std::borrow::Cow;

/// What stands between the object and the digits.
const BEFORE: &[u8] = br#","sum":""#;
/// What follows the digits.
const AFTER: &[u8] = br#""}"#;
/// How many digits there are.
const DIGITS: usize = 8;

/// A line that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened<'a> {
    /// It is as it was written; the object without its checksum.
    Intact(Cow<'a, [u8]>),
    /// It has no checksum, so nobody can tell.
    Unchecked(&'a [u8]),
    /// It is not what was written.
    Damaged,
}

/// Adds the checksum to a JSON object that has at least one member, and the newline that ends the line.
pub fn seal(object: &mut Vec<u8>) {
    object.pop();
    let sum = crc32fast::hash(object);
    object.extend_from_slice(BEFORE);
    object.extend_from_slice(format!("{sum:08x}").as_bytes());
    object.extend_from_slice(AFTER);
    object.push(b'\n');
}

/// Checks a line, which comes without its newline.
#[must_use]
pub fn open(line: &[u8]) -> Opened<'_> {
    let Some((object, digits)) = split(line) else {
        return Opened::Unchecked(line);
    };
    let sum = std::str::from_utf8(digits).map(|digits| u32::from_str_radix(digits, 16));
    if sum != Ok(Ok(crc32fast::hash(object))) {
        return Opened::Damaged;
    }
    let mut whole = object.to_vec();
    whole.push(b'}');
    Opened::Intact(Cow::Owned(whole))
}

/// The bytes that a checksum covers, and its digits.
fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = line.strip_suffix(AFTER)?;
    let (rest, digits) = rest.split_at_checked(rest.len().checked_sub(DIGITS)?)?;
    Some((rest.strip_suffix(BEFORE)?, digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"fact":{"at":7,"text":"a \"sum\":\"b"}}"#;

    fn sealed() -> Vec<u8> {
        let mut line = LINE.as_bytes().to_vec();
        seal(&mut line);
        assert_eq!(line.pop(), Some(b'\n'));
        line
    }

    #[test]
    fn what_was_sealed_opens_to_what_it_was_and_stays_json() {
        let line = sealed();
        assert_eq!(open(&line), Opened::Intact(LINE.as_bytes().into()));
        let json: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(json["fact"]["at"], 7);
    }

    #[test]
    fn a_line_without_a_checksum_is_read_as_it_is() {
        assert_eq!(open(LINE.as_bytes()), Opened::Unchecked(LINE.as_bytes()));
        assert_eq!(open(b""), Opened::Unchecked(b""));
    }

    #[test]
    fn no_flipped_bit_of_what_was_written_goes_unseen() {
        let line = sealed();
        for bit in 0..line.len() * 8 {
            let mut flipped = line.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // A flip in the checksum's own frame leaves what it covers as it was.
            if let Opened::Intact(object) = open(&flipped) {
                assert_eq!(object, LINE.as_bytes(), "bit {bit}");
            }
            let covered = bit / 8 < LINE.len() - 1;
            assert!(!covered || open(&flipped) == Opened::Damaged, "bit {bit}");
        }
    }
}
