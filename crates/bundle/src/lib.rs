//! What one container of a Pod looks like to the kernel: the OCI runtime config.
//!
//! Everything here is pure: the facts of the machine, the image's config, the text of the image's
//! account files and the ConfigMaps come as values, and nothing is looked up. A container's way:
//!
//! 1. [`user::resolve`] says as whom it runs.
//! 2. [`env::assemble`] gives its environment.
//! 3. [`config`] makes the OCI config of both and of what the [`Request`] names.
//!
//! Beside them, [`hosts`] writes the Pod's `/etc/hosts`, `resolv.conf` and `hostname`, [`expand`]
//! knows `$(VAR)`, and [`pod_resources`] gives the limits of the Pod's own cgroup.

pub mod bounds;
mod capabilities;
mod config;
pub mod env;
mod error;
pub mod expand;
pub mod hosts;
mod mounts;
mod process;
mod request;
mod resources;
pub mod seccomp;
pub mod user;

#[cfg(test)]
mod fixture;

pub use config::config;
pub use error::BundleError;
pub use request::{
    CgroupMode, DeviceKind, HostDevice, HostFacts, ImageConfig, Namespaces, Paths, PidNamespace,
    Request, VolumeMount,
};
pub use resources::{container_limits, pod_resources};
