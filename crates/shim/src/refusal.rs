//! How is a failure told to the node? In one line, with all its causes.

use std::error::Error;

use outrigger_runtime::CreateError;
use outrigger_wire::{Refusal, Stage};

/// An error and its causes, with colons between.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// A request that does not fit the shim's state.
pub(crate) fn misplaced(message: impl Into<String>) -> Refusal {
    Refusal {
        message: message.into(),
        stage: Stage::Protocol,
    }
}

/// A request of which nothing came.
pub(crate) fn failed(error: &dyn Error) -> Refusal {
    Refusal {
        message: chain(error),
        stage: Stage::Create,
    }
}

/// A container or a command that was not started.
pub(crate) fn not_started(error: &CreateError) -> Refusal {
    let stage = if error.is_execute() {
        Stage::Execute
    } else {
        Stage::Create
    };
    Refusal {
        message: chain(error),
        stage,
    }
}
