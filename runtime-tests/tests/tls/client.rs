//! A client over TLS, for the tests of what clients can do to the daemon.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use runtime_tests::Failure;
use runtime_tests::daemon::{Daemon, PORT};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

pub(crate) type Tls = StreamOwned<ClientConnection, TcpStream>;

/// Who comes in: with the certificate that the daemon's kubeconfig has, or without.
pub(crate) struct Client {
    config: Arc<ClientConfig>,
}

impl Client {
    pub(crate) fn of(daemon: &Daemon, shows_certificate: bool) -> Result<Client, Failure> {
        let pki = daemon.root.join("pki");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(pki.join("ca.pem"))?)?;
        let own = pki.join("admin.pem");
        let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(&own)?.collect();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let config = match shows_certificate {
            true => config.with_client_auth_cert(chain?, PrivateKeyDer::from_pem_file(&own)?)?,
            false => config.with_no_client_auth(),
        };
        Ok(Client {
            config: Arc::new(config),
        })
    }

    /// A connection whose handshake is done.
    pub(crate) fn connect(&self) -> Result<Tls, Failure> {
        let name = ServerName::try_from("127.0.0.1")?;
        let connection = ClientConnection::new(Arc::clone(&self.config), name)?;
        let socket = TcpStream::connect(("127.0.0.1", PORT))?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        socket.set_write_timeout(Some(Duration::from_secs(5)))?;
        let mut tls = StreamOwned::new(connection, socket);
        while tls.conn.is_handshaking() {
            tls.conn.complete_io(&mut tls.sock)?;
        }
        Ok(tls)
    }
}

/// Sends a request.
pub(crate) fn send(tls: &mut Tls, method: &str, path: &str, body: &[u8]) -> std::io::Result<()> {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    tls.write_all(head.as_bytes())?;
    tls.write_all(body)?;
    tls.flush()
}

/// The status of the answer that has just begun to come.
pub(crate) fn status(tls: &mut Tls) -> Option<u16> {
    let mut space = [0; 4096];
    let length = tls.read(&mut space).ok()?;
    let text = String::from_utf8_lossy(&space[..length]).into_owned();
    text.split(' ').nth(1)?.parse().ok()
}
