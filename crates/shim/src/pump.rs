//! How does what a container writes come into its log?

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use outrigger_wire::cri_log::{Stream, Writer};
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
}

/// Both outputs of a container and its log.
#[derive(Debug)]
pub(crate) struct Pump {
    sources: [Source; 2],
    log: LogFile,
}

impl Pump {
    /// A pump from these pipes into the log.
    pub(crate) fn new(stdout: OwnedFd, stderr: OwnedFd, log: LogFile) -> Pump {
        let source = |pipe, stream| Source {
            pipe: Some(pipe),
            writer: Writer::new(stream),
            busy: false,
        };
        Pump {
            sources: [
                source(stdout, Stream::Stdout),
                source(stderr, Stream::Stderr),
            ],
            log,
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

impl Source {
    /// Reads once and logs it; says whether there may be more.
    fn read_once(&mut self, log: &mut LogFile, buffers: &mut Buffers) -> bool {
        let Some(pipe) = &self.pipe else { return false };
        buffers.prepare();
        let count = match read(pipe, &mut buffers.input) {
            Ok(0) => {
                self.pipe = None;
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
