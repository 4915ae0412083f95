//! Why did a container or a command not start, in the words of Kubernetes where it has some?

use std::io;

use outrigger_sys::Errno;
use outrigger_sys::pidfd::Exit;

use crate::compile::SpecError;
use crate::init::{Part, Place};

/// A container or a further command that did not start.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The configuration cannot be carried out.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The kernel refused something before or around the new process.
    #[error("cannot {operation} {object}")]
    Kernel {
        /// What was tried.
        operation: &'static str,
        /// With what.
        object: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The kernel refused a step of the new process.
    #[error("cannot {operation}")]
    Step {
        /// What was tried, with what.
        operation: String,
        /// Why not.
        source: io::Error,
    },
    /// The program is not there.
    #[error("exec: \"{command}\": executable file not found in $PATH")]
    NotInPath {
        /// The command's first word.
        command: String,
    },
    /// The program is not where it was said to be.
    #[error("exec: \"{command}\": stat {command}: no such file or directory")]
    Missing {
        /// The command's first word.
        command: String,
    },
    /// The program may not be executed.
    #[error("exec: \"{command}\": permission denied")]
    Denied {
        /// The command's first word.
        command: String,
    },
    /// The program is there, and the kernel cannot execute it.
    #[error("exec: \"{command}\"")]
    NotExecutable {
        /// The command's first word.
        command: String,
        /// Why not: `ENOENT` for a missing interpreter, `ENOEXEC` for an unknown format.
        source: io::Error,
    },
    /// The new process ended before it was ready, for want of memory perhaps.
    #[error(
        "the new process ended before its program began ({exit:?}); is the memory limit too small, or does \
         the seccomp profile refuse what that takes (write, capset, prctl, execve)?"
    )]
    Died {
        /// How.
        exit: Exit,
    },
    /// The new process said something unexpected.
    #[error("the new process broke the protocol; this is a bug")]
    Protocol,
}

impl CreateError {
    /// Whether all was made and only the program could not be executed.
    #[must_use]
    pub fn is_execute(&self) -> bool {
        matches!(
            self,
            CreateError::NotInPath { .. }
                | CreateError::Missing { .. }
                | CreateError::Denied { .. }
                | CreateError::NotExecutable { .. }
        )
    }

    /// The exit code by which shells and runtimes tell of it: 127 when there is no such program, 126
    /// when it cannot be executed, else 128.
    #[must_use]
    pub fn code(&self) -> i32 {
        match self {
            CreateError::NotInPath { .. } | CreateError::Missing { .. } => 127,
            CreateError::Denied { .. } | CreateError::NotExecutable { .. } => 126,
            _ => 128,
        }
    }

    /// The errors of the program itself; other places have other words.
    pub(crate) fn of(
        place: Place,
        errno: Errno,
        command: &str,
        searched: bool,
    ) -> Option<CreateError> {
        let command = command.to_owned();
        match (place, errno) {
            (Place::Part(Part::Search), _) if searched => Some(CreateError::NotInPath { command }),
            (Place::Part(Part::Search), _) => Some(CreateError::Missing { command }),
            (Place::Part(Part::Exec), Errno::ACCESS) => Some(CreateError::Denied { command }),
            (Place::Part(Part::Exec), errno) => Some(CreateError::NotExecutable {
                command,
                source: errno.into(),
            }),
            _ => None,
        }
    }
}

/// What [`crate::Container::exec`] gives: a command fails for the reasons of a first process.
pub type ExecError = CreateError;

/// An error around a new process.
pub(crate) fn failed(
    operation: &'static str,
    object: &'static str,
) -> impl FnOnce(Errno) -> CreateError {
    move |errno| CreateError::Kernel {
        operation,
        object,
        source: errno.into(),
    }
}
