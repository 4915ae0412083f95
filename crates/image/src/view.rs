//! What does a stack of layers show at a path, as overlayfs would merge it?

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

/// The attribute by which overlayfs knows that a folder hides the ones below it.
pub(crate) const OPAQUE: &str = "trusted.overlay.opaque";

/// As many links as the kernel follows.
const MOST_LINKS: usize = 40;

/// A descriptor for a folder that is listed, entered or written below, never a link to one.
pub(crate) const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Layers as descriptors of their roots, uppermost first.
pub(crate) struct View {
    layers: Vec<OwnedFd>,
}

/// Something that is there.
pub(crate) struct Found {
    /// The folder of the layer that shows it.
    pub(crate) folder: OwnedFd,
    pub(crate) name: Vec<u8>,
    pub(crate) stat: Stat,
}

impl Found {
    pub(crate) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }
}

/// Where a path leads when its links are followed inside the root.
pub(crate) enum Resolved {
    /// Through folders and links only; `found` is `None` when nothing is there.
    At {
        path: Vec<Vec<u8>>,
        found: Option<Found>,
    },
    /// Through a file, or through too many links.
    Nowhere,
}

impl View {
    pub(crate) fn open(layers: &[PathBuf]) -> Result<View, (PathBuf, Errno)> {
        let open = |path: &PathBuf| {
            // The layer's own path is ours, or the user's in `dir:`; a link is allowed there.
            let flags = FOLDER.difference(OFlags::NOFOLLOW);
            rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| (path.clone(), errno))
        };
        Ok(View {
            layers: layers.iter().map(open).collect::<Result<_, _>>()?,
        })
    }

    /// The same with `top` above all.
    pub(crate) fn under(top: OwnedFd, layers: &[PathBuf]) -> Result<View, (PathBuf, Errno)> {
        let mut view = View::open(layers)?;
        view.layers.insert(0, top);
        Ok(view)
    }

    /// What stands at `path`, which has at least one component and is taken literally: links are not followed.
    pub(crate) fn look(&self, path: &[Vec<u8>]) -> Result<Option<Found>, Errno> {
        for root in &self.layers {
            match look_in(root, path)? {
                Sight::Shown(folder, stat) => {
                    let name = path.last().cloned().unwrap_or_default();
                    return Ok(Some(Found { folder, name, stat }));
                }
                Sight::Hidden => return Ok(None),
                Sight::Clear => {}
            }
        }
        Ok(None)
    }

    /// What the root looked like before the uppermost layer; `None` if that is the only one.
    pub(crate) fn root_below(&self) -> Result<Option<Stat>, Errno> {
        self.layers.get(1).map(rustix::fs::fstat).transpose()
    }

    /// Follows `path` inside the root; `..` never leads above it. The last component is followed if `follow_last`.
    /// Folders that do not exist are taken as empty, so that a caller may create them.
    pub(crate) fn resolve(&self, path: &[Vec<u8>], follow_last: bool) -> Result<Resolved, Errno> {
        let mut todo: VecDeque<Vec<u8>> = path.iter().cloned().collect();
        let mut done: Vec<Vec<u8>> = Vec::new();
        let mut found = None;
        let mut links = 0;
        while let Some(next) = todo.pop_front() {
            match next.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    done.pop();
                    found = None;
                    continue;
                }
                _ => done.push(next),
            }
            found = self.look(&done)?;
            let Some(seen) = &found else { continue };
            match seen.kind() {
                FileType::Directory => {}
                FileType::Symlink if follow_last || !todo.is_empty() => {
                    links += 1;
                    let target =
                        rustix::fs::readlinkat(&seen.folder, seen.name.as_slice(), Vec::new())?
                            .into_bytes();
                    if links > MOST_LINKS || target.is_empty() {
                        return Ok(Resolved::Nowhere);
                    }
                    done.pop();
                    if target.starts_with(b"/") {
                        done.clear();
                    }
                    for part in target.split(|byte| *byte == b'/').rev() {
                        todo.push_front(part.to_vec());
                    }
                    found = None;
                }
                _ if !todo.is_empty() => return Ok(Resolved::Nowhere),
                _ => {}
            }
        }
        // After a trailing `..` the place is a folder that was passed through.
        if found.is_none() && !done.is_empty() {
            found = self.look(&done)?;
        }
        Ok(Resolved::At { path: done, found })
    }
}

/// What one layer says about a path.
enum Sight {
    Shown(OwnedFd, Stat),
    /// A whiteout, an opaque folder or a file in the way: lower layers are not asked.
    Hidden,
    /// Nothing: ask the next layer.
    Clear,
}

fn look_in(root: &OwnedFd, path: &[Vec<u8>]) -> Result<Sight, Errno> {
    let mut folder = rustix::fs::openat(root, c".", FOLDER, Mode::empty())?;
    let mut opaque = false;
    for (at, name) in path.iter().enumerate() {
        // One opaque folder on the way hides everything below it in lower layers.
        opaque |= is_opaque(&folder)?;
        let stat = match rustix::fs::statat(&folder, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) if opaque => return Ok(Sight::Hidden),
            Err(Errno::NOENT) => return Ok(Sight::Clear),
            Err(Errno::NAMETOOLONG) => return Ok(Sight::Hidden),
            Err(errno) => return Err(errno),
        };
        if is_whiteout(&stat) {
            return Ok(Sight::Hidden);
        }
        if at + 1 == path.len() {
            return Ok(Sight::Shown(folder, stat));
        }
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return Ok(Sight::Hidden);
        }
        let below = rustix::fs::openat(&folder, name.as_slice(), FOLDER, Mode::empty())?;
        folder = below;
    }
    Ok(Sight::Clear)
}

/// Whether overlayfs would take this as "nothing here, and nothing below".
pub(crate) fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// Whether the folder hides the same folder of the layers below.
pub(crate) fn is_opaque(folder: impl AsFd) -> Result<bool, Errno> {
    let mut value = [0_u8; 8];
    match rustix::fs::fgetxattr(folder, OPAQUE, value.as_mut_slice()) {
        Ok(count) => Ok(value.get(..count) == Some(b"y".as_slice())),
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::RANGE) => Ok(false),
        Err(errno) => Err(errno),
    }
}
