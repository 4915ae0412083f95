//! `outrigger check FILE…`: what becomes of every field.

use std::collections::BTreeMap;

use outrigger_pod::support::{Field, Support};

use crate::args::Check;
use crate::failure::Failure;
use crate::{screen, sources};

/// Prints every field and what becomes of it.
pub(crate) fn check(check: &Check) -> Result<u8, Failure> {
    let out = std::io::stdout();
    let (_, manifest) = sources::read(&check.files, screen::coloured(&std::io::stderr()))?;
    let coloured = screen::coloured(&out);
    let mut text = String::new();
    let mut files: BTreeMap<&str, Vec<&Field>> = BTreeMap::new();
    for field in &manifest.fields {
        files.entry(&field.file).or_default().push(field);
    }
    for (file, fields) in files {
        let width = fields
            .iter()
            .map(|field| field.path.len())
            .max()
            .unwrap_or(0);
        text.push_str(&format!("{file}\n"));
        for field in fields {
            text.push_str(&line(field, width, coloured));
        }
    }
    text.push_str(&summary(&manifest.fields, manifest.pods.len()));
    screen::output(text.as_bytes())?;
    Ok(0)
}

fn line(field: &Field, width: usize, coloured: bool) -> String {
    let (word, colour, why) = match &field.support {
        Support::Honoured => ("honoured", "32", ""),
        Support::Bookkeeping => ("kept", "2", "Kubernetes writes it itself"),
        Support::ByDaemon(why) => ("daemon", "33", *why),
        Support::Ignored(why) => ("ignored", "33", *why),
        Support::Refused(why) => ("refused", "31", *why),
    };
    let place = field
        .place
        .map_or_else(String::new, |place| place.line.to_string());
    let padded = format!("{word:<8}");
    let word = if coloured {
        format!("\x1b[{colour}m{padded}\x1b[0m")
    } else {
        padded
    };
    let line = format!("{place:>5}  {:<width$}  {word}  {why}", field.path);
    format!("{}\n", line.trim_end())
}

fn summary(fields: &[Field], pods: usize) -> String {
    let count =
        |wanted: fn(&Support) -> bool| fields.iter().filter(|field| wanted(&field.support)).count();
    format!(
        "{pods} pod{}: {} fields honoured, {} ignored\n",
        if pods == 1 { "" } else { "s" },
        count(|support| matches!(support, Support::Honoured | Support::Bookkeeping)),
        count(|support| matches!(support, Support::ByDaemon(_) | Support::Ignored(_))),
    )
}
