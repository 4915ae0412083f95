//! Servers that answer what they are told to.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use super::*;

/// A server that answers each connection with the next of `answers`, and hands out the requests.
pub(super) async fn serve(answers: Vec<String>) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (requests, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for answer in answers {
            let (stream, _) = listener.accept().await.unwrap();
            requests.send(converse(stream, &answer).await).unwrap();
        }
    });
    (address, received)
}

/// As [`serve`] over TLS, with a certificate that names nobody and was valid for a day.
pub(super) async fn serve_tls(answer: String) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (requests, received) = mpsc::unbounded_channel();
    let acceptor = TlsAcceptor::from(Arc::new(config(&[b"http/1.1"])));
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = acceptor.accept(stream).await.unwrap();
        requests.send(converse(stream, &answer).await).unwrap();
    });
    (address, received)
}

pub(super) fn config(protocols: &[&[u8]]) -> ServerConfig {
    let certificate = CertificateDer::from_slice(include_bytes!("certificate.der")).into_owned();
    let key = PrivatePkcs8KeyDer::from(include_bytes!("key.der").to_vec());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::Pkcs8(key))
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    config
}

/// Reads up to the empty line, writes the answer and closes.
async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str) -> String {
    let mut request = Vec::new();
    let mut chunk = [0; 1024];
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(count) => request.extend_from_slice(&chunk[..count]),
        }
        // A greeting that is no request in clear text gets its answer at once.
        if !request.starts_with(b"GET ") {
            break;
        }
    }
    // A client that has read enough may be gone.
    _ = stream.write_all(answer.as_bytes()).await;
    _ = stream.shutdown().await;
    String::from_utf8_lossy(&request).into_owned()
}

pub(super) fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

pub(super) fn redirect(location: &str) -> String {
    answer("302 Found", &format!("Location: {location}\r\n"), "moved")
}
