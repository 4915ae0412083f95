//! Which texts may be paths below a directory?

use super::finding::{Field, Findings};

/// A relative path without `..` in it.
pub(super) fn descending(text: &str, at: &Field, out: &mut Findings) {
    if text.starts_with('/') {
        out.invalid(at, text, "must be a relative path");
    }
    no_backsteps(text, at, out);
}

/// A relative path that also does not start with `..`, such as `..data`, which belongs to the
/// atomic writer of volumes.
pub(super) fn not_reserved(text: &str, at: &Field, out: &mut Findings) {
    descending(text, at, out);
    if text.starts_with("..") && !text.starts_with("../") && text != ".." {
        out.invalid(at, text, "must not start with '..'");
    }
}

/// A path, absolute or not, without a `..` in it.
pub(super) fn no_backsteps(text: &str, at: &Field, out: &mut Findings) {
    if text.split('/').any(|part| part == "..") {
        out.invalid(at, text, "must not contain '..'");
    }
    no_nul(text, at, out);
}

/// No system call can take a path with a NUL in it.
pub(super) fn no_nul(text: &str, at: &Field, out: &mut Findings) {
    if text.contains('\0') {
        out.invalid(at, text, "must not contain a NUL character");
    }
}

/// The permission bits of a file.
pub(super) fn mode(mode: Option<i32>, at: &Field, out: &mut Findings) {
    if let Some(mode) = mode.filter(|mode| !(0..=0o777).contains(mode)) {
        out.invalid(
            at,
            mode,
            "must be a number between 0 and 0777 (octal), both inclusive",
        );
    }
}
