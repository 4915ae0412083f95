//! Where does a manifest's text come from? From files, or from standard input.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use outrigger_pod::manifest::{self, Manifest, Rejected, SourceFile};

use crate::failure::Failure;

/// One byte more than a manifest may have, so that a longer one is noticed and not cut.
const LIMIT: u64 = (1 << 20) + 1;

/// Reads all files and what they hold, with the pictures of everything that is wrong with them.
pub(crate) fn read(
    files: &[PathBuf],
    coloured: bool,
) -> Result<(Vec<SourceFile>, Manifest), Failure> {
    let sources = files
        .iter()
        .map(|path| source(path))
        .collect::<Result<Vec<_>, _>>()?;
    match manifest::read(&sources, &mut outrigger_node::fresh_uid) {
        Ok(manifest) => Ok((sources, manifest)),
        Err(rejected) => Err(Failure(picture(&sources, &rejected, coloured))),
    }
}

/// The pictures of what is wrong.
/// The pictures of what is wrong.
pub(crate) fn picture(sources: &[SourceFile], rejected: &Rejected, coloured: bool) -> String {
    let pictures = outrigger_pod::render::problems(
        sources,
        &rejected.problems,
        outrigger_pod::render::Severity::Error,
        coloured,
    );
    format!("{}\n\nerror: {rejected}", pictures.trim_end())
}

/// The text of a file, or of standard input.
/// The text of a file, or of standard input.
pub(crate) fn source(path: &Path) -> Result<SourceFile, Failure> {
    let mut bytes = Vec::new();
    let (name, read) = if path == Path::new("-") {
        (
            "<stdin>".to_owned(),
            std::io::stdin().lock().take(LIMIT).read_to_end(&mut bytes),
        )
    } else {
        let read = File::open(path).and_then(|file| file.take(LIMIT).read_to_end(&mut bytes));
        (path.display().to_string(), read)
    };
    read.map_err(|error| Failure::of(&format!("read {name}"), &error))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        Failure::say(format!("read {name}: line {line} is not UTF-8 text"))
    })?;
    Ok(SourceFile { name, text })
}
