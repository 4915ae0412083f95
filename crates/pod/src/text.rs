//! How long may a text be that quotes something which others wrote? What a manifest, an image, a
//! container or a peer wrote may be of any length, and is quoted in messages that are kept, shown and sent on.

use std::borrow::Cow;

/// The most bytes of a message: more than any program of ours says, and less than hurts.
pub const MESSAGE_MAX_BYTES: usize = 16 << 10;
/// The most bytes of something that is quoted in a message: names and paths are shorter.
const QUOTED_MAX_BYTES: usize = 256;
/// What stands for what was cut off.
const CUT: &str = "...";

/// At most the first `max_bytes` bytes of a text, whole characters, and three dots for the rest.
#[must_use]
pub fn cut(text: &str, max_bytes: usize) -> Cow<'_, str> {
    if text.len() <= max_bytes {
        return Cow::Borrowed(text);
    }
    let room = max_bytes.saturating_sub(CUT.len());
    let end = (0..=room).rev().find(|at| text.is_char_boundary(*at));
    Cow::Owned([&text[..end.unwrap_or(0)], CUT].concat())
}

/// Cuts a message that is kept, so that it does not take more room than it should.
pub fn bound(text: &mut String, max_bytes: usize) {
    if let Cow::Owned(short) = cut(text, max_bytes) {
        *text = short;
    }
}

/// A name, a path or a word in a message: between quotation marks, and cut.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("{:?}", cut(text, QUOTED_MAX_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcdefg", 6), "abc...");
        assert_eq!(cut("ééé", 6), "ééé");
        assert_eq!(cut("éééé", 7), "éé...");
        assert_eq!(cut("éééé", 6), "é...");
        assert_eq!(cut("abcdefg", 0), "...");
        let mut long = "x".repeat(1 << 20);
        bound(&mut long, 10);
        assert_eq!(long, "xxxxxxx...");
        assert!(quoted(&"\n".repeat(1000)).len() < 600);
    }
}
