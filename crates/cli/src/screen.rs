//! What reaches the terminal, and how does it look there? Container output goes to stdout from the
//! thread that follows the logs; everything else goes to stderr through a thread of its own, so that
//! a terminal that is stopped stops no Pod.

use std::collections::BTreeMap;
use std::io::{BufWriter, IsTerminal, Stdout, Write};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use outrigger_node::{Sink, Source, Stream};

use crate::failure::Failure;

/// Six colours that can be read on dark and on light grounds.
const COLOURS: [&str; 6] = ["36", "33", "32", "35", "34", "31"];

/// Whether to colour what is written to a stream.
pub(crate) fn coloured(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Prints an error that ends the program.
pub(crate) fn error(text: &str) {
    // There is nobody left to tell if this fails.
    writeln!(std::io::stderr(), "{}", text.trim_end()).ok();
}

/// Prints what was asked for. A reader that went away is no error.
pub(crate) fn output(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::of("write to stdout", &error))
        }
        _ => Ok(()),
    }
}

/// Container output on stdout, each line behind its container's name.
pub(crate) struct Columns {
    out: BufWriter<Stdout>,
    prefixes: BTreeMap<Source, String>,
    broken: bool,
}

impl Columns {
    /// Names all containers that will ever speak.
    pub(crate) fn new(names: Vec<(Source, String)>) -> Columns {
        let out = std::io::stdout();
        let width = names.iter().map(|(_, name)| name.len()).max().unwrap_or(0);
        let colour = coloured(&out);
        let prefix = |(index, (source, name)): (usize, (Source, String))| {
            let code = COLOURS[index % COLOURS.len()];
            let text = format!("{name:<width$} |");
            (
                source,
                if colour {
                    format!("\x1b[{code}m{text}\x1b[0m ")
                } else {
                    format!("{text} ")
                },
            )
        };
        let prefixes = names.into_iter().enumerate().map(prefix).collect();
        Columns {
            out: BufWriter::with_capacity(64 << 10, out),
            prefixes,
            broken: false,
        }
    }

    fn write(&mut self, source: &Source, text: &[u8]) -> std::io::Result<()> {
        self.out.write_all(
            self.prefixes
                .get(source)
                .map_or("", String::as_str)
                .as_bytes(),
        )?;
        self.out.write_all(text)?;
        self.out.write_all(b"\n")
    }
}

impl Sink for Columns {
    fn line(&mut self, source: &Source, _stream: Stream, text: &[u8]) {
        if !self.broken {
            self.broken = self.write(source, text).is_err();
        }
    }

    fn rest(&mut self) {
        if !self.broken {
            // A reader that went away does not end the Pods; it only hears no more.
            self.broken = self.out.flush().is_err();
        }
    }
}

/// Lines on stderr, in order, without waiting for whoever reads them.
pub(crate) struct Teller {
    lines: Option<Sender<String>>,
    thread: Option<JoinHandle<()>>,
}

impl Teller {
    /// Starts the thread.
    pub(crate) fn start() -> std::io::Result<Teller> {
        let (lines, inbox) = channel::<String>();
        let thread = std::thread::Builder::new()
            .name("outrigger-story".to_owned())
            .spawn(move || {
                for line in inbox {
                    if writeln!(std::io::stderr(), "{line}").is_err() {
                        return;
                    }
                }
            })?;
        Ok(Teller {
            lines: Some(lines),
            thread: Some(thread),
        })
    }

    /// Where lines can be put in.
    pub(crate) fn lines(&self) -> Option<Sender<String>> {
        self.lines.clone()
    }

    /// Waits until everything is written. All senders must be gone.
    pub(crate) fn finish(mut self) {
        self.lines = None;
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
