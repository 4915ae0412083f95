//! What can be typed?

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use outrigger_node::Directories;

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

impl Places {
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
