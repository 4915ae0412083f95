//! What does a node need to know before the first Pod comes?

use outrigger_pod::Objects;
use outrigger_wire::Lease;

use crate::directories::Directories;
use crate::shim::Program;

/// The settings of a node.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it works.
    pub directories: Directories,
    /// The cgroup above those of all Pods, such as `/outrigger`.
    pub cgroup: String,
    /// What is executed to get a Pod's shim.
    pub shim: Program,
    /// Whether Pods outlive this node.
    pub lease: Lease,
    /// The ConfigMaps and Secrets that Pods may refer to.
    pub objects: Objects,
    /// Sees to it that a crash of this process leaves a byte in a file. Only what is `unsafe` elsewhere can do that.
    pub note_crashes: Option<fn(std::fs::File) -> std::io::Result<()>>,
}
