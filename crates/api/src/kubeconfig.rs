//! How does kubectl find this machine? By a file with the address and the certificates in it.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::pki::{Pki, replace};

/// The kubeconfig could not be written.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    /// There is a file that has other clusters or users in it.
    #[error(
        "{path} is a kubeconfig of somebody else: move it away, or choose another place with --kubeconfig",
        path = .0.display()
    )]
    NotOurs(PathBuf),
    /// It could not be read or written.
    #[error("{operation} the kubeconfig {path}", path = .path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// The text of a kubeconfig with one context, `outrigger`. `server` is such as `https://127.0.0.1:6553`.
#[must_use]
pub fn render(server: &str, pki: &Pki) -> String {
    let [authority, certificate, key] = values(pki);
    format!(
        "# Written by `outrigger daemon`, and written anew when its certificates change.
apiVersion: v1
kind: Config
clusters:
- cluster:
    certificate-authority-data: {authority}
    server: {server}
  name: outrigger
contexts:
- context:
    cluster: outrigger
    user: outrigger-admin
  name: outrigger
current-context: outrigger
users:
- name: outrigger-admin
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
"
    )
}

/// Writes the kubeconfig, 0600, with the directories above it. A file of ours that says the same already
/// stays as it is, because its owner may have chosen a namespace in it.
///
/// # Errors
/// If there is a file of somebody else, or it cannot be written.
pub fn write(path: &Path, server: &str, pki: &Pki) -> Result<(), KubeconfigError> {
    let failed = |operation| {
        move |source| KubeconfigError::File {
            operation,
            path: path.to_owned(),
            source,
        }
    };
    match std::fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => {}
        Ok(text) if !is_ours(&text) => return Err(KubeconfigError::NotOurs(path.to_owned())),
        Ok(text) => {
            let line = format!("server: {server}");
            let same_server = text.lines().any(|each| each.trim() == line);
            if same_server && values(pki).iter().all(|value| text.contains(value)) {
                return Ok(());
            }
        }
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => {}
        Err(problem) if problem.kind() == io::ErrorKind::InvalidData => {
            return Err(KubeconfigError::NotOurs(path.to_owned()));
        }
        Err(problem) => return Err(failed("read")(problem)),
    }
    if let Some(directory) = path.parent() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(directory)
            .map_err(failed("make the directory of"))?;
    }
    replace(path, render(server, pki).as_bytes()).map_err(failed("write"))
}

fn values(pki: &Pki) -> [String; 3] {
    [
        &pki.authority_pem,
        &pki.admin.certificate_pem,
        &pki.admin.key_pem,
    ]
    .map(|pem| STANDARD.encode(pem))
}

/// Whether all clusters and users in it are ours. kubectl may have written it again meanwhile, so
/// only the names count.
fn is_ours(text: &str) -> bool {
    names_in(text, "clusters:") == ["outrigger"] && names_in(text, "users:") == ["outrigger-admin"]
}

fn names_in<'a>(text: &'a str, section: &str) -> Vec<&'a str> {
    text.lines()
        .skip_while(|line| line.trim_end() != section)
        .skip(1)
        .take_while(|line| line.starts_with([' ', '-']))
        .filter_map(|line| {
            line.trim_start_matches([' ', '-'])
                .strip_prefix("name:")
                .map(str::trim)
        })
        .collect()
}

#[cfg(test)]
mod tests;
