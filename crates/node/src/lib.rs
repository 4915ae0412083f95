//! Who makes the planner's steps happen? The node: it feeds what happens to
//! `outrigger_lifecycle::plan`, carries out the steps it answers with, and shows the status.
//!
//! Start reading at [`Node::run`], the loop; `perform.rs` is the list of what can be done.

mod adopt;
mod awaited;
mod beneath;
mod clock;
mod daemon;
mod directories;
mod ends;
mod hands;
mod hooks;
mod host;
mod instances;
mod lock;
mod log_folder;
mod logs;
mod names;
mod node;
mod open_files;
mod own_file;
mod perform;
mod preflight;
mod probe;
mod probing;
mod record;
mod release;
mod residents;
mod resizing;
mod sandbox;
#[cfg(test)]
mod scratch;
mod settings;
mod shim;
mod sources;
mod start;
mod status;
mod sweep;
mod termination;
mod volumes;

pub use adopt::{Left, Lived};
pub use clock::{WallClock, now};
pub use daemon::{DaemonSettings, daemon};
pub use directories::Directories;
pub use instances::fresh_uid;
pub use logs::{Sink, Source};
pub use node::{Adopted, Finished, Handle, Node, Observer, Remark, Telling};
// Whoever shows a Pod's life needs the planner's words, and nothing else of it.
pub use outrigger_lifecycle::{
    Because, Ending, Exit, ExitReason, Fact, HookKind, Life, Outcome, Phase, Seen, State, Status,
    Step, StopCause, Time,
};
pub use outrigger_wire::Lease;
pub use outrigger_wire::cri_log::Stream;
pub use preflight::Missing;
pub use settings::Settings;
pub use shim::Program;
pub use status::phase_word;
