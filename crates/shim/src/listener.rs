//! Where does a node find this shim? At a socket in the Pod's state directory, which only root
//! can open.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, acceptfrom_with, bind, connect, listen,
    socket_with,
};

/// Connections that the kernel keeps for us while we are busy.
const BACKLOG: i32 = 8;

/// There is no socket to listen on.
#[derive(Debug, thiserror::Error)]
#[error("{operation} the shim's socket {}", .path.display())]
pub(crate) struct ListenError {
    operation: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// The socket, and its path so that it can be deleted.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: OwnedFd,
    path: Option<PathBuf>,
}

impl Listener {
    /// Listens at a path. Its directory must be root's and closed to all others.
    pub(crate) fn bind(path: &Path) -> Result<Listener, ListenError> {
        let failed = |operation| {
            move |source: io::Error| ListenError {
                operation,
                path: path.to_owned(),
                source,
            }
        };
        check_folder(path).map_err(failed("trust the directory of"))?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
            .map_err(|error| failed("make")(error.into()))?;
        let address = SocketAddrUnix::new(path).map_err(|error| failed("name")(error.into()))?;
        // The mode is that of the socket's file from its first moment on.
        let before = rustix::process::umask(Mode::from_raw_mode(0o177));
        let bound =
            bind(&socket, &address).or_else(|error| take_over(error, path, &socket, &address));
        rustix::process::umask(before);
        bound.map_err(|error| failed("bind")(error.into()))?;
        listen(&socket, BACKLOG).map_err(|error| failed("listen on")(error.into()))?;
        Ok(Listener {
            socket,
            path: Some(path.to_owned()),
        })
    }

    /// Listens on a socket that was inherited.
    pub(crate) fn inherited(socket: OwnedFd) -> Result<Listener, ListenError> {
        let failed = |source: Errno| ListenError {
            operation: "listen on",
            path: PathBuf::from("inherited descriptor"),
            source: source.into(),
        };
        rustix::io::ioctl_fionbio(&socket, true).map_err(failed)?;
        rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC).map_err(failed)?;
        listen(&socket, BACKLOG).map_err(failed)?;
        Ok(Listener { socket, path: None })
    }

    /// The next connection of a process of root's; all others are closed at once.
    pub(crate) fn accept(&self) -> Option<OwnedFd> {
        loop {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let connection = match acceptfrom_with(&self.socket, flags) {
                Ok((connection, _)) => connection,
                Err(Errno::INTR | Errno::CONNABORTED) => continue,
                Err(_) => return None,
            };
            let root = rustix::net::sockopt::socket_peercred(&connection)
                .is_ok_and(|peer| peer.uid.is_root());
            if root {
                return Some(connection);
            }
        }
    }

    /// The descriptor to wait for.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Deletes the socket's file: nobody shall find a shim that is gone.
    pub(crate) fn unlink(&self) -> io::Result<()> {
        self.path.as_ref().map_or(Ok(()), std::fs::remove_file)
    }
}

/// Binds where a shim that was killed has left its socket. One that answers is left alone.
fn take_over(
    error: Errno,
    path: &Path,
    socket: &OwnedFd,
    address: &SocketAddrUnix,
) -> Result<(), Errno> {
    if error != Errno::ADDRINUSE {
        return Err(error);
    }
    let probe = socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    if connect(&probe, address) != Err(Errno::CONNREFUSED) {
        return Err(error);
    }
    rustix::fs::unlink(path)?;
    bind(socket, address)
}

fn check_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| folder.is_absolute());
    let folder = folder
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "its path is not absolute"))?;
    let seen = rustix::fs::lstat(folder)?;
    let directory = FileType::from_raw_mode(seen.st_mode) == FileType::Directory;
    let own = seen.st_uid == rustix::process::geteuid().as_raw();
    if directory && own && seen.st_mode & 0o077 == 0 {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        "it must be a directory of our own with mode 0700",
    ))
}
