//! Who may speak to the API over TCP? Whoever shows a certificate of this machine's own authority.
//!
//! The authority, the server's certificate and the administrator's are made at the first start and
//! kept below the root directory. Each stands with its key in one file, so that a file that is there
//! is whole: it is written beside its place, synchronised and renamed.

mod durable;

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub(crate) use durable::replace;

const DAY_S: u64 = 86_400;
const AUTHORITY_S: u64 = 3_650 * DAY_S;
const IDENTITY_S: u64 = 365 * DAY_S;
/// A certificate with less time than that is made anew at the next start.
const NEAR_END_S: u64 = 60 * DAY_S;

/// The certificates could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file or directory could not be read or written.
    #[error("{operation} {path}", path = .path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The authority's file is there, but is none.
    #[error(
        "the certificate authority in {path} cannot be read: restore the file, or remove it to have a new authority made, with a new kubeconfig",
        path = .0.display()
    )]
    Damaged(PathBuf),
    /// The making of a certificate failed.
    #[error("make the certificate of {name}")]
    Make {
        /// Whose.
        name: &'static str,
        /// Why it failed.
        source: rcgen::Error,
    },
    /// The certificates do not give a TLS server.
    #[error("set up TLS with the certificates of {path}: {problem}; remove that directory to have new ones made", path = .path.display())]
    Tls {
        /// Where the certificates are.
        path: PathBuf,
        /// What the TLS library says.
        problem: String,
    },
}

/// A certificate and its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate in PEM.
    pub certificate_pem: String,
    /// The private key in PEM (PKCS #8).
    pub key_pem: String,
}

/// The authority's certificate, the server's identity and the administrator's.
#[derive(Clone, PartialEq, Eq)]
pub struct Pki {
    /// Where they are kept.
    pub directory: PathBuf,
    /// The authority's certificate in PEM.
    pub authority_pem: String,
    /// The server's.
    pub server: Identity,
    /// The administrator's, for the kubeconfig.
    pub admin: Identity,
}

/// What a file says of its certificate, so that nobody has to take it apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    not_after_s: u64,
    names: Vec<String>,
    authority: String,
}

struct Kept {
    note: Note,
    identity: Identity,
}

/// Reads the certificates below `root`, and makes those that are missing, near their end, or made for
/// other names. `names` are what clients call this server besides the loopback addresses: the host's
/// name and the address that it listens at.
///
/// # Errors
/// If a file cannot be read or written, or the authority's file is damaged.
pub fn prepare(root: &Path, names: &[String], now: SystemTime) -> Result<Pki, PkiError> {
    let directory = root.join("pki");
    durable::private_directory(&directory)?;
    let now_s = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let authority = authority(&directory, now_s)?;
    let fingerprint = hex(&Sha256::digest(authority.certificate_pem.as_bytes()));
    let key = KeyPair::from_pem(&authority.key_pem)
        .map_err(|_| PkiError::Damaged(directory.join("ca.pem")))?;
    let issuer = Issuer::new(authority_params(now_s), key);
    let server = Wanted {
        name: "the server",
        file: directory.join("server.pem"),
        note: note(server_names(names), &fingerprint, now_s),
        params: server_params,
    };
    let admin = Wanted {
        name: "the administrator",
        file: directory.join("admin.pem"),
        note: note(vec!["outrigger-admin".to_owned()], &fingerprint, now_s),
        params: admin_params,
    };
    Ok(Pki {
        authority_pem: authority.certificate_pem,
        server: server.take(&issuer, now_s)?,
        admin: admin.take(&issuer, now_s)?,
        directory,
    })
}

impl Pki {
    /// How the TLS server works: clients are asked for a certificate of this authority. One without
    /// gets as far as a 401 that says so; one with a certificate of somebody else does not.
    ///
    /// # Errors
    /// If the TLS library does not accept the certificates.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, PkiError> {
        let refused = |problem: String| PkiError::Tls {
            path: self.directory.clone(),
            problem,
        };
        let certificate = |pem: &str| {
            CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|e| refused(e.to_string()))
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots
            .add(certificate(&self.authority_pem)?)
            .map_err(|e| refused(e.to_string()))?;
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .allow_unauthenticated()
                .build()
                .map_err(|e| refused(e.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(self.server.key_pem.as_bytes())
            .map_err(|e| refused(e.to_string()))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| refused(e.to_string()))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate(&self.server.certificate_pem)?], key)
            .map_err(|e| refused(e.to_string()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Each kubectl is a new process: nobody would ever resume a session, and they cost memory.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }
}

struct Wanted {
    name: &'static str,
    file: PathBuf,
    note: Note,
    params: fn(&Note) -> Result<CertificateParams, rcgen::Error>,
}

