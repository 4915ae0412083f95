//! What kind of control groups has this machine, and through which descriptors are they reached?

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode as FileMode, OFlags, open};

use super::controller::{Controller, Controllers};
use super::error::LayoutError;
use super::{file, mountinfo};

/// Which generation of control groups the machine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A tree for each controller, and no v2 tree.
    V1,
    /// One tree for everything.
    V2,
    /// Controllers on v1, and a v2 tree beside them.
    Hybrid,
}

/// One tree of groups that we use.
#[derive(Debug)]
pub(super) struct Tree {
    /// Its mount point, for messages and for libcgroups.
    pub(super) mount: PathBuf,
    /// Its root.
    pub(super) root: OwnedFd,
    /// The controllers that it offers.
    pub(super) controllers: Controllers,
    /// Whether it is the v2 tree.
    pub(super) unified: bool,
}

impl Tree {
    fn open(mount: &str, unified: bool, controllers: Controllers) -> Result<Tree, LayoutError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let failed = |source| LayoutError::Open {
            mount: mount.to_owned(),
            source,
        };
        let root = open(mount, flags, FileMode::empty()).map_err(|errno| failed(errno.into()))?;
        let controllers = if unified {
            let text = file::read(&root, "cgroup.controllers").map_err(failed)?;
            Controllers::parse(&text, ' ')
        } else {
            controllers
        };
        Ok(Tree {
            mount: PathBuf::from(mount),
            root,
            controllers,
            unified,
        })
    }

    /// Whether groups of this tree can be frozen.
    pub(super) fn freezes(&self) -> bool {
        self.unified || self.controllers.has(Controller::Freezer)
    }
}

/// Whether our groups are made in a v1 tree of these controllers. Beside a v2 tree nobody needs
/// another freezer.
fn in_use(controllers: Controllers, beside_v2: bool) -> bool {
    controllers
        .iter()
        .any(|one| one != Controller::Freezer || !beside_v2)
}

/// Likewise for the names of the controllers, separated by commas.
pub(crate) fn is_in_use(controllers: &str, beside_v2: bool) -> bool {
    in_use(Controllers::parse(controllers, ','), beside_v2)
}

/// The machine's control groups, looked at once.
#[derive(Debug)]
pub struct Layout {
    pub(super) mode: Mode,
    /// All trees in use. The tree that tracks and kills comes first.
    pub(super) trees: Vec<Arc<Tree>>,
}

impl Layout {
    /// Finds out what this machine has.
    ///
    /// # Errors
    /// When no tree is mounted, or one cannot be opened.
    pub fn detect() -> Result<Layout, LayoutError> {
        let text = fs::read_to_string("/proc/self/mountinfo").map_err(LayoutError::Mountinfo)?;
        Layout::from_mountinfo(&text)
    }

    /// Uses the trees that a mount table names; tests leave some out.
    ///
    /// # Errors
    /// As [`Layout::detect`].
    pub fn from_mountinfo(text: &str) -> Result<Layout, LayoutError> {
        let mounted = mountinfo::parse(text);
        let mode = match (&mounted.unified, mounted.v1.is_empty()) {
            (Some(_), true) => Mode::V2,
            (Some(_), false) => Mode::Hybrid,
            (None, false) => Mode::V1,
            (None, true) => return Err(LayoutError::NotMounted),
        };
        let mut trees = Vec::new();
        if let Some(mount) = &mounted.unified {
            trees.push(Arc::new(Tree::open(mount, true, Controllers::default())?));
        }
        for (mount, controllers) in &mounted.v1 {
            if !in_use(*controllers, mode == Mode::Hybrid) {
                continue;
            }
            let tree = Tree::open(mount, false, *controllers)?;
            // Without a v2 tree the freezer is what makes killing free of races.
            let at = if controllers.has(Controller::Freezer) && mode == Mode::V1 {
                0
            } else {
                trees.len()
            };
            trees.insert(at, Arc::new(tree));
        }
        Ok(Layout { mode, trees })
    }

    /// Which generation this machine runs.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The mount point of the v2 tree, if there is one.
    #[must_use]
    pub fn unified_mount(&self) -> Option<&Path> {
        self.trees
            .iter()
            .find(|tree| tree.unified)
            .map(|tree| tree.mount.as_path())
    }

    /// The mount points of the v1 trees in use.
    pub fn v1_mounts(&self) -> impl Iterator<Item = &Path> {
        self.trees
            .iter()
            .filter(|tree| !tree.unified)
            .map(|tree| tree.mount.as_path())
    }
}
