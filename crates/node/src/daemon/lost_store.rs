//! Is the store of API objects lost? Where Pods have lived there was one: a daemon that began with an empty one would
//! take every Pod for one that nobody wants.

use std::path::Path;

use crate::adopt;
use crate::directories::Directories;
use crate::lock;
use crate::shim;

/// How many Pods a message names.
const NAMED: usize = 5;

/// Refuses to go on where Pods have lived and the store is missing or empty, unless that is `accepted`. Says whether
/// the store begins empty beside Pods that have lived.
///
/// # Errors
/// That refusal, with what to do.
pub(crate) fn check(directories: &Directories, accepted: bool) -> Result<bool, String> {
    let store = directories.root.join("objects.redb");
    let problem = match store.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "is missing",
        Ok(found) if found.is_file() && found.len() == 0 => "is empty",
        // Whatever else there is, opening it tells.
        _ => return Ok(false),
    };
    let recorded = adopt::recorded(&directories.root)?;
    let recorded: Vec<String> = recorded.into_iter().map(|uid| uid.0).collect();
    let mut shims = shims(&directories.state);
    shims.retain(|uid| !recorded.contains(uid));
    if recorded.is_empty() && shims.is_empty() {
        return Ok(false);
    }
    if accepted {
        tracing::warn!(
            "the store of API objects {} {problem}; pods are put back into it from their records, and ConfigMaps and \
             Secrets are lost",
            store.display()
        );
        return Ok(true);
    }
    let (root, state) = (directories.root.display(), directories.state.display());
    let mut told = Vec::new();
    if !recorded.is_empty() {
        told.push(format!("{} in {root}", named("record", &recorded)));
    }
    if !shims.is_empty() {
        told.push(format!(
            "{} without a record in {state}",
            named("shim", &shims)
        ));
    }
    Err(format!(
        "the store of API objects {} {problem}, although pods have lived here: {}. If --root or --state is not the \
         one of these pods, or is not mounted, mend that. If the store is lost, put it back from a backup, or start \
         with --accept-empty-store: then every pod with a readable record goes on as it is and is put back into the \
         store, and ConfigMaps and Secrets are lost",
        store.display(),
        told.join(", and ")
    ))
}

/// A number of things, and the Pods that the first of them are of.
fn named(what: &str, uids: &[String]) -> String {
    let names = uids
        .iter()
        .take(NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    let more = match uids.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    match uids.len() {
        1 => format!("1 {what} ({names})"),
        count => format!("{count} {what}s ({names}{more})"),
    }
}

/// The Pods whose shims run there and do not belong to a process that lives.
fn shims(state: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(state.join("pods"));
    let names = entries
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let alive = |uid: &String| {
        let folder = state.join("pods").join(uid);
        shim::listens(&folder.join("shim.sock")) && !lock::is_bound(&folder.with_extension("lock"))
    };
    let mut alive: Vec<String> = names.filter(alive).collect();
    alive.sort();
    alive
}
