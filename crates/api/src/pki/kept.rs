//! What is in the file of a certificate and its key, and is it whole?
//!
//! A line of JSON ([`Note`]), the certificate and the key, both in PEM. The note has a checksum since the
//! first version that looks for one.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcgen::KeyPair;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Identity, PkiError, replace};

/// No file of ours is longer.
const LONGEST_BYTES: u64 = 64 << 10;

/// What a file says of its certificate, so that nobody has to take it apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// Until when it is valid, in seconds since the epoch.
    pub(super) not_after_s: u64,
    /// From when on, if it is not known from the other end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) not_before_s: Option<u64>,
    pub(super) names: Vec<String>,
    /// The fingerprint of the authority's certificate.
    pub(super) authority: String,
    /// The digest of all others and of what follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sum: Option<String>,
}

impl Note {
    /// One without a checksum, which comes with the file.
    pub(super) fn new(not_after_s: u64, names: Vec<String>, authority: &str) -> Note {
        Note {
            not_after_s,
            not_before_s: None,
            names,
            authority: authority.to_owned(),
            sum: None,
        }
    }
}

/// What there is.
pub(super) enum Found {
    /// Nothing.
    Missing,
    /// No file: what it is.
    Other(&'static str),
    /// A file in which no key can be read.
    Damaged,
    /// A file with a key.
    Kept(Box<Kept>),
}

/// A key and what stands beside it.
pub(super) struct Kept {
    pub(super) key: KeyPair,
    pub(super) identity: Identity,
    /// The note, if all is as it was written and the certificate is the key's.
    pub(super) whole: Option<Note>,
}

/// Looks. A file that others may read is closed to them.
///
/// # Errors
/// If it cannot be read.
pub(super) fn read(file: &Path) -> Result<Found, PkiError> {
    let failed = |operation| move |source| PkiError::file(operation, file, source);
    let metadata = match std::fs::symlink_metadata(file) {
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok(Found::Missing),
        looked => looked.map_err(failed("look at"))?,
    };
    if metadata.is_dir() {
        return Ok(Found::Other("a directory"));
    }
    if metadata.is_symlink() {
        return Ok(Found::Other("a symbolic link"));
    }
    if !metadata.is_file() {
        return Ok(Found::Other("no regular file"));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(file, Permissions::from_mode(0o600))
            .map_err(failed("close to others"))?;
    }
    if metadata.len() > LONGEST_BYTES {
        return Ok(Found::Damaged);
    }
    let bytes = std::fs::read(file).map_err(failed("read"))?;
    Ok(match String::from_utf8(bytes) {
        Ok(text) => take_apart(&text).map_or(Found::Damaged, |kept| Found::Kept(Box::new(kept))),
        Err(_) => Found::Damaged,
    })
}

fn take_apart(text: &str) -> Option<Kept> {
    let key_at = text.find("-----BEGIN PRIVATE KEY-----")?;
    let (before, key_pem) = text.split_at(key_at);
    let (head, certificate_pem) = before.split_once('\n').unwrap_or((before, ""));
    let key = KeyPair::from_pem(key_pem).ok()?;
    let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes());
    let is_the_keys = certificate.is_ok_and(|der| {
        let public = key.public_key_raw();
        der.windows(public.len()).any(|part| part == public)
    });
    let identity = Identity {
        certificate_pem: certificate_pem.to_owned(),
        key_pem: key_pem.to_owned(),
    };
    let note: Option<Note> = serde_json::from_str(head).ok();
    let whole = note.filter(|note| {
        let sum = note.sum.as_ref();
        is_the_keys && sum.is_none_or(|sum| *sum == checksum(note, &identity))
    });
    Some(Kept {
        key,
        identity,
        whole,
    })
}

/// Writes a file, whole or not at all.
///
/// # Errors
/// If that is not possible.
pub(super) fn write(file: &Path, note: &Note, identity: &Identity) -> Result<(), PkiError> {
    let note = Note {
        sum: Some(checksum(note, identity)),
        ..note.clone()
    };
    let head = serde_json::json!(note);
    let text = format!("{head}\n{}{}", identity.certificate_pem, identity.key_pem);
    replace(file, text.as_bytes()).map_err(|source| match source.kind() {
        io::ErrorKind::IsADirectory | io::ErrorKind::DirectoryNotEmpty => {
            PkiError::Other(file.to_owned(), "a directory")
        }
        _ => PkiError::file("write", file, source),
    })
}

fn checksum(note: &Note, identity: &Identity) -> String {
    let head = serde_json::json!(Note {
        sum: None,
        ..note.clone()
    });
    let text = format!("{head}\n{}{}", identity.certificate_pem, identity.key_pem);
    hex(&Sha256::digest(text.as_bytes()))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
