//! What can be typed to speak with the daemon? What can be typed behind kubectl, as far as it goes.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};

/// In which namespace.
#[derive(Debug, Args)]
pub(crate) struct Namespace {
    /// The namespace
    #[arg(
        id = "namespace",
        long = "namespace",
        short,
        value_name = "NAME",
        env = "OUTRIGGER_NAMESPACE",
        default_value = "default"
    )]
    pub(crate) name: String,
}

/// Which objects of a kind.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// In all namespaces
    #[arg(long, short = 'A')]
    pub(crate) all_namespaces: bool,
    /// Only objects with such labels, such as app=web,tier!=db
    #[arg(long = "selector", short = 'l', value_name = "SELECTOR")]
    pub(crate) labels: Option<String>,
    /// Only objects with such fields, such as status.phase=Running
    #[arg(long = "field-selector", value_name = "SELECTOR")]
    pub(crate) fields: Option<String>,
}

/// `outrigger apply`
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// Manifests of Pods, ConfigMaps, Secrets and Namespaces; `-` is standard input
    #[arg(
        long = "filename",
        short = 'f',
        required = true,
        value_name = "FILE",
        value_delimiter = ','
    )]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) namespace: Namespace,
    /// Only say what would be done: without asking the daemon, or after it has checked everything
    #[arg(long, value_name = "WHERE", default_value = "none", value_parser = ["none", "client", "server"])]
    pub(crate) dry_run: String,
    /// What about fields that nobody knows
    #[arg(long, value_name = "HOW", default_value = "strict", value_parser = ["strict", "warn", "ignore"])]
    pub(crate) validate: String,
    /// Print the objects instead: json, yaml, name or jsonpath=TEMPLATE
    #[arg(long, short, value_name = "FORMAT")]
    pub(crate) output: Option<String>,
}

/// `outrigger get`
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// TYPE [NAME…] or TYPE/NAME…; types are pods, configmaps, secrets, events, namespaces, nodes
    #[arg(required = true, value_name = "RESOURCE")]
    pub(crate) what: Vec<String>,
    #[command(flatten)]
    pub(crate) namespace: Namespace,
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// wide, json, yaml, name, jsonpath=TEMPLATE or custom-columns=HEADER:PATH,…
    #[arg(long, short, value_name = "FORMAT")]
    pub(crate) output: Option<String>,
    /// In the order of what stands there, such as .metadata.creationTimestamp
    #[arg(long, value_name = "PATH")]
    pub(crate) sort_by: Option<String>,
    /// Go on and print what changes
    #[arg(long, short)]
    pub(crate) watch: bool,
    /// Print only what changes from now on
    #[arg(long)]
    pub(crate) watch_only: bool,
    /// Print no line of headers
    #[arg(long)]
    pub(crate) no_headers: bool,
    /// Print the labels in a last column
    #[arg(long)]
    pub(crate) show_labels: bool,
    /// An object that is not there is no error
    #[arg(long)]
    pub(crate) ignore_not_found: bool,
}

/// `outrigger describe`
#[derive(Debug, Args)]
pub(crate) struct Describe {
    /// TYPE [NAME…] or TYPE/NAME…
    #[arg(required = true, value_name = "RESOURCE")]
    pub(crate) what: Vec<String>,
    #[command(flatten)]
    pub(crate) namespace: Namespace,
    #[command(flatten)]
    pub(crate) selection: Selection,
}

