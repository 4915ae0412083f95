//! The shim: one small process a Pod, with one thread. It is the parent of the Pod's containers
//! and outlives the node. It holds the Pod's namespaces, starts containers and commands in them
//! when it is told to, writes their logs, and keeps their exit codes in a ledger on the disk.
//!
//! It decides nothing. Its README is the protocol's specification.

mod buffers;
mod clock;
mod container;
mod exec;
mod home;
mod launch;
mod ledger;
mod lent;
mod listener;
mod log_file;
mod orphans;
mod peer;
mod pod;
mod pump;
mod refusal;
mod release;
mod requests;
mod setup;
mod shim;
mod streams;
mod usage;

use std::error::Error;
use std::ffi::OsString;
use std::io::Write;
use std::os::fd::RawFd;

use setup::{Arguments, Door};

/// Runs a shim, given the arguments after `shim`; gives the process' exit code. It must be called
/// before the process has made a thread or opened a descriptor.
///
/// When it is ready it writes one byte to stdout and closes it. If it fails before that, it says
/// why on stderr.
pub fn main(args: impl IntoIterator<Item = OsString>) -> i32 {
    begin(args).unwrap_or_else(|error| tell(error.as_ref()))
}

/// Says what went wrong; gives the exit code.
fn tell(error: &dyn Error) -> i32 {
    // After it is ready this goes to /dev/null: the node sees the connection end.
    let _unread = writeln!(
        std::io::stderr(),
        "outrigger shim: {}",
        refusal::chain(error)
    );
    1
}

/// From now on a crash of this process, and no kill, leaves a byte in this file.
///
/// # Errors
/// If it cannot be seen to.
pub fn note_crashes(note: std::fs::File) -> std::io::Result<()> {
    outrigger_sys::crash::note_in(note).map_err(Into::into)
}

/// Gives memory that this process holds as free back to the machine.
pub fn relax() {
    outrigger_sys::memory::trim();
}

/// From now on memory that is free goes back to the machine early, for a process that has bursts.
pub fn give_back_early() {
    outrigger_sys::memory::give_back_early();
}

/// Begins this program again from a mount through which its file cannot be written, if it runs from
/// one that can be. A shim does so itself, which costs it a millisecond; a daemon that does it once,
/// before anything else, and starts its shims as `/proc/self/exe` spares them that.
///
/// # Errors
/// Where the kernel refuses.
pub fn begin_unwritable() -> std::io::Result<()> {
    outrigger_sys::exec::again_unwritable().map_err(Into::into)
}

/// Becomes a shim, here or at home; gives the exit code.
fn begin(args: impl IntoIterator<Item = OsString>) -> Result<i32, Box<dyn Error>> {
    let arguments = Arguments::parse(args)?;
    setup::protect()?;
    let life = |news| match serve(&arguments, news) {
        Ok(()) => 0,
        Err(error) => tell(error.as_ref()),
    };
    Ok(match &arguments.home {
        Some(home) => home::live_at(home, life),
        None => life(None),
    })
}

fn serve(arguments: &Arguments, news: Option<RawFd>) -> Result<(), Box<dyn Error>> {
    let (inherited, journey) = setup::adopt(&arguments.door, news)?;
    let children = setup::part()?;
    let ledger = ledger::Ledger::open(&arguments.ledger, outrigger_sys::clock::boot_ns())?;
    let listener = match (&arguments.door, inherited) {
        (Door::Path(path), _) => listener::Listener::bind(path)?,
        (Door::Inherited(_), Some(socket)) => listener::Listener::inherited(socket)?,
        (Door::Inherited(_), None) => return Err("the inherited socket was lost".into()),
    };
    if let Err(gone) = setup::announce() {
        listener.unlink()?;
        return Err(gone.into());
    }
    if let Some(journey) = journey {
        journey.arrive()?;
    }
    shim::Shim::new(listener, children, ledger).run()?;
    Ok(())
}
