//! What does a process look like that is a shim and nothing else? For tests and measurements.

use std::process::ExitCode;

fn main() -> ExitCode {
    let code = outrigger_shim::main(std::env::args_os().skip(1));
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}