/// `outrigger logs`
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The Pod
    #[arg(value_name = "POD", required_unless_present = "selector")]
    pub(crate) pod: Option<String>,
    /// The container, if the Pod has several
    #[arg(value_name = "CONTAINER", conflicts_with = "container")]
    pub(crate) second: Option<String>,
    /// The logs of all Pods with such labels instead, the last 10 lines of each unless --tail says otherwise
    #[arg(long, short = 'l', value_name = "SELECTOR", conflicts_with = "pod")]
    pub(crate) selector: Option<String>,
    /// The container, if the Pod has several
    #[arg(long, short, value_name = "NAME")]
    pub(crate) container: Option<String>,
    #[command(flatten)]
    pub(crate) namespace: Namespace,
    /// Go on and print what is written from now on
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// The log of the container's instance before
    #[arg(long, short)]
    pub(crate) previous: bool,
    /// Only so many last lines; -1 for all
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) tail: Option<i64>,
    /// Only what is younger, such as 30s, 5m or 1h
    #[arg(long, value_name = "DUR", value_parser = crate::duration::parse)]
    pub(crate) since: Option<Duration>,
    /// Only what is younger than this time in RFC 3339
    #[arg(long, value_name = "TIME", conflicts_with = "since")]
    pub(crate) since_time: Option<String>,
    /// Not more than so many bytes
    #[arg(long, value_name = "N")]
    pub(crate) limit_bytes: Option<u64>,
    /// Begin each line with its time
    #[arg(long)]
    pub(crate) timestamps: bool,
    /// The logs of all containers
    #[arg(long)]
    pub(crate) all_containers: bool,
    /// Begin each line with its Pod and container
    #[arg(long)]
    pub(crate) prefix: bool,
}

/// `outrigger exec`
#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// The Pod
    #[arg(value_name = "POD")]
    pub(crate) pod: String,
    #[command(flatten)]
    pub(crate) streams: Streams,
    /// The command and its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// `outrigger attach`
#[derive(Debug, Args)]
pub(crate) struct Attach {
    /// The Pod
    #[arg(value_name = "POD")]
    pub(crate) pod: String,
    #[command(flatten)]
    pub(crate) streams: Streams,
}

/// What of the container's streams.
#[derive(Debug, Args)]
pub(crate) struct Streams {
    /// The container, if it is not the first one
    #[arg(long, short, value_name = "NAME")]
    pub(crate) container: Option<String>,
    #[command(flatten)]
    pub(crate) namespace: Namespace,
    /// Pass our standard input on
    #[arg(long, short = 'i')]
    pub(crate) stdin: bool,
    /// Give it a terminal
    #[arg(long, short)]
    pub(crate) tty: bool,
    /// Say nothing of our own
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// `outrigger delete`
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// TYPE NAME… or TYPE/NAME…
    #[arg(value_name = "RESOURCE", required_unless_present = "files")]
    pub(crate) what: Vec<String>,
    /// Delete what these manifests hold; `-` is standard input
    #[arg(
        long = "filename",
        short = 'f',
        value_name = "FILE",
        value_delimiter = ',',
        conflicts_with = "what"
    )]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) namespace: Namespace,
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// All objects of the type in the namespace
    #[arg(long)]
    pub(crate) all: bool,
    /// With a grace period of one second
    #[arg(long, conflicts_with_all = ["force", "grace_period"])]
    pub(crate) now: bool,
    /// Kill, and do not wait until everything is gone
    #[arg(long)]
    pub(crate) force: bool,
    /// Seconds between SIGTERM and SIGKILL; -1 for the Pod's own
    #[arg(long, value_name = "SECONDS", default_value_t = -1, allow_negative_numbers = true)]
    pub(crate) grace_period: i64,
    /// Whether to wait until they are gone
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", action = ArgAction::Set)]
    pub(crate) wait: Option<bool>,
    /// Do not wait any longer than this
    #[arg(long, value_name = "DUR", value_parser = crate::duration::parse)]
    pub(crate) timeout: Option<Duration>,
    /// An object that is not there is no error
    #[arg(long)]
    pub(crate) ignore_not_found: bool,
    /// `name` prints only names
    #[arg(long, short, value_name = "FORMAT", value_parser = ["name"])]
    pub(crate) output: Option<String>,
}

