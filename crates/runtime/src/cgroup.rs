//! In which control groups does a container live, how is it limited, counted, frozen and killed?
//!
//! Three kinds of machine are served alike. *V2* has one tree for everything. *V1* has a tree for
//! each controller. *Hybrid* has the controllers on v1 and an almost empty v2 tree beside them:
//! limits then go to v1, while the v2 tree tracks, freezes and kills, because only it can do so
//! without a race.
//!
//! [`Layout::detect`] looks at the machine once and keeps a descriptor of every tree's root, so
//! that nothing later depends on paths or on the mount table. [`Layout::create`] makes a group in
//! every tree in use and gives a [`Cgroup`]; dropping that value does nothing to the kernel's
//! group, [`Cgroup::remove`] does. A group is entered with what [`Cgroup::join`] gives.
//!
//! On pure v2 the limits of Pods and of the groups above them are written by libcgroups
//! ([`libcgroups`], the one file that uses it, says why only there); all others are written here.

mod controller;
mod create;
mod devices;
mod error;
mod file;
mod group;
mod kill;
mod layout;
mod libcgroups;
mod limits;
mod make;
mod mountinfo;
mod remove;
mod stats;
mod update;

pub use controller::Controller;
pub use create::Level;
pub use error::{CgroupError, LayoutError, Leftover};
pub use group::{Cgroup, Join};
pub(crate) use layout::is_in_use;
pub use layout::{Layout, Mode};
pub use stats::Stats;
