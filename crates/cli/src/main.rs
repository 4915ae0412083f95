//! The `outrigger` command. One file is everything: called as `outrigger shim` it is a Pod's shim,
//! before anything else of a larger program has started.

mod args;
mod client;
mod commands;
mod describe;
mod duration;
mod failure;
mod kinds;
mod manifests;
mod print;
mod screen;
mod sources;
mod story;
mod terminal;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == "shim") {
        return ExitCode::from(u8::try_from(outrigger_shim::main(words)).unwrap_or(1));
    }
    commands::main()
}