impl Wanted {
    fn take(&self, issuer: &Issuer<'_, KeyPair>, now_s: u64) -> Result<Identity, PkiError> {
        if let Some(kept) = read(&self.file)?
            && kept.note.names == self.note.names
            && kept.note.authority == self.note.authority
            && kept.note.not_after_s >= now_s + NEAR_END_S
        {
            return Ok(kept.identity);
        }
        let make = || -> Result<Identity, rcgen::Error> {
            let key = KeyPair::generate()?;
            let mut params = (self.params)(&self.note)?;
            validity(&mut params, now_s, self.note.not_after_s);
            params.use_authority_key_identifier_extension = true;
            Ok(Identity {
                certificate_pem: params.signed_by(&key, issuer)?.pem(),
                key_pem: key.serialize_pem(),
            })
        };
        let identity = make().map_err(|source| PkiError::Make {
            name: self.name,
            source,
        })?;
        write(&self.file, &self.note, &identity)?;
        Ok(identity)
    }
}

fn authority(directory: &Path, now_s: u64) -> Result<Identity, PkiError> {
    let file = directory.join("ca.pem");
    match read(&file)? {
        Some(kept) if kept.note.not_after_s >= now_s + IDENTITY_S => return Ok(kept.identity),
        None if file.exists() => return Err(PkiError::Damaged(file)),
        _ => {}
    }
    let make = || -> Result<Identity, rcgen::Error> {
        let key = KeyPair::generate()?;
        Ok(Identity {
            certificate_pem: authority_params(now_s).self_signed(&key)?.pem(),
            key_pem: key.serialize_pem(),
        })
    };
    let identity = make().map_err(|source| PkiError::Make {
        name: "the authority",
        source,
    })?;
    let note = Note {
        not_after_s: now_s + AUTHORITY_S,
        names: Vec::new(),
        authority: String::new(),
    };
    write(&file, &note, &identity)?;
    Ok(identity)
}

fn authority_params(now_s: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "outrigger-ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    validity(&mut params, now_s, now_s + AUTHORITY_S);
    params
}

fn server_params(note: &Note) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(note.names.clone())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "outrigger");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

fn admin_params(_note: &Note) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, "system:masters");
    params
        .distinguished_name
        .push(DnType::CommonName, "outrigger-admin");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

fn server_names(names: &[String]) -> Vec<String> {
    let mut all: Vec<String> = ["127.0.0.1", "::1", "localhost"]
        .map(str::to_owned)
        .to_vec();
    for name in names {
        // The address "all of them" is none that a client could use.
        let names_nothing = name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_unspecified());
        if !name.is_empty() && !names_nothing && !all.contains(name) {
            all.push(name.clone());
        }
    }
    all
}

fn note(names: Vec<String>, authority: &str, now_s: u64) -> Note {
    Note {
        not_after_s: now_s + IDENTITY_S,
        names,
        authority: authority.to_owned(),
    }
}

fn validity(params: &mut CertificateParams, now_s: u64, not_after_s: u64) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    // A day of grace, because a client's clock may be behind ours.
    params.not_before = epoch + Duration::from_secs(now_s.saturating_sub(DAY_S));
    params.not_after = epoch + Duration::from_secs(not_after_s);
}

/// `None` if it is not there, or is not what we write.
fn read(file: &Path) -> Result<Option<Kept>, PkiError> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(problem) if problem.kind() == io::ErrorKind::InvalidData => return Ok(None),
        Err(source) => {
            return Err(PkiError::File {
                operation: "read",
                path: file.to_owned(),
                source,
            });
        }
    };
    Ok(take_apart(&text))
}

fn take_apart(text: &str) -> Option<Kept> {
    let (head, sections) = text.split_once('\n')?;
    let key = sections.find("-----BEGIN PRIVATE KEY-----")?;
    let (certificate_pem, key_pem) = sections.split_at(key);
    CertificateDer::from_pem_slice(certificate_pem.as_bytes()).ok()?;
    KeyPair::from_pem(key_pem).ok()?;
    Some(Kept {
        note: serde_json::from_str(head).ok()?,
        identity: Identity {
            certificate_pem: certificate_pem.to_owned(),
            key_pem: key_pem.to_owned(),
        },
    })
}

fn write(file: &Path, note: &Note, identity: &Identity) -> Result<(), PkiError> {
    let head = serde_json::json!(note);
    let text = format!("{head}\n{}{}", identity.certificate_pem, identity.key_pem);
    replace(file, text.as_bytes()).map_err(|source| PkiError::File {
        operation: "write",
        path: file.to_owned(),
        source,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
