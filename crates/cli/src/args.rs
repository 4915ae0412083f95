//! What can be typed?

mod client;
mod daemon;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use outrigger_node::Directories;

use crate::failure::{Failure, OWN_ERROR};

pub(crate) use client::{
    Apply, Attach, Copy, Delete, Describe, Events, Exec, Get, Logs, PortForward, Selection,
    Streams, System, Top, TopPod, Wait,
};
pub(crate) use daemon::{Daemon, Kubeconfig, LogFormat};

/// Run Kubernetes Pods on this machine, without a cluster.
#[derive(Debug, Parser)]
#[command(name = "outrigger", version, about, max_term_width = 100)]
pub(crate) struct Line {
    #[command(flatten)]
    pub(crate) places: Places,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Where things are kept.
#[derive(Debug, Args)]
pub(crate) struct Places {
    /// Keep images and what containers write below this directory
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "OUTRIGGER_ROOT",
        default_value = "/var/lib/outrigger"
    )]
    root: PathBuf,
    /// Keep sockets, bundles and Secrets below this directory; best a tmpfs
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "OUTRIGGER_STATE",
        default_value = "/run/outrigger"
    )]
    state: PathBuf,
    /// Write container logs below this directory
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "OUTRIGGER_LOGS",
        default_value = "/var/log/pods"
    )]
    logs: PathBuf,
}

impl Verb {
    /// The exit code of an error of ours: kubectl's, where the command is one of kubectl's.
    pub(crate) fn own_error(&self) -> u8 {
        match self {
            Verb::Run(_)
            | Verb::Check(_)
            | Verb::Image(_)
            | Verb::Completion { .. }
            | Verb::Man { .. } => OWN_ERROR,
            _ => 1,
        }
    }
}

impl Places {
    /// The daemon's unix socket, for our own commands.
    pub(crate) fn socket(&self) -> Result<PathBuf, Failure> {
        let path = std::path::absolute(self.state.join("api.sock"));
        path.map_err(|error| Failure::of("find the current directory", &error))
    }

    /// The directories with absolute paths: a Pod's shim works in `/`.
    pub(crate) fn directories(&self) -> std::io::Result<Directories> {
        Ok(Directories {
            root: std::path::absolute(&self.root)?,
            state: std::path::absolute(&self.state)?,
            logs: std::path::absolute(&self.logs)?,
        })
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run Pods here and now: their logs on stdout, their lives on stderr, their exit code as ours
    Run(Run),
    /// Be this machine's node: run the Pods of a folder and those that clients such as kubectl create
    Daemon(Daemon),
    /// Make objects what manifests say
    Apply(Apply),
    /// Print objects
    Get(Get),
    /// Print all about an object, with its Events
    Describe(Describe),
    /// Print what containers have written
    Logs(Logs),
    /// Run a command in a container
    Exec(Exec),
    /// Take part in the streams of what runs in a container
    Attach(Attach),
    /// Delete objects
    Delete(Delete),
    /// Print what has happened
    Events(Events),
    /// Wait until something is the case
    Wait(Wait),
    /// Listen here, and connect whoever comes with a port of a Pod
    PortForward(PortForward),
    /// Copy files from or to a container
    Cp(Copy),
    /// Print what Pods and the machine use
    #[command(subcommand)]
    Top(Top),
    /// Print the kubeconfig for kubectl and others
    Kubeconfig(Kubeconfig),
    /// Look at the daemon, and clean up
    #[command(subcommand)]
    System(System),
    /// Read manifests and say of every field whether it is honoured, ignored or refused
    Check(Check),
    /// Keep images on this machine
    #[command(subcommand)]
    Image(Image),
    /// Print a completion script for a shell
    Completion {
        /// Which shell
        shell: Shell,
    },
    /// Write the man pages of all commands into a directory
    #[command(hide = true)]
    Man {
        /// Where to; it is made if it is missing
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
}

/// `outrigger run`
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code: 0 if every pod succeeded, the code of the main container that failed first \
                        if one failed, 124 after --timeout, 125 for a bad manifest or an error of our own.\n\
                        Ctrl-C deletes the pods within their grace period; a second one kills them."
)]
pub(crate) struct Run {
    /// Manifests: Pods with their ConfigMaps and Secrets; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Delete the pods after this time, such as 30s, 5m or 1h30m, and exit with 124
    #[arg(long, value_name = "DUR", value_parser = crate::duration::parse)]
    pub(crate) timeout: Option<Duration>,
    /// Write the final Pod with its status to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) status_file: Option<PathBuf>,
    /// Say nothing of the pods' lives but what went wrong
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// `outrigger check`
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Manifests; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

/// `outrigger image`
#[derive(Debug, Subcommand)]
pub(crate) enum Image {
    /// Load the images of an OCI or Docker archive
    Load {
        /// The archive; `-` is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// List the images
    Ls,
    /// Remove images
    Rm {
        /// Their names
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Line;

    #[test]
    fn the_command_line_is_well_made_down_to_the_last_option() {
        Line::command().debug_assert();
    }
}
