//! From what was typed to what is done, one file a verb.

mod check;
mod completion;
mod image;
mod run;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Line, Verb};
use crate::failure::{Failure, OWN_ERROR};

/// Does what was typed.
pub(crate) fn main() -> ExitCode {
    let line = match Line::try_parse() {
        Ok(line) => line,
        Err(error) => {
            // Help and version are answers, everything else is an error of ours as `run` counts them.
            let code = if error.use_stderr() { OWN_ERROR } else { 0 };
            error.print().ok();
            return ExitCode::from(code);
        }
    };
    diagnostics();
    let done = match &line.verb {
        Verb::Run(run) => run::run(&line.places, run),
        Verb::Check(check) => check::check(check),
        Verb::Image(image) => image::image(&line.places, image),
        Verb::Completion { shell } => completion::completion(*shell),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(Failure(text)) => {
            crate::screen::error(&text);
            ExitCode::from(OWN_ERROR)
        }
    }
}

/// `RUST_LOG` turns on what is meant for those who look for a fault in this program.
fn diagnostics() {
    if std::env::var_os("RUST_LOG").is_some() {
        tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_writer(std::io::stderr)
            .init();
    }
}
