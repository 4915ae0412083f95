//! Where does a root file system come from? References, the store on disk, safe unpacking, reading and removing.
//!
//! Everything that an image holds was written by a stranger: its names, links, sizes and numbers are data to be
//! checked, and none of its paths is ever resolved by name from outside a directory descriptor.

mod archive;
mod config;
mod contents;
mod decode;
mod digest;
pub mod durable;
mod error;
pub mod files;
mod limits;
mod load;
mod manifest;
mod reference;
mod store;
mod tarball;
#[cfg(test)]
mod testing;
pub mod tree;
mod unpack;
mod view;

pub use config::ImageConfig;
pub use digest::{Digest, InvalidDigest};
pub use error::{Beyond, ImageError, Refusal, UnpackError};
pub use limits::Limits;
pub use reference::{InvalidImageName, Reference, RegistryName};
pub use store::{Image, Listed, Removed, Store};
