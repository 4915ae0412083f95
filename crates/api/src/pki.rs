//! Who may speak to the API over TCP? Whoever shows a certificate of this machine's own authority.
//!
//! The authority, the server's certificate and the administrator's are made at the first start and
//! kept below the root directory. Each stands with its key in one file, which is written beside its place,
//! synchronised and renamed. What can be made again without a loss is; the authority's key is what clients
//! trust, and is made only where there is none.

mod durable;
mod kept;
mod params;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};

pub(crate) use durable::replace;
use kept::{Found, Note, hex};
use params::{admin_params, authority_params, server_names, server_params, validity};

const DAY_S: u64 = 86_400;
const AUTHORITY_S: u64 = 3_650 * DAY_S;
const IDENTITY_S: u64 = 365 * DAY_S;
/// For how long before its making a certificate is valid: the clock may be ahead then, and be set right after.
const PAST_S: u64 = 365 * DAY_S;
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
    /// What is there instead of a file.
    #[error(
        "{path} is {other} and should be a file of certificate and key: move it away, and if it was the authority's (ca.pem) put that back",
        path = .0.display(), other = .1
    )]
    Other(PathBuf, &'static str),
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

impl PkiError {
    fn file(operation: &'static str, path: &Path, source: io::Error) -> PkiError {
        PkiError::File {
            operation,
            path: path.to_owned(),
            source,
        }
    }
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
    /// What its owner should know: that clients have to be given a new kubeconfig.
    pub news: Option<String>,
}

/// Reads the certificates below `root`, and makes those that are missing, damaged, near their end, not yet
/// valid, or made for other names. `names` are what clients call this server besides the loopback addresses: the host's
/// name and the address that it listens at.
///
/// # Errors
/// If a file cannot be read or written, or the authority's key cannot be read.
pub fn prepare(root: &Path, names: &[String], now: SystemTime) -> Result<Pki, PkiError> {
    let directory = root.join("pki");
    durable::private_directory(&directory)?;
    let now_s = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (certificate_pem, key, news) = authority(&directory, now_s)?;
    let fingerprint = hex(&Sha256::digest(certificate_pem.as_bytes()));
    let issuer = Issuer::new(authority_params(), key);
    let server = Wanted {
        name: "the server",
        file: directory.join("server.pem"),
        note: Note::new(now_s + IDENTITY_S, server_names(names), &fingerprint),
        is_valid: is_servers,
        params: server_params,
    };
    let admin = Wanted {
        name: "the administrator",
        file: directory.join("admin.pem"),
        note: Note::new(
            now_s + IDENTITY_S,
            vec!["outrigger-admin".to_owned()],
            &fingerprint,
        ),
        is_valid: is_clients,
        params: admin_params,
    };
    Ok(Pki {
        server: server.take(&issuer, &certificate_pem, now_s)?,
        admin: admin.take(&issuer, &certificate_pem, now_s)?,
        authority_pem: certificate_pem,
        directory,
        news,
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
    /// Whether a certificate is one of this authority's and valid now.
    is_valid: fn(&CertificateDer<'_>, RootCertStore, UnixTime) -> Result<(), rustls::Error>,
}

impl Wanted {
    fn take(
        &self,
        issuer: &Issuer<'_, KeyPair>,
        authority_pem: &str,
        now_s: u64,
    ) -> Result<Identity, PkiError> {
        let mut note = self.note.clone();
        // What is in the place of a file, and is none, is replaced by one; a directory stays and is told.
        if let Found::Kept(kept) = kept::read(&self.file)?
            && let Some(known) = kept.whole
            && known.names == note.names
            && known.authority == note.authority
        {
            let near_end = known.not_after_s < now_s + NEAR_END_S;
            if !near_end && self.accepts(&kept.identity, authority_pem, now_s) {
                return Ok(kept.identity);
            }
            // Its time has not come: if it is the clock that is wrong now, the new one lasts as long.
            note.not_after_s = note.not_after_s.max(known.not_after_s);
        }
        let make = || -> Result<Identity, rcgen::Error> {
            let key = KeyPair::generate()?;
            let mut params = (self.params)(&note)?;
            validity(&mut params, now_s.saturating_sub(PAST_S), note.not_after_s);
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
        kept::write(&self.file, &note, &identity)?;
        Ok(identity)
    }

    fn accepts(&self, identity: &Identity, authority_pem: &str, now_s: u64) -> bool {
        let own = CertificateDer::from_pem_slice(identity.certificate_pem.as_bytes());
        let (Ok(own), Some(roots)) = (own, as_roots(authority_pem)) else {
            return false;
        };
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now_s));
        (self.is_valid)(&own, roots, now).is_ok()
    }
}

/// What is trusted with this authority, if its certificate can be read.
fn as_roots(authority_pem: &str) -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(authority_pem.as_bytes()).ok()?;
    roots.add(authority).ok()?;
    Some(roots)
}

fn is_servers(
    own: &CertificateDer<'_>,
    roots: RootCertStore,
    now: UnixTime,
) -> Result<(), rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let verifier = verifier.map_err(|error| rustls::Error::General(error.to_string()))?;
    let name = ServerName::from(std::net::Ipv4Addr::LOCALHOST);
    let verified = verifier.verify_server_cert(own, &[], &name, &[], now);
    verified.map(drop)
}

fn is_clients(
    own: &CertificateDer<'_>,
    roots: RootCertStore,
    now: UnixTime,
) -> Result<(), rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let verifier = verifier.map_err(|error| rustls::Error::General(error.to_string()))?;
    verifier.verify_client_cert(own, &[], now).map(drop)
}

