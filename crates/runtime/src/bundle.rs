//! What does a bundle's `config.json` say?

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

pub use oci_spec::runtime::Spec;

/// A bundle that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file cannot be opened.
    #[error("cannot open the bundle's configuration {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no configuration.
    #[error("{path} is not a configuration of the OCI runtime specification")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why, and where.
        source: serde_json::Error,
    },
}

/// Reads `config.json` in the directory `bundle`.
///
/// # Errors
/// When the file cannot be read or understood.
pub fn read(bundle: &Path) -> Result<Spec, BundleError> {
    let path = bundle.join("config.json");
    match File::open(&path) {
        Err(source) => Err(BundleError::Open { path, source }),
        Ok(file) => serde_json::from_reader(BufReader::new(file))
            .map_err(|source| BundleError::Parse { path, source }),
    }
}
