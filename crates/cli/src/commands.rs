//! From what was typed to what is done, one file a verb.

mod apply;
mod check;
mod completion;
mod copy;
mod daemon;
mod delete;
mod describe;
mod events;
mod exec;
mod get;
mod image;
mod kubeconfig;
mod logs;
mod man;
mod port_forward;
mod run;
mod session;
mod system;
mod top;
mod wait;

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
    // The daemon has diagnostics of its own.
    if !matches!(line.verb, Verb::Daemon(_)) {
        diagnostics();
    }
    let done = match &line.verb {
        Verb::Run(run) => run::run(&line.places, run),
        Verb::Daemon(daemon) => daemon::daemon(&line.places, daemon),
        Verb::Apply(apply) => apply::apply(&line.places, apply),
        Verb::Get(get) => get::get(&line.places, get),
        Verb::Describe(describe) => describe::describe(&line.places, describe),
        Verb::Logs(logs) => logs::logs(&line.places, logs),
        Verb::Exec(exec) => exec::exec(&line.places, exec),
        Verb::Attach(attach) => exec::attach(&line.places, attach),
        Verb::Delete(delete) => delete::delete(&line.places, delete),
        Verb::Events(events) => events::events(&line.places, events),
        Verb::Wait(wait) => wait::wait(&line.places, wait),
        Verb::PortForward(forward) => port_forward::port_forward(&line.places, forward),
        Verb::Cp(copy) => copy::copy(&line.places, copy),
        Verb::Top(top) => top::top(&line.places, top),
        Verb::Kubeconfig(kubeconfig) => kubeconfig::kubeconfig(kubeconfig),
        Verb::System(system) => system::system(&line.places, system),
        Verb::Check(check) => check::check(check),
        Verb::Image(image) => image::image(&line.places, image),
        Verb::Completion { shell } => completion::completion(*shell),
        Verb::Man { dir } => man::man(dir),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(Failure(text)) => {
            crate::screen::error(&text);
            ExitCode::from(line.verb.own_error())
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
