//! How does a process become another program?

use std::ffi::{CStr, CString, c_char};
use std::os::fd::{AsFd, AsRawFd};
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

/// Becomes the program behind a descriptor; returns only the reason why not. Child-safe.
#[must_use]
pub fn exec_open(program: impl AsFd, args: &Strings, env: &Strings) -> Errno {
    let raw = program.as_fd().as_raw_fd();
    // SAFETY: `raw` is an open descriptor while `program` is borrowed; the path is empty and ends
    // with a nul; both arrays are as in `exec`.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            raw,
            c"".as_ptr(),
            args.pointers.as_ptr(),
            env.pointers.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    crate::process::last_errno()
}

/// Begins this program again, from a mount of its file through which it cannot be written, unless
/// that is so already. Whoever gets hold of `/proc/PID/exe` from inside a container then cannot
/// replace the host's program. To be called first; returns only if there is nothing to do.
///
/// # Errors
/// Those of `open_tree`, `mount_setattr`, and `execveat`.
pub fn again_unwritable() -> Result<(), Errno> {
    use rustix::fs::{CWD, StatVfsMountFlags, statvfs};
    use rustix::mount::{OpenTreeFlags, open_tree};
    const OWN: &CStr = c"/proc/self/exe";
    if statvfs(OWN)?.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Ok(());
    }
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mount = open_tree(CWD, OWN, flags)?;
    let change = crate::mount::Change {
        set: crate::mount::attr::RDONLY,
        ..crate::mount::Change::default()
    };
    crate::mount::set_attributes(&mount, c"", change, false)?;
    let owned = |text: std::ffi::OsString| {
        use std::os::unix::ffi::OsStringExt;
        CString::new(text.into_vec()).map_err(|_| Errno::INVAL)
    };
    let args: Result<Vec<CString>, Errno> = std::env::args_os().map(owned).collect();
    let pair = |(mut name, value): (std::ffi::OsString, std::ffi::OsString)| {
        name.push("=");
        name.push(value);
        owned(name)
    };
    let env: Result<Vec<CString>, Errno> = std::env::vars_os().map(pair).collect();
    Err(exec_open(&mount, &Strings::new(args?), &Strings::new(env?)))
}
