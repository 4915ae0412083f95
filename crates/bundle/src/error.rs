//! Why can no config be made of a container?

use oci_spec::OciSpecError;

use crate::bounds::TooLong;

/// Why no config can be made. The kubelet calls all of these `CreateContainerConfigError`; the texts
/// are its own where it has some.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Neither the manifest nor the image says what to run.
    #[error("no command specified: set command or args, or use an image with an entrypoint")]
    NoCommand,
    /// A volume is mounted that the Pod does not have.
    #[error("cannot find volume {volume:?} to mount into container {container:?}")]
    NoVolume {
        /// The volume.
        volume: String,
        /// The container.
        container: String,
    },
    /// The working directory is not absolute.
    #[error("working directory {workdir:?} of container {container:?} is not an absolute path")]
    Workdir {
        /// The directory.
        workdir: String,
        /// The container.
        container: String,
    },
    /// A mount's place is not absolute, or leaves the root by `..`.
    #[error(
        "mount path {path:?} of container {container:?} must be absolute and must not contain '..'"
    )]
    MountPath {
        /// The place.
        path: String,
        /// The container.
        container: String,
    },
    /// A capability is named that does not exist.
    #[error("unknown capability {name:?} to {operation}")]
    Capability {
        /// Its name.
        name: String,
        /// `add` or `drop`.
        operation: &'static str,
    },
    /// A field is set that is not carried out; running without it would be unsafe or untrue.
    #[error("{field} of container {container:?} is not supported yet: remove it")]
    Unsupported {
        /// The field.
        field: &'static str,
        /// The container.
        container: String,
    },
    /// The kernel takes no text with a NUL in it.
    #[error("{what} of container {container:?} contains a NUL character")]
    Nul {
        /// Which text.
        what: &'static str,
        /// The container.
        container: String,
    },
    /// The kernel takes no texts of this length.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// A part of the config could not be put together.
    #[error("cannot build the OCI config")]
    Spec(#[from] OciSpecError),
}
