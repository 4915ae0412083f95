//! The words of the story.

use super::sentences::one_line;

#[test]
fn a_strangers_text_is_one_line_without_control_characters() {
    assert_eq!(one_line("a\nb\x1b[31m c\r\n"), "a b [31m c");
    assert_eq!(one_line(&"x".repeat(1000)).chars().count(), 301);
}
