//! How does a process become another program?

use std::ffi::{CStr, CString, c_char};
use std::ptr;

use rustix::io::Errno;

/// Arguments or environment as the kernel wants them, made before a fork so that the child need
/// not allocate.
#[derive(Debug)]
pub struct Strings {
    /// Keeps alive what `pointers` point to. Never changed, so the pointers stay good.
    strings: Vec<CString>,
    /// One for each string, and a null.
    pointers: Vec<*const c_char>,
}

impl Strings {
    /// Takes the strings in this order.
    #[must_use]
    pub fn new(strings: Vec<CString>) -> Strings {
        let pointers = strings
            .iter()
            .map(|text| text.as_ptr())
            .chain([ptr::null()])
            .collect();
        Strings { strings, pointers }
    }

    /// The strings.
    #[must_use]
    pub fn as_slice(&self) -> &[CString] {
        &self.strings
    }
}

/// Becomes the program `path`; returns only the reason why not. Child-safe.
#[must_use]
pub fn exec(path: &CStr, args: &Strings, env: &Strings) -> Errno {
    // SAFETY: `path` ends with a nul; both arrays end with a null pointer and every other pointer
    // in them is to a string that `Strings` owns and never changes.
    unsafe { libc::execve(path.as_ptr(), args.pointers.as_ptr(), env.pointers.as_ptr()) };
    crate::process::last_errno()
}
