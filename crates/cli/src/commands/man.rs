//! `outrigger man DIR`: the man pages, for those who make packages.

use std::path::Path;

use clap::CommandFactory;

use crate::args::Line;
use crate::failure::Failure;

/// Writes one page a command, those of commands below commands with them.
pub(crate) fn man(dir: &Path) -> Result<u8, Failure> {
    std::fs::create_dir_all(dir)
        .map_err(|error| Failure::of(&format!("make {}", dir.display()), &error))?;
    let line = Line::command().disable_help_subcommand(true);
    clap_mangen::generate_to(line, dir)
        .map_err(|error| Failure::of(&format!("write man pages into {}", dir.display()), &error))?;
    Ok(0)
}
