//! What can become of a file?

use std::fmt;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::Mode;
use runtime_tests::{Failure, Verdict, loops};

/// How many bits are flipped in each file, one at a time, where a loop is run whole.
const FLIPS: u32 = 200;
/// A regular file of root's whose reading fails with EIO.
const UNREADABLE: &str = "/proc/self/mem";

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    Absent,
    Empty,
    /// Only so many quarters of it are left.
    Cut(u64),
    /// A bit of it is another.
    Flipped(usize),
    Folder,
    Link,
    Fifo,
    Owned,
    ReadError,
}

impl Fault {
    /// All that are done to this file: in the virtual machine, which is slow, those that are most unlike each other.
    pub(crate) fn all(file: &Path) -> Result<Vec<Fault>, Failure> {
        let bits = std::fs::read(file)?.len() * 8;
        let flips = loops::times(FLIPS) as usize;
        let mut all = vec![Fault::Absent, Fault::Empty, Fault::Cut(2), Fault::Fifo];
        if flips > 1 {
            all.extend([Fault::Cut(1), Fault::Cut(3)]);
            all.extend([Fault::Folder, Fault::Link, Fault::Owned, Fault::ReadError]);
        }
        // Evenly over the file, and not at the same bit of each byte.
        let flipped =
            (0..flips).map(|number| Fault::Flipped((2 * number + 1) * bits / (2 * flips)));
        all.extend(flipped.filter(|_| bits > 0));
        Ok(all)
    }

    /// Puts what has become of the file in its place; the file itself is kept aside.
    pub(crate) fn befall(&self, file: &Path, aside: &Path) -> Verdict {
        let bytes = std::fs::read(file)?;
        let mode = std::fs::metadata(file)?.permissions();
        std::fs::rename(file, aside)?;
        let put = |bytes: &[u8]| -> Verdict {
            std::fs::write(file, bytes)?;
            Ok(std::fs::set_permissions(file, mode.clone())?)
        };
        match self {
            Fault::Absent => Ok(()),
            Fault::Empty => put(b""),
            Fault::Cut(quarters) => put(&bytes[..bytes.len() * *quarters as usize / 4]),
            Fault::Flipped(bit) => {
                let mut flipped = bytes;
                flipped[bit / 8] ^= 1 << (bit % 8);
                put(&flipped)
            }
            Fault::Folder => {
                std::fs::create_dir(file)?;
                Ok(std::fs::write(file.join("precious"), "")?)
            }
            Fault::Link => Ok(symlink(aside, file)?),
            Fault::Fifo => Ok(nix::unistd::mkfifo(file, Mode::from_bits_truncate(0o600))?),
            Fault::Owned => {
                put(&bytes)?;
                Ok(chown(file, Some(65534), Some(65534))?)
            }
            Fault::ReadError => {
                put(&bytes)?;
                let (bind, none) = (MsFlags::MS_BIND, None::<&str>);
                Ok(mount(Some(UNREADABLE), file, none, bind, none)?)
            }
        }
    }

    /// Brings the file back.
    pub(crate) fn mend(&self, file: &Path, aside: &Path) -> Verdict {
        if *self == Fault::ReadError {
            umount2(file, MntFlags::empty())?;
        }
        match std::fs::symlink_metadata(file) {
            Ok(found) if found.is_dir() => std::fs::remove_dir_all(file)?,
            Ok(_) => std::fs::remove_file(file)?,
            Err(_) => {}
        }
        std::fs::rename(aside, file)?;
        let mode = std::fs::metadata(file)?.permissions().mode();
        Ok(std::fs::set_permissions(
            file,
            PermissionsExt::from_mode(mode & 0o7777),
        )?)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Absent => f.write_str("absent"),
            Fault::Empty => f.write_str("empty"),
            Fault::Cut(quarters) => write!(f, "cut after {quarters}/4"),
            Fault::Flipped(bit) => write!(f, "bit {bit} flipped"),
            Fault::Folder => f.write_str("a folder"),
            Fault::Link => f.write_str("a symbolic link"),
            Fault::Fifo => f.write_str("a FIFO"),
            Fault::Owned => f.write_str("owned by another user"),
            Fault::ReadError => f.write_str("read error"),
        }
    }
}

/// Where a file is kept aside.
pub(crate) fn aside(work: &Path) -> PathBuf {
    work.join("aside")
}
