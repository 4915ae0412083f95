//! What can go wrong between an image's name and its directories, and what should a person do about it?

use std::path::PathBuf;

use crate::digest::Digest;

/// Why an image cannot be loaded, resolved, listed, held or removed.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Nothing with this name is in the store.
    #[error(
        "image {name} is not on this machine: load it with `outrigger image load ARCHIVE`, or name an archive or a folder \
         (oci-archive:FILE, docker-archive:FILE, oci:DIR, dir:ROOTFS, host:/)"
    )]
    NotPresent {
        /// The canonical name.
        name: String,
    },
    /// The image vanished between its resolution and its hold.
    #[error("image {id} was removed while it was taken into use: load it again")]
    Gone {
        /// The image's id.
        id: String,
    },
    /// A folder given by `dir:` that is no folder.
    #[error("root file system {} of dir: cannot be used", path.display())]
    NoDirectory {
        /// The folder.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
    /// The archive or layout cannot be read.
    #[error("read {what} of {from}")]
    Read {
        /// The part of it.
        what: String,
        /// The archive or layout.
        from: String,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
    /// The archive or layout is not what it should be.
    #[error("{from} is not a usable image: {problem}")]
    Malformed {
        /// The archive or layout.
        from: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The archive's framing was refused.
    #[error("archive {from} cannot be read")]
    Archive {
        /// The archive.
        from: String,
        /// Why.
        #[source]
        source: UnpackError,
    },
    /// More than one image would fit, or none does.
    #[error("{from} holds {held}: {remedy}")]
    Choice {
        /// The archive or layout.
        from: String,
        /// What it holds.
        held: String,
        /// How to choose.
        remedy: String,
    },
    /// No variant for this machine.
    #[error("{from} has no image for linux/{architecture}, only for {}: build or save it for this machine", held.join(", "))]
    NoPlatform {
        /// The archive, layout or name.
        from: String,
        /// This machine's architecture in OCI's spelling.
        architecture: String,
        /// The platforms that are there.
        held: Vec<String>,
    },
    /// A layer was refused or could not be written.
    #[error("unpack layer {layer} of {from}")]
    Layer {
        /// The archive or layout.
        from: String,
        /// The layer's diff id.
        layer: Digest,
        /// Why.
        #[source]
        source: UnpackError,
    },
    /// A pod's uid that cannot be the name of a file.
    #[error("{uid:?} cannot hold images: a pod's uid has letters, digits, dots and dashes only")]
    InvalidHolder {
        /// The text.
        uid: String,
    },
    /// The store's own files failed.
    #[error("{operation} {} in the image store", path.display())]
    Store {
        /// What was being done.
        operation: &'static str,
        /// The file it was done to.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
    /// Something in the store could not be removed.
    #[error("remove unused image data")]
    NotRemoved(#[from] crate::tree::NotRemoved),
}

impl From<crate::durable::ReplaceError> for ImageError {
    fn from(error: crate::durable::ReplaceError) -> Self {
        ImageError::Store {
            operation: error.operation,
            path: error.path,
            source: error.source,
        }
    }
}

/// Why a layer or an archive was not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// An entry that a well-meant image does not have.
    #[error("entry {entry:?}: {refusal}")]
    Refused {
        /// The entry's name as it stands in the archive, shortened.
        entry: String,
        /// What is wrong with it.
        refusal: Refusal,
    },
    /// More than [`crate::Limits`] allows.
    #[error("{0}")]
    Beyond(Beyond),
    /// The framing is broken.
    #[error("damaged archive at byte {offset}: {problem}; save the image again")]
    Damaged {
        /// Where in the decoded stream.
        offset: u64,
        /// What was found.
        problem: &'static str,
    },
    /// The stream broke off, or its compression is broken.
    #[error("read the stream")]
    Stream(#[source] std::io::Error),
    /// The content is not what its digest promised.
    #[error(
        "{what} has digest {found}, promised was {promised}: the copy is damaged, fetch it again"
    )]
    Mismatch {
        /// `blob`, `layer`, `manifest`, `config`.
        what: &'static str,
        /// What was promised.
        promised: Digest,
        /// What was found.
        found: Digest,
    },
    /// The content is longer or shorter than promised.
    #[error(
        "blob is not {promised_bytes} bytes long as promised: the copy is damaged, fetch it again"
    )]
    WrongSize {
        /// What was promised.
        promised_bytes: u64,
    },
    /// The kernel refused to write.
    #[error("{operation} {entry:?}")]
    Write {
        /// What was being done.
        operation: &'static str,
        /// The entry it was done for.
        entry: String,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
    /// Something that a later entry replaces could not be removed.
    #[error("replace {entry:?}")]
    Replace {
        /// The entry.
        entry: String,
        /// What stayed.
        #[source]
        source: crate::tree::NotRemoved,
    },
}

/// What is wrong with one entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A `..` in its name.
    #[error("its name climbs with ..")]
    Climbs,
    /// A link that climbs with `..` or leads out of the layer.
    #[error("its hard link target {0:?} climbs with .. or is hidden")]
    LinkClimbs(String),
    /// A hard link to what is not in the layer.
    #[error("its hard link target {0:?} is no file of this layer")]
    LinkMissing(String),
    /// The root as anything but a directory.
    #[error("the root of the image can only be a directory")]
    RootReplaced,
    /// A name with a NUL byte.
    #[error("its name or link target has a NUL byte")]
    Nul,
    /// A link without a target, or with one that is too long.
    #[error("its link target is empty or longer than 4095 bytes")]
    LinkTarget,
    /// A whiteout of nothing, of `.` or `..`, or one that is a directory or a link.
    #[error("it is no proper whiteout")]
    Whiteout,
    /// A parent that is no directory, or a loop of links.
    #[error("its parent folder leads nowhere: a file, a loop of links or too many of them")]
    Parent,
    /// An attribute that would change how the kernel sees the tree.
    #[error("its extended attribute {0:?} is not allowed in an image")]
    Attribute(String),
    /// A number that no file has.
    #[error("its {0} is out of range")]
    Number(&'static str),
    /// A type of entry that we do not unpack.
    #[error("its type {0:?} is not supported")]
    Type(char),
    /// A type that has no content, with content.
    #[error("it has content, which its type must not have")]
    Content,
    /// An extended header that readers understand differently.
    #[error("its extended header is ambiguous: {0}")]
    Extension(&'static str),
}

/// Which limit was crossed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Beyond {
    /// Decoder output.
    #[error(
        "it unpacks to more than {0} bytes, which is the limit for its size and the free space on the disk"
    )]
    Bytes(u64),
    /// Number of entries.
    #[error("it has more than {0} entries")]
    Entries(u64),
    /// A name.
    #[error("a name in it is longer than {0} bytes")]
    Path(usize),
    /// An extended header.
    #[error("an extended header in it is longer than {0} bytes")]
    Extension(u64),
    /// All directory names.
    #[error("its directory names are longer than {0} bytes together")]
    DirectoryNames(usize),
}
