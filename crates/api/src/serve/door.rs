//! Where is root's door, and is somebody else behind it already?

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// The unix socket could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// Somebody answers at it.
    #[error("another daemon serves {path} already: stop it first", path = .0.display())]
    Taken(PathBuf),
    /// It could not be made.
    #[error("{operation} the unix socket {path}", path = .path.display())]
    Socket {
        /// What was tried.
        operation: &'static str,
        /// The socket.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// Listens at a unix socket, 0600 and ready for a runtime to take it. What a killed daemon has left there is taken away; what a living one
/// serves is not.
///
/// # Errors
/// If another daemon serves it, or it cannot be made.
pub fn listen_unix(path: &Path) -> Result<UnixListener, DoorError> {
    let failed = |operation| {
        move |source| DoorError::Socket {
            operation,
            path: path.to_owned(),
            source,
        }
    };
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => return Err(DoorError::Taken(path.to_owned())),
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => {}
        Err(problem) if problem.kind() == io::ErrorKind::ConnectionRefused && is_socket(path) => {
            std::fs::remove_file(path).map_err(failed("take away the old one at"))?;
        }
        Err(problem) => return Err(failed("look at")(problem)),
    }
    let listener = UnixListener::bind(path).map_err(failed("listen at"))?;
    // Whoever came in before this is turned away by who they are (`SO_PEERCRED`).
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(failed("close to others"))?;
    listener.set_nonblocking(true).map_err(failed("set up"))?;
    Ok(listener)
}

/// Connecting to a plain file is refused just as connecting to a dead socket is.
fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_daemons_socket_is_replaced_and_a_living_ones_is_not() {
        let path = std::env::temp_dir().join(format!("outrigger-door-{}.sock", std::process::id()));
        let first = listen_unix(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(listen_unix(&path), Err(DoorError::Taken(_))));
        drop(first);
        drop(listen_unix(&path).unwrap());
        // A file that is no socket is somebody's.
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "mine").unwrap();
        assert!(listen_unix(&path).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        std::fs::remove_file(&path).unwrap();
    }
}
