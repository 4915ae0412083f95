//! How does what a container writes come into its log?

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use outrigger_wire::cri_log::{Stream, Writer};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

use crate::buffers::{Buffers, WRITE_BYTES};
use crate::log_file::LogFile;

/// The size of the pipe of a container that writes much.
const BUSY_PIPE_BYTES: usize = 1 << 20;
/// How many reads one stream gets before the next one has its turn.
const READS_A_TURN: usize = 16;

/// A pipe whose end for reading never blocks: that end, and the one for writing.
pub(crate) fn pipe() -> Result<(OwnedFd, OwnedFd), PipeError> {
    let made = pipe_with(PipeFlags::CLOEXEC).and_then(|(reading, writing)| {
        rustix::io::ioctl_fionbio(&reading, true)?;
        Ok((reading, writing))
    });
    made.map_err(|errno| PipeError(errno.into()))
}

/// A pipe whose end for writing never blocks: the end for reading, and that one.
pub(crate) fn pipe_to_write() -> Result<(OwnedFd, OwnedFd), PipeError> {
    let made = pipe_with(PipeFlags::CLOEXEC).and_then(|(reading, writing)| {
        rustix::io::ioctl_fionbio(&writing, true)?;
        Ok((reading, writing))
    });
    made.map_err(|errno| PipeError(errno.into()))
}

/// There is no pipe for what a process writes.
#[derive(Debug, thiserror::Error)]
#[error("make a pipe for the output in the shim; has it too many open files?")]
pub(crate) struct PipeError(#[source] io::Error);

/// One output of a container, until all who could write to it are gone.
#[derive(Debug)]
struct Source {
    pipe: Option<OwnedFd>,
    writer: Writer,
    busy: bool,
    /// Whether others hold the same open file.
    shared: bool,
    listeners: Vec<OwnedFd>,
}

/// Both outputs of a container and its log.
#[derive(Debug)]
pub(crate) struct Pump {
    sources: [Source; 2],
    log: LogFile,
}

impl Pump {
    /// A pump from these pipes into the log. A terminal has one output.
    pub(crate) fn new(stdout: OwnedFd, stderr: Option<OwnedFd>, log: LogFile) -> Pump {
        let shared = stderr.is_none();
        let source = |pipe, stream| Source {
            pipe,
            writer: Writer::new(stream),
            busy: false,
            shared,
            listeners: Vec::new(),
        };
        Pump {
            sources: [
                source(Some(stdout), Stream::Stdout),
                source(stderr, Stream::Stderr),
            ],
            log,
        }
    }

    /// A pipe that gets a copy of what comes from now on, until the output ends or the pipe is full.
    /// The kernel keeps up to a mebibyte for a reader that is slow, and nothing waits for one.
    pub(crate) fn listen(&mut self, stream: Stream) -> Result<OwnedFd, PipeError> {
        let (reading, writing) = pipe_to_write()?;
        let source = &mut self.sources[usize::from(stream == Stream::Stderr)];
        // Only a wish, as for a container's own pipe.
        let _refused = fcntl_setpipe_size(&writing, BUSY_PIPE_BYTES);
        if source.pipe.is_some() {
            source.listeners.push(writing);
        }
        Ok(reading)
    }

    /// How many pipes get copies.
    pub(crate) fn listeners(&self) -> usize {
        self.sources.iter().map(|one| one.listeners.len()).sum()
    }

    /// The pipes that get copies, to see when nobody reads them any more.
    pub(crate) fn ears(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let sources = self.sources.iter();
        sources.flat_map(|source| source.listeners.iter().map(AsFd::as_fd))
    }

    /// Lets go of the pipes that nobody reads.
    pub(crate) fn forget_the_gone(&mut self) {
        for source in &mut self.sources {
            source.listeners.retain(is_read);
        }
    }

    /// The pipes to wait for, with the index that [`Pump::turn`] wants.
    pub(crate) fn pipes(&self) -> impl Iterator<Item = (usize, BorrowedFd<'_>)> {
        let sources = self.sources.iter().enumerate();
        sources.filter_map(|(index, source)| Some((index, source.pipe.as_ref()?.as_fd())))
    }

    /// Reads what is there, up to a fair share, and logs it.
    pub(crate) fn turn(&mut self, index: usize, buffers: &mut Buffers) {
        let Some(source) = self.sources.get_mut(index) else {
            return;
        };
        for _ in 0..READS_A_TURN {
            if !source.read_once(&mut self.log, buffers) {
                return;
            }
        }
    }

    /// Logs all that is left, and closes the pipes. To be called when nobody writes any more.
    pub(crate) fn drain(&mut self, buffers: &mut Buffers) {
        for source in &mut self.sources {
            while source.read_once(&mut self.log, buffers) {}
            source.pipe = None;
            source.listeners = Vec::new();
            buffers.time.set(outrigger_sys::clock::wall_ns());
            source.writer.finish(&buffers.time, &mut buffers.output);
            self.log.write(&buffers.output, &buffers.time);
            buffers.output.clear();
        }
    }

    /// Gives back memory that long lines needed.
    pub(crate) fn shrink(&mut self) {
        self.sources
            .iter_mut()
            .for_each(|source| source.writer.shrink());
    }
}

/// Whether the other end of a pipe is open. If that cannot be told the next write will tell.
fn is_read(pipe: &OwnedFd) -> bool {
    !state(pipe, PollFlags::empty()).contains(PollFlags::ERR)
}

/// What can be done with a descriptor right now.
fn state(descriptor: &OwnedFd, wanted: PollFlags) -> PollFlags {
    let mut polled = [PollFd::new(descriptor, wanted)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    match poll(&mut polled, Some(&now)) {
        Ok(_) => polled[0].revents(),
        Err(_) => PollFlags::empty(),
    }
}

impl Source {
    /// Reads once and logs it; says whether there may be more.
    fn read_once(&mut self, log: &mut LogFile, buffers: &mut Buffers) -> bool {
        let Some(pipe) = &self.pipe else { return false };
        // Who is attached shares a terminal with us, and may have made it one that blocks.
        if self.shared && state(pipe, PollFlags::IN).is_empty() {
            return false;
        }
        buffers.prepare();
        let count = match read(pipe, &mut buffers.input) {
            // A terminal that no program has open any more says EIO.
            Ok(0) | Err(Errno::IO) => {
                self.pipe = None;
                self.listeners = Vec::new();
                return false;
            }
            Ok(count) => count,
            Err(Errno::INTR) => return true,
            Err(_) => return false,
        };
        if buffers.is_filled_by(count) && !self.busy {
            self.busy = true;
            // Only a wish: an unprivileged shim has a limit on the size of all its pipes.
            let _refused = fcntl_setpipe_size(pipe, BUSY_PIPE_BYTES);
        }
        buffers.time.set(outrigger_sys::clock::wall_ns());
        let mut rest = &buffers.input[..count];
        // Who has not room for all of it would miss the middle of something: it is cut off instead.
        self.listeners
            .retain(|pipe| rustix::io::write(pipe, rest) == Ok(count));
        while !rest.is_empty() {
            rest = self
                .writer
                .push(rest, &buffers.time, &mut buffers.output, WRITE_BYTES);
            log.write(&buffers.output, &buffers.time);
            buffers.output.clear();
        }
        true
    }
}

#[cfg(test)]
mod tests;
