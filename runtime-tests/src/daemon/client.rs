//! How does a test use the real kubectl?

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Daemon, Said, Speaking, spoken};
use crate::{Failure, Verdict};

/// kubectl with a daemon's kubeconfig.
#[derive(Debug)]
pub struct Kubectl<'a> {
    daemon: &'a Daemon,
    program: PathBuf,
}

impl Daemon {
    /// kubectl for this daemon.
    ///
    /// # Errors
    /// A skip if it is not installed.
    pub fn kubectl(&self) -> Result<Kubectl<'_>, Failure> {
        let program = installed()
            .ok_or_else(|| Failure::Skipped("kubectl 1.32 or newer is not installed".to_owned()))?;
        Ok(Kubectl {
            daemon: self,
            program,
        })
    }
}

impl Kubectl<'_> {
    /// A command to be started by the test.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env("KUBECONFIG", &self.daemon.kubeconfig)
            .env("HOME", self.daemon.work.join("home"))
            .env("NO_COLOR", "1")
            .current_dir(&self.daemon.work);
        command
    }

    /// The command as one line for a shell, its environment with it.
    #[must_use]
    pub fn line(&self, arguments: &str) -> String {
        format!(
            "KUBECONFIG={} HOME={} {} {arguments}",
            self.daemon.kubeconfig.display(),
            self.daemon.work.join("home").display(),
            self.program.display()
        )
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// If it hangs.
    pub fn run(&self, arguments: &[&str]) -> Result<Said, Failure> {
        spoken(&mut self.command(arguments), None)
    }

    /// Runs the words of a line to their end, which must be a good one; gives its standard output.
    ///
    /// # Errors
    /// If it fails; with the daemon's log.
    pub fn good(&self, line: &str) -> Result<String, Failure> {
        let words: Vec<&str> = line.split(' ').collect();
        let said = self.run(&words)?;
        crate::ensure!(
            said.code == 0,
            "{}\n--- daemon\n{}",
            said.shown(),
            self.daemon.log_text()
        );
        Ok(said.out)
    }

    /// Runs the words of a line, which must fail and say all of this.
    ///
    /// # Errors
    /// If it does not.
    pub fn refused(&self, line: &str, texts: &[&str]) -> Verdict {
        let words: Vec<&str> = line.split(' ').collect();
        let said = self.run(&words)?;
        crate::ensure!(said.code != 0, "it should have failed: {}", said.shown());
        texts.iter().try_for_each(|text| said.says(text))
    }

    /// Applies a manifest; gives what kubectl says.
    ///
    /// # Errors
    /// If it fails.
    pub fn apply(&self, manifest: &str) -> Result<String, Failure> {
        self.with_stdin(&["apply", "-f", "-"], manifest)?.ended(0)
    }

    /// Runs it with a text on its standard input.
    ///
    /// # Errors
    /// If it hangs.
    pub fn with_stdin(&self, arguments: &[&str], text: &str) -> Result<Said, Failure> {
        spoken(&mut self.command(arguments), Some(text))
    }

    /// Starts it.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(&self, arguments: &[&str]) -> Result<Speaking, Failure> {
        Speaking::start(&mut self.command(arguments))
    }

    /// Starts it in a terminal of this size; what is written goes to the terminal.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn in_terminal(&self, size: (u16, u16), arguments: &str) -> Result<Speaking, Failure> {
        let (rows, columns) = size;
        let tty = self.daemon.work.join("tty");
        let line = format!(
            "tty > {}; stty rows {rows} cols {columns}; {}; echo ended with $?",
            tty.display(),
            self.line(arguments)
        );
        Speaking::start(
            Command::new("script")
                .args(["-qefc", &line, "/dev/null"])
                .env("SHELL", "/bin/sh")
                .env("TERM", "xterm"),
        )
    }

    /// Changes the size of the terminal that was made last.
    ///
    /// # Errors
    /// If it cannot.
    pub fn resize_terminal(&self, (rows, columns): (u16, u16)) -> Verdict {
        let tty = std::fs::read_to_string(self.daemon.work.join("tty"))?;
        let (rows, columns) = (rows.to_string(), columns.to_string());
        let words = ["-F", tty.trim(), "rows", &rows, "cols", &columns];
        spoken(Command::new("stty").args(words), None)?.ended(0)?;
        Ok(())
    }
}

/// The one that is installed. A package may hide several versions behind one program that chooses by the
/// server's; then the very one that we want to hear is taken.
fn installed() -> Option<PathBuf> {
    let found = ["/usr/local/bin/kubectl", "/usr/bin/kubectl"]
        .iter()
        .find_map(|path| Path::new(path).canonicalize().ok())?;
    let own = found.with_file_name("kubectl.1.32");
    Some(if own.exists() { own } else { found })
}
