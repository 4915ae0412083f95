//! Which image does a name stand for?

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Lock, Store};
use crate::durable;
use crate::error::ImageError;

/// The whole index. It is small, and replaced as a whole.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Names {
    version: u32,
    pub(super) names: BTreeMap<String, Name>,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Name {
    pub(super) id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) manifest: Option<String>,
    /// For archives and layouts: what they looked like when they were unpacked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stamp: Option<String>,
}

const VERSION: u32 = 1;

impl Store {
    pub(super) fn read_names(&self) -> Result<Names, ImageError> {
        let path = self.root.join("names.json");
        let failed = |source| ImageError::Store {
            operation: "read",
            path: path.clone(),
            source,
        };
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Names::default());
            }
            Err(error) => return Err(failed(error)),
        };
        let names: Names = serde_json::from_slice(&bytes).map_err(|error| failed(error.into()))?;
        if names.version > VERSION {
            return Err(failed(std::io::Error::other(
                "a newer outrigger wrote it: use that one, or another --root",
            )));
        }
        Ok(names)
    }

    /// Changes the index; nobody else does meanwhile, and it is durable on return.
    pub(super) fn edit_names<T>(
        &self,
        edit: impl FnOnce(&mut Names) -> T,
    ) -> Result<T, ImageError> {
        self.make()?;
        let _alone = Lock::exclusive(&self.root.join("locks/names"))?;
        let mut names = self.read_names()?;
        let answer = edit(&mut names);
        names.version = VERSION;
        let path = self.root.join("names.json");
        let bytes = serde_json::to_vec_pretty(&names).map_err(|error| ImageError::Store {
            operation: "write",
            path: path.clone(),
            source: error.into(),
        })?;
        durable::replace(&path, &bytes)?;
        Ok(answer)
    }
}
