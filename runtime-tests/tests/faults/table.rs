//! The table of what came of each fault.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

/// Up to this descriptor the table's is looked for in the processes in which the tests are run, which have inherited it
/// and can open nothing there by name.
const DESCRIPTORS: u32 = 16;
const HEAD: &str = "# The fault sweep\n\nWritten by `scripts/test runtime-tests/faults`.\n\n\
                    | file | fault | what the daemon did | the pod that runs | the pod that has finished |\n|---|---|---|---|---|\n";

/// Begins the table, where it can be written; it stays open as long as this process lives.
pub(crate) fn begin() {
    if std::env::args().any(|argument| argument.starts_with("--inside=")) {
        return;
    }
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
        sources.display().to_string()
    });
    let path = Path::new(&target).join("fault-sweep.md");
    let opened = File::create(&path).and_then(|mut file| {
        file.write_all(HEAD.as_bytes())?;
        fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty()))?;
        Ok(file)
    });
    match opened {
        Ok(file) => {
            // It is closed with this process, which has started all others by then.
            std::mem::forget(file);
        }
        // In the virtual machine the sources cannot be written; the host's table is the one that is read.
        Err(error) => println!("{}: {error}: the table is only printed", path.display()),
    }
}

/// Adds a row.
pub(crate) fn row(cells: [&str; 5]) {
    let line = format!(
        "| {} |\n",
        cells.map(|cell| cell.replace('|', "\\|")).join(" | ")
    );
    print!("{line}");
    for number in 3..DESCRIPTORS {
        let path = format!("/proc/self/fd/{number}");
        let is_table = std::fs::read_link(&path).is_ok_and(|file| file.ends_with("fault-sweep.md"));
        if is_table && let Ok(mut file) = File::options().append(true).open(&path) {
            // The same stands in the test's output.
            file.write_all(line.as_bytes()).ok();
            return;
        }
    }
}