/// `outrigger events`
#[derive(Debug, Args)]
pub(crate) struct Events {
    #[command(flatten)]
    pub(crate) namespace: Namespace,
    /// In all namespaces
    #[arg(long, short = 'A')]
    pub(crate) all_namespaces: bool,
    /// Only those of one object, such as pod/web
    #[arg(long = "for", value_name = "TYPE/NAME")]
    pub(crate) of: Option<String>,
    /// Only those of these types: Normal, Warning
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    pub(crate) types: Vec<String>,
    /// Go on and print what happens
    #[arg(long, short)]
    pub(crate) watch: bool,
    /// Print no line of headers
    #[arg(long)]
    pub(crate) no_headers: bool,
}

/// `outrigger wait`
#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// TYPE NAME… or TYPE/NAME…
    #[arg(required = true, value_name = "RESOURCE")]
    pub(crate) what: Vec<String>,
    #[command(flatten)]
    pub(crate) namespace: Namespace,
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// All objects of the type in the namespace
    #[arg(long)]
    pub(crate) all: bool,
    /// condition=NAME[=VALUE], delete, create or jsonpath='{TEMPLATE}'[=VALUE]
    #[arg(long = "for", value_name = "WHAT")]
    pub(crate) until: String,
    /// Give up after this time; 0 looks once, and a negative one waits a week
    #[arg(
        long,
        value_name = "DUR",
        default_value = "30s",
        allow_hyphen_values = true
    )]
    pub(crate) timeout: String,
}

/// `outrigger port-forward`
#[derive(Debug, Args)]
pub(crate) struct PortForward {
    /// The Pod
    #[arg(value_name = "POD")]
    pub(crate) pod: String,
    /// LOCAL:REMOTE, REMOTE, or :REMOTE for any port here
    #[arg(required = true, value_name = "PORTS")]
    pub(crate) ports: Vec<String>,
    #[command(flatten)]
    pub(crate) namespace: Namespace,
    /// Where to listen
    #[arg(
        long,
        value_name = "ADDR",
        value_delimiter = ',',
        default_value = "localhost"
    )]
    pub(crate) address: Vec<String>,
}

/// `outrigger cp`
#[derive(Debug, Args)]
#[command(after_help = "The container needs the `tar` command.")]
pub(crate) struct Copy {
    /// What to copy: a path here, or [NAMESPACE/]POD:PATH
    #[arg(value_name = "FROM")]
    pub(crate) from: String,
    /// Where to: a path here, or [NAMESPACE/]POD:PATH
    #[arg(value_name = "TO")]
    pub(crate) to: String,
    /// The container, if it is not the first one
    #[arg(long, short, value_name = "NAME")]
    pub(crate) container: Option<String>,
    #[command(flatten)]
    pub(crate) namespace: Namespace,
}

/// `outrigger top`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Top {
    /// What Pods use
    #[command(visible_aliases = ["pods", "po"])]
    Pod(TopPod),
    /// What the machine uses
    #[command(visible_aliases = ["nodes", "no"])]
    Node {
        /// Print no line of headers
        #[arg(long)]
        no_headers: bool,
    },
}

/// `outrigger top pod`
#[derive(Debug, Args)]
pub(crate) struct TopPod {
    /// Only this one
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) namespace: Namespace,
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// A line for each container
    #[arg(long)]
    pub(crate) containers: bool,
    /// Print no line of headers
    #[arg(long)]
    pub(crate) no_headers: bool,
}

/// `outrigger system`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum System {
    /// Whether the daemon runs, what it is and where it works
    Info {
        /// Print it as JSON
        #[arg(long, short, value_name = "FORMAT", value_parser = ["json"])]
        output: Option<String>,
    },
    /// Delete Pods that have finished, and what no image and no Pod needs
    Prune {
        /// Do not ask
        #[arg(long, short)]
        force: bool,
        /// Remove images that no Pod uses, too
        #[arg(long, short)]
        all: bool,
    },
    /// Try a Pod again that is NotTakenUp, now instead of in an hour
    Retry {
        /// The Pod
        #[arg(value_name = "POD")]
        pod: String,
        #[command(flatten)]
        namespace: Namespace,
    },
}
