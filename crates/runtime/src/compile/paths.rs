//! How does a path of the specification, absolute in the container, become one relative to the
//! root's descriptor?

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{SpecError, c_string};

/// The path without its leading slashes; `.` for the root itself.
pub(super) fn below_root(field: &str, path: &Path) -> Result<CString, SpecError> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.first() != Some(&b'/') {
        return Err(SpecError::invalid(
            field,
            format!("{} is not an absolute path", path.display()),
        ));
    }
    let start = bytes.iter().take_while(|byte| **byte == b'/').count();
    let rest = &bytes[start..];
    let rest = if rest.is_empty() {
        b".".as_slice()
    } else {
        rest
    };
    c_string(field, std::ffi::OsStr::from_bytes(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_paths_are_taken() {
        assert_eq!(
            below_root("f", Path::new("//a/b")).unwrap().as_c_str(),
            c"a/b"
        );
        assert_eq!(below_root("f", Path::new("/")).unwrap().as_c_str(), c".");
        assert!(below_root("f", Path::new("a")).is_err());
        assert!(below_root("f", Path::new("")).is_err());
    }
}
