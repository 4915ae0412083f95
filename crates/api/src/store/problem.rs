//! What does the database say when it fails, and what can be done?

use super::Trouble;

/// The layout that this program writes.
pub(super) const FORMAT_NOW: u64 = 1;

/// What the database said.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("it is in use by another process")]
    InUse,
    #[error("{0}")]
    Failed(String),
    #[error("its disk is full ({0}): make room on it; what is there can be deleted")]
    Full(String),
    #[error("its disk is read-only ({0}): mount it read-write again; Pods go on meanwhile")]
    ReadOnly(String),
    #[error("it is damaged: {0}")]
    Damaged(String),
    #[error(
        "it was written by a newer version of this program (layout {0}, this one knows {FORMAT_NOW})"
    )]
    Newer(u64),
}

impl Problem {
    /// What the disk lacks.
    pub(super) fn trouble(&self) -> Trouble {
        match self {
            Problem::Full(_) => Trouble::Full,
            Problem::ReadOnly(_) => Trouble::ReadOnly,
            _ => Trouble::Other,
        }
    }
}

impl From<redb::DatabaseError> for Problem {
    fn from(error: redb::DatabaseError) -> Problem {
        match error {
            redb::DatabaseError::DatabaseAlreadyOpen => Problem::InUse,
            redb::DatabaseError::Storage(storage) => storage.into(),
            other => Problem::Damaged(other.to_string()),
        }
    }
}

impl From<redb::StorageError> for Problem {
    fn from(error: redb::StorageError) -> Problem {
        match error {
            redb::StorageError::Corrupted(what) => Problem::Damaged(what),
            // What is no database at all is said like that.
            redb::StorageError::Io(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof
                ) =>
            {
                Problem::Damaged(error.to_string())
            }
            redb::StorageError::Io(error) => match Trouble::of(&error) {
                Trouble::Full => Problem::Full(error.to_string()),
                Trouble::ReadOnly => Problem::ReadOnly(error.to_string()),
                Trouble::Other => Problem::Failed(error.to_string()),
            },
            other => Problem::Failed(other.to_string()),
        }
    }
}

impl From<redb::TransactionError> for Problem {
    fn from(error: redb::TransactionError) -> Problem {
        match error {
            redb::TransactionError::Storage(storage) => storage.into(),
            other => Problem::Failed(other.to_string()),
        }
    }
}

impl From<redb::TableError> for Problem {
    fn from(error: redb::TableError) -> Problem {
        match error {
            redb::TableError::Storage(storage) => storage.into(),
            other => Problem::Damaged(other.to_string()),
        }
    }
}

impl From<redb::CommitError> for Problem {
    fn from(error: redb::CommitError) -> Problem {
        match error {
            redb::CommitError::Storage(storage) => storage.into(),
            other => Problem::Failed(other.to_string()),
        }
    }
}

/// What to do about a database that cannot be opened.
pub(super) fn advice(problem: Problem) -> String {
    match problem {
        Problem::Damaged(_) => format!(
            "{problem}; restore it from a backup, or move it away and start with --accept-empty-store: then Pods go \
             on as they are recorded, and ConfigMaps and Secrets are lost"
        ),
        Problem::InUse => format!("{problem}; only one daemon can use a root directory"),
        Problem::Failed(_) | Problem::Full(_) | Problem::ReadOnly(_) | Problem::Newer(_) => {
            problem.to_string()
        }
    }
}
