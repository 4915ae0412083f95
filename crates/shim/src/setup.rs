//! What does this process make of itself before it serves?

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{OwnedFd, RawFd};
use std::path::PathBuf;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use outrigger_sys::{close_fds, exec, process, signals};
use rustix::fs::Mode;

use crate::home::Journey;

/// After the daemon (-999), before everything else, when the machine runs out of memory.
const OOM_SCORE: &[u8] = b"-998";

/// The process cannot become a shim.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    #[error(
        "{0}; usage: outrigger shim (--socket PATH | --socket-fd N) --ledger PATH [--home DIRECTORY]"
    )]
    Usage(String),
    #[error("{operation} in the shim")]
    Kernel {
        operation: &'static str,
        #[source]
        source: io::Error,
    },
}

/// Where nodes connect.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// At this path.
    Path(PathBuf),
    /// On this inherited socket, which is bound.
    Inherited(RawFd),
}

/// What the command line says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) door: Door,
    pub(crate) ledger: PathBuf,
    /// The cgroup to live in; without one, that of whoever has started it.
    pub(crate) home: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Arguments, SetupError> {
        let (mut door, mut ledger, mut home) = (None, None, None);
        let mut args = args.into_iter();
        while let Some(name) = args.next() {
            let value = args
                .next()
                .ok_or_else(|| SetupError::Usage(format!("{} wants a value", name.display())))?;
            match name.to_str() {
                Some("--socket") => door = Some(Door::Path(value.into())),
                Some("--socket-fd") => {
                    let number = value
                        .to_str()
                        .and_then(|text| text.parse().ok())
                        .filter(|fd| *fd > 2);
                    let wrong = || {
                        SetupError::Usage(format!("{} is no inherited descriptor", value.display()))
                    };
                    door = Some(Door::Inherited(number.ok_or_else(wrong)?));
                }
                Some("--ledger") => ledger = Some(value.into()),
                Some("--home") => home = Some(value.into()),
                _ => {
                    return Err(SetupError::Usage(format!(
                        "unknown option {}",
                        name.display()
                    )));
                }
            }
        }
        match (door, ledger) {
            (Some(door), Some(ledger)) => Ok(Arguments { door, ledger, home }),
            _ => Err(SetupError::Usage(
                "a socket and a ledger are needed".to_owned(),
            )),
        }
    }
}

fn kernel<E: Into<io::Error>>(operation: &'static str) -> impl FnOnce(E) -> SetupError {
    move |error| SetupError::Kernel {
        operation,
        source: error.into(),
    }
}

/// Begins the program again where containers could not write to its file, see
/// [`exec::again_unwritable`].
pub(crate) fn protect() -> Result<(), SetupError> {
    match exec::again_unwritable() {
        // Without privileges there is no such mount, and no container that had more than we have.
        Ok(()) | Err(rustix::io::Errno::PERM) => Ok(()),
        Err(errno) => Err(kernel("make the program's file unwritable")(errno)),
    }
}

/// Closes what was inherited, but for the socket, if there is one, and for what ties this process to the
/// one that has made it.
pub(crate) fn adopt(
    door: &Door,
    news: Option<RawFd>,
) -> Result<(Option<OwnedFd>, Option<Journey>), SetupError> {
    let socket = match door {
        Door::Path(_) => None,
        Door::Inherited(descriptor) => Some(*descriptor),
    };
    let keep: Vec<RawFd> = socket.into_iter().chain(news).collect();
    let owned =
        close_fds::adopt_inherited(&keep).map_err(kernel("take over the inherited descriptors"))?;
    let mut owned = owned.into_iter();
    let socket = socket.and_then(|_| owned.next());
    Ok((socket, owned.next().map(Journey)))
}

/// Parts from whoever started it. Gives the descriptor on which the end of children shows: it only
/// wakes the shim up, exits are told by pidfds.
pub(crate) fn part() -> Result<SignalFd, SetupError> {
    // Blocked, not ignored: an ignored SIGCHLD would take children away before they are waited for.
    signals::block_all();
    match rustix::process::setsid() {
        // EPERM: the one who started it has made it a leader already.
        Ok(_) | Err(rustix::io::Errno::PERM) => {}
        Err(errno) => return Err(kernel("begin a session")(errno)),
    }
    rustix::process::chdir("/").map_err(kernel("leave the working directory"))?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    process::become_subreaper().map_err(kernel("become the parent of orphans"))?;
    process::set_dumpable(false).map_err(kernel("forbid tracing"))?;
    process::set_name(c"outrigger-shim").map_err(kernel("take a name"))?;
    // Without CAP_SYS_RESOURCE it stays as likely a victim as the node that started it.
    let _refused = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    let mut children = SigSet::empty();
    children.add(Signal::SIGCHLD);
    SignalFd::with_flags(&children, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .map_err(kernel("watch children"))
}

/// Says on stdout that nodes can connect, and lets go of the standard streams.
pub(crate) fn announce() -> Result<(), SetupError> {
    let mut stdout = io::stdout();
    match stdout.write_all(b"\n").and_then(|()| stdout.flush()) {
        // The node was killed while it waited for this: the next one starts a shim of its own.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            return Err(kernel("say that it is ready")(error));
        }
        // Whoever has closed it does not want to know.
        Ok(()) | Err(_) => {}
    }
    let null = File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(kernel("open /dev/null"))?;
    nix::unistd::dup2_stdin(&null).map_err(kernel("let go of stdin"))?;
    nix::unistd::dup2_stdout(&null).map_err(kernel("let go of stdout"))?;
    nix::unistd::dup2_stderr(&null).map_err(kernel("let go of stderr"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Arguments, SetupError> {
        Arguments::parse(text.split_whitespace().map(OsString::from))
    }

    #[test]
    fn the_command_line_names_a_socket_and_a_ledger() {
        let parsed = parse("--socket /s/shim.sock --ledger /s/ledger").unwrap();
        assert_eq!(
            parsed,
            Arguments {
                door: Door::Path("/s/shim.sock".into()),
                ledger: "/s/ledger".into(),
                home: None,
            }
        );
        assert_eq!(
            parse("--socket-fd 5 --ledger /l").unwrap().door,
            Door::Inherited(5)
        );
        assert_eq!(
            parse("--socket /s --ledger /l --home /sys/h").unwrap().home,
            Some("/sys/h".into())
        );
    }

    #[test]
    fn a_wrong_command_line_says_what_is_wrong() {
        for (text, wrong) in [
            ("--socket /s", "a socket and a ledger are needed"),
            ("--ledger", "--ledger wants a value"),
            ("--socket-fd 1 --ledger /l", "1 is no inherited descriptor"),
            ("--verbose 1", "unknown option --verbose"),
        ] {
            assert!(
                parse(text).unwrap_err().to_string().starts_with(wrong),
                "{text}"
            );
        }
    }
}
