//! `outrigger daemon`: this machine's node, until it is told to end.

use std::io::IsTerminal;

use outrigger_node::{DaemonSettings, Lease, Program, Settings};
use outrigger_pod::Objects;
use tracing_subscriber::EnvFilter;

use crate::args::{Daemon, LogFormat, Places};
use crate::failure::Failure;

/// Runs the daemon.
pub(crate) fn daemon(places: &Places, daemon: &Daemon) -> Result<u8, Failure> {
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::say(
            "the daemon makes namespaces, mounts and cgroups, which only root may do; \
             run the same command with sudo, or `systemctl start outrigger`",
        ));
    }
    diagnostics(daemon.log_format)?;
    // Before there are threads, each of which keeps some of it.
    outrigger_shim::give_back_early();
    let absolute = |path| {
        std::path::absolute(path).map_err(|error| Failure::of("find the current directory", &error))
    };
    let directories = places
        .directories()
        .map_err(|error| Failure::of("find the current directory", &error))?;
    let settings = DaemonSettings {
        relax: outrigger_shim::relax,
        socket: places.socket()?,
        manifests: absolute(&daemon.manifests)?,
        listen: daemon.listen,
        accept_empty_store: daemon.accept_empty_store,
        kubeconfig: absolute(&daemon.kubeconfig.path)?,
        settings: Settings {
            directories,
            cgroup: std::env::var("OUTRIGGER_CGROUP").unwrap_or_else(|_| "/outrigger".to_owned()),
            shim: Program::this(),
            lease: Lease::Forever,
            objects: Objects::default(),
            note_crashes: Some(outrigger_shim::note_crashes),
        },
    };
    // One thread: the memory of an idle daemon is what every machine pays.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::of("start the runtime", &error))?;
    let ended = runtime.block_on(outrigger_node::daemon(settings));
    // What still waits in a task is taken up again by the next daemon.
    runtime.shutdown_background();
    ended.map_err(Failure::say)?;
    Ok(0)
}

/// Log lines on stderr, from `info` on unless `RUST_LOG` says something else.
fn diagnostics(format: LogFormat) -> Result<(), Failure> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(wanted) if !wanted.is_empty() => {
            EnvFilter::try_new(wanted).map_err(|error| Failure::of("read RUST_LOG", &error))?
        }
        _ => EnvFilter::new("info"),
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(crate::screen::coloured(&std::io::stderr()))
        .with_writer(std::io::stderr);
    match format {
        // The journal writes the time beside each line itself.
        LogFormat::Text if is_journal() => lines.without_time().init(),
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(())
}

/// Whether the service manager has tied our stderr to its journal.
fn is_journal() -> bool {
    std::env::var_os("JOURNAL_STREAM").is_some() && !std::io::stderr().is_terminal()
}
