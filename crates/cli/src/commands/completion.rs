//! `outrigger completion SHELL`

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Line;
use crate::failure::Failure;

/// Prints the script.
pub(crate) fn completion(shell: Shell) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Line::command(), "outrigger", &mut script);
    crate::screen::output(&script)?;
    Ok(0)
}
