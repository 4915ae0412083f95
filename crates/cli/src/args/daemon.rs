//! What can be typed behind `outrigger daemon`?

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `outrigger daemon`
#[derive(Debug, Args)]
#[command(
    after_help = "SIGTERM and SIGINT end the daemon; its pods go on running, and the next daemon takes them up.\n\
                        RUST_LOG chooses what is logged, such as debug or outrigger_node=trace."
)]
pub(crate) struct Daemon {
    /// Run the Pods of the manifests in this folder; it is watched, and need not exist
    #[arg(
        long,
        value_name = "DIR",
        env = "OUTRIGGER_MANIFESTS",
        default_value = "/etc/outrigger/manifests"
    )]
    pub(crate) manifests: PathBuf,
    /// Serve the API at this address, to clients that have the kubeconfig's certificate
    #[arg(
        long,
        value_name = "ADDR",
        env = "OUTRIGGER_LISTEN",
        default_value = "127.0.0.1:6553"
    )]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) kubeconfig: Kubeconfig,
    /// Go on where pods have lived and the store of API objects is missing or empty: every pod with a readable record
    /// is put back into the store and goes on; ConfigMaps and Secrets are lost
    #[arg(long)]
    pub(crate) accept_empty_store: bool,
    /// How log lines look on stderr
    #[arg(
        long,
        value_name = "FORMAT",
        env = "OUTRIGGER_LOG_FORMAT",
        default_value = "text"
    )]
    pub(crate) log_format: LogFormat,
}

/// Where the kubeconfig is.
#[derive(Debug, Args)]
pub(crate) struct Kubeconfig {
    /// The kubeconfig for kubectl and others, written by the daemon
    #[arg(
        long = "kubeconfig",
        value_name = "FILE",
        env = "OUTRIGGER_KUBECONFIG",
        default_value = "/etc/outrigger/kubeconfig.yaml"
    )]
    pub(crate) path: PathBuf,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}
