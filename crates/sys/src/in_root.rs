//! How is a path inside a tree that someone else controls opened, and made where it is missing,
//! without ever leaving that tree?
//!
//! The kernel resolves (`openat2` with `RESOLVE_IN_ROOT`); `..` and absolute links end at the
//! tree's root, and the magic links of procfs are refused. Making what is missing walks one
//! component after the other, each opened below the root again. All of it is child-safe.

mod text;

use std::ffi::CStr;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{
    FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, mknodat, openat2, readlinkat_raw,
};
use rustix::io::Errno;

use text::{PATH_BYTES, Text};

/// What is made at the end of a path that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    /// A directory.
    Directory,
    /// An empty file.
    File,
}

/// How many symbolic links are followed before it is called a loop, as in the kernel.
const LINKS: u32 = 40;

/// Opens a path below `root` as `O_PATH`, following links inside the tree.
///
/// # Errors
/// Those of `openat2`; `ELOOP` for a magic link.
pub fn open(root: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd, Errno> {
    resolve(root, path, OFlags::PATH, ResolveFlags::empty())
}

/// As [`open`], but no component may be a symbolic link.
///
/// # Errors
/// As [`open`]; `ELOOP` for any link.
pub fn open_without_links(root: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd, Errno> {
    // Not with NOFOLLOW, which would open a link at the end itself.
    resolve(root, path, OFlags::PATH, ResolveFlags::NO_SYMLINKS)
}

fn resolve(
    root: BorrowedFd<'_>,
    path: &CStr,
    flags: OFlags,
    more: ResolveFlags,
) -> Result<OwnedFd, Errno> {
    let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | more;
    loop {
        match openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), how) {
            // Somewhere a directory was renamed meanwhile; the kernel asks for another try.
            Err(Errno::AGAIN) => {}
            result => return result,
        }
    }
}

/// As [`open`], and makes what is missing of the path, mode 0755 for directories and 0644 for a
/// file.
///
/// # Errors
/// As [`open`], and those of making.
pub fn open_or_make(root: BorrowedFd<'_>, path: &CStr, make: Make) -> Result<OwnedFd, Errno> {
    match open(root, path) {
        Err(Errno::NOENT) => {}
        result => return result,
    }
    let mut walk = Walk {
        root,
        done: Text::new(),
        todo: Text::new(),
        links: 0,
    };
    walk.todo.append(path.to_bytes())?;
    while !walk.todo.is_empty() {
        walk.step(make)?;
    }
    open(
        root,
        if walk.done.is_empty() {
            c"."
        } else {
            walk.done.as_c_str()?
        },
    )
}

/// The way from the root: `done` has no links in it, `todo` is still to be looked at.
struct Walk<'a> {
    root: BorrowedFd<'a>,
    done: Text,
    todo: Text,
    links: u32,
}

impl Walk<'_> {
    /// Takes the next component of `todo`.
    fn step(&mut self, make: Make) -> Result<(), Errno> {
        let start = self
            .todo
            .as_bytes()
            .iter()
            .take_while(|byte| **byte == b'/')
            .count();
        let rest = &self.todo.bytes[start..self.todo.length];
        let name_length = rest.iter().take_while(|byte| **byte != b'/').count();
        let after = start + name_length;
        let last = self.todo.bytes[after..self.todo.length]
            .iter()
            .all(|byte| *byte == b'/');
        let parent_length = self.done.length;
        match &self.todo.bytes[start..after] {
            b"" | b"." => {}
            b".." => {
                let parent = self
                    .done
                    .as_bytes()
                    .iter()
                    .rposition(|byte| *byte == b'/')
                    .unwrap_or(0);
                self.done.cut(parent);
            }
            name => {
                if !self.done.is_empty() {
                    self.done.append(b"/")?;
                }
                self.done.append(name)?;
                let found = resolve(
                    self.root,
                    self.done.as_c_str()?,
                    OFlags::PATH | OFlags::NOFOLLOW,
                    ResolveFlags::empty(),
                );
                match found {
                    Ok(found)
                        if FileType::from_raw_mode(fstat(&found)?.st_mode) == FileType::Symlink =>
                    {
                        return self.follow(&found, after, parent_length);
                    }
                    Ok(_) => {}
                    Err(Errno::NOENT) => {
                        self.make(parent_length, if last { make } else { Make::Directory })?
                    }
                    Err(errno) => return Err(errno),
                }
            }
        }
        self.drop_todo(after);
        Ok(())
    }

    /// Puts a link's target in the place of its name.
    fn follow(&mut self, link: &OwnedFd, after: usize, parent_length: usize) -> Result<(), Errno> {
        self.links += 1;
        if self.links > LINKS {
            return Err(Errno::LOOP);
        }
        let mut bytes = [0_u8; PATH_BYTES];
        let length = readlinkat_raw(link, c"", &mut bytes)?;
        let target = bytes.get(..length).ok_or(Errno::NAMETOOLONG)?;
        self.done.cut(if target.starts_with(b"/") {
            0
        } else {
            parent_length
        });
        let mut todo = Text::new();
        todo.append(target)?;
        todo.append(b"/")?;
        todo.append(&self.todo.bytes[after..self.todo.length])?;
        self.todo = todo;
        Ok(())
    }

    /// Makes the last component of `done`, whose parent ends at `parent_length`.
    fn make(&self, parent_length: usize, make: Make) -> Result<(), Errno> {
        let mut parent = Text::new();
        parent.append(b"./")?;
        parent.append(&self.done.bytes[..parent_length])?;
        let parent = resolve(
            self.root,
            parent.as_c_str()?,
            OFlags::PATH | OFlags::DIRECTORY,
            ResolveFlags::empty(),
        )?;
        let start = if parent_length == 0 {
            0
        } else {
            parent_length + 1
        };
        let name = CStr::from_bytes_with_nul(&self.done.bytes[start..=self.done.length])
            .map_err(|_| Errno::INVAL)?;
        let made = match make {
            Make::Directory => mkdirat(&parent, name, Mode::from_raw_mode(0o755)),
            Make::File => mknodat(
                &parent,
                name,
                FileType::RegularFile,
                Mode::from_raw_mode(0o644),
                0,
            ),
        };
        match made {
            // Another container that shares the tree was faster; what it made is looked at like
            // anything else.
            Err(Errno::EXIST) => Ok(()),
            result => result,
        }
    }

    fn drop_todo(&mut self, count: usize) {
        self.todo.bytes.copy_within(count..self.todo.length, 0);
        let left = self.todo.length - count;
        self.todo.cut(left);
    }
}

#[cfg(test)]
mod tests;