/// The authority's certificate and key, and what is to be told about them. Its key lives as long as its file:
/// a certificate that is damaged, not yet valid or near its end is made anew with the same key, and who
/// trusted the one before trusts what is issued now.
fn authority(directory: &Path, now_s: u64) -> Result<(String, KeyPair, Option<String>), PkiError> {
    let file = directory.join("ca.pem");
    let not_made = |source| PkiError::Make {
        name: "the authority",
        source,
    };
    let mut not_after_s = now_s + AUTHORITY_S;
    let (key, news) = match kept::read(&file)? {
        Found::Damaged => return Err(PkiError::Damaged(file)),
        Found::Other(what) => return Err(PkiError::Other(file, what)),
        Found::Missing => (KeyPair::generate().map_err(not_made)?, lost(directory)),
        Found::Kept(kept) => {
            if let Some(known) = &kept.whole
                && let made_s = known.not_after_s.saturating_sub(AUTHORITY_S + DAY_S)
                && let from_s = known.not_before_s.unwrap_or(made_s)
                && (known.sum.is_some() || is_as_made(&kept, from_s, known.not_after_s))
            {
                if from_s <= now_s && known.not_after_s >= now_s + IDENTITY_S {
                    return Ok((kept.identity.certificate_pem, kept.key, None));
                }
                not_after_s = not_after_s.max(known.not_after_s);
            }
            (kept.key, None)
        }
    };
    let mut params = authority_params();
    // It cannot have been misused before it was there, and so it is never not yet valid.
    validity(&mut params, 0, not_after_s);
    let identity = Identity {
        certificate_pem: params.self_signed(&key).map_err(not_made)?.pem(),
        key_pem: key.serialize_pem(),
    };
    let note = Note {
        not_before_s: Some(0),
        ..Note::new(not_after_s, Vec::new(), "")
    };
    kept::write(&file, &note, &identity)?;
    Ok((identity.certificate_pem, key, news))
}

/// Whether the authority's certificate says what it was made to say. Files without a checksum tell nothing of a
/// name or a time that has changed.
fn is_as_made(kept: &kept::Kept, from_s: u64, to_s: u64) -> bool {
    let mut params = authority_params();
    validity(&mut params, from_s, to_s);
    let Ok(again) = params.self_signed(&kept.key) else {
        return false;
    };
    let pem = &kept.identity.certificate_pem;
    let own = CertificateDer::from_pem_slice(pem.as_bytes());
    let is_read = as_roots(pem).is_some();
    own.is_ok_and(|own| {
        is_read && { signed_part(&own).is_some_and(|part| Some(part) == signed_part(again.der())) }
    })
}

/// What stands before the signature (`ecdsa-with-SHA256`), which is another one each time, without the length
/// of all.
fn signed_part(der: &[u8]) -> Option<&[u8]> {
    const ALGORITHM: [u8; 10] = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    let end = der
        .windows(ALGORITHM.len())
        .rposition(|part| part == ALGORITHM)?;
    der.get(4..end)
}

/// What is to be said where there is no authority: nothing at the first start.
fn lost(directory: &Path) -> Option<String> {
    let issued = ["server.pem", "admin.pem"].map(|name| directory.join(name));
    let file = directory.join("ca.pem");
    issued.iter().any(|file| file.exists()).then(|| {
        format!(
            "{} was missing and a new certificate authority was made: copies of the kubeconfig, and certificates \
             issued before, are of no use any more; write new copies from the new kubeconfig",
            file.display()
        )
    })
}

#[cfg(test)]
mod tests;
