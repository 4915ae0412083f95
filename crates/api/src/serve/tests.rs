mod kubectl;
mod strangers;

use super::*;
use std::path::PathBuf;
use std::time::SystemTime;

use hyper::StatusCode;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Answers what the path says.
struct Fake {
    over: mpsc::Sender<()>,
}

/// Tells when an answer's body is dropped.
struct Told(mpsc::Sender<()>);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.try_send(());
    }
}

impl Respond for Fake {
    async fn respond(
        self: Arc<Self>,
        request: Request<Incoming>,
        terms: Arc<Terms>,
    ) -> Response<Body> {
        match request.uri().path() {
            "/panic" => panic!("on purpose"),
            "/flood" => {
                let told = (Told(self.over.clone()), terms);
                body::lines("text/plain", told, |told| async {
                    Some((told.1.texts.own(vec![b'x'; 64 * 1024]), told))
                })
            }
            "/silence" => body::lines("text/plain", Told(self.over.clone()), |told| async {
                std::future::pending::<()>().await;
                Some((hyper::body::Bytes::new(), told))
            }),
            "/echo" => match body::collect(request.into_body(), &terms).await {
                Ok(sent) => body::whole(StatusCode::OK, "text/plain", sent.bytes),
                Err(failure) => body::failure(&failure),
            },
            _ => body::whole(StatusCode::OK, "text/plain", "fine"),
        }
    }
}

struct Server {
    root: PathBuf,
    pki: crate::Pki,
    address: std::net::SocketAddr,
    stop: watch::Sender<bool>,
    over: mpsc::Receiver<()>,
    task: tokio::task::JoinHandle<()>,
}

fn hasty() -> Limits {
    Limits {
        head_ms: 200,
        stall_ms: 200,
        body_ms: 200,
        drain_ms: 200,
        body_bytes: 1_000,
        sweep_ms: 20,
        ..Limits::default()
    }
}

impl Server {
    async fn start(name: &str, limits: Limits) -> Server {
        let root =
            std::env::temp_dir().join(format!("outrigger-serve-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        let pki = crate::prepare_pki(&root, &[], SystemTime::now()).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let edges = Edges {
            tcp,
            tls: pki.server_config().unwrap(),
            unix: UnixListener::bind(root.join("api.sock")).unwrap(),
            relax: || (),
        };
        let (tell, over) = mpsc::channel(8);
        let (stop, shutdown) = watch::channel(false);
        let fake = Arc::new(Fake { over: tell });
        let task = tokio::spawn(serve_with(fake, edges, limits, shutdown));
        Server {
            root,
            pki,
            address,
            stop,
            over,
            task,
        }
    }

    async fn connect(&self, with_certificate: bool) -> TlsStream<TcpStream> {
        let certificate = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate(&self.pki.authority_pem)).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = if with_certificate {
            let key = PrivateKeyDer::from_pem_slice(self.pki.admin.key_pem.as_bytes()).unwrap();
            let chain = vec![certificate(&self.pki.admin.certificate_pem)];
            config.with_client_auth_cert(chain, key).unwrap()
        } else {
            config.with_no_client_auth()
        };
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .unwrap()
    }

    async fn end(self) {
        self.stop.send(true).unwrap();
        within(self.task).await.unwrap();
        std::fs::remove_dir_all(self.root).unwrap();
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(20), future)
        .await
        .expect("in time")
}

/// Sends a request and reads what comes first.
async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), head: &str) -> String {
    let request = format!("{head} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut piece = vec![0; 4_096];
    let length = within(stream.read(&mut piece)).await.unwrap_or(0);
    String::from_utf8_lossy(&piece[..length]).into_owned()
}

/// Waits until the server has closed the connection.
async fn is_closed(stream: &mut (impl AsyncRead + Unpin)) -> bool {
    let mut rest = Vec::new();
    let _ = within(stream.read_to_end(&mut rest)).await;
    true
}

#[tokio::test]
async fn who_has_no_certificate_is_told_so_and_who_has_one_is_served() {
    let server = Server::start("401", hasty()).await;
    let mut stranger = server.connect(false).await;
    let answer = ask(&mut stranger, "GET /healthz").await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(is_closed(&mut stranger).await);
    let mut admin = server.connect(true).await;
    let answer = ask(&mut admin, "GET /healthz").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(admin);
    server.end().await;
}

#[tokio::test]
async fn a_head_that_does_not_end_and_a_body_that_does_not_come_are_given_up() {
    let server = Server::start("slow", hasty()).await;
    let mut slow = server.connect(true).await;
    slow.write_all(b"GET /health").await.unwrap();
    assert!(is_closed(&mut slow).await);
    let mut slow = server.connect(true).await;
    let answer = ask(
        &mut slow,
        "POST /echo HTTP/1.1\r\nContent-Length: 10\r\nX: y",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    // And somebody who says nothing at all, not even TLS.
    let mut silent = UnixStream::connect(server.root.join("api.sock"))
        .await
        .unwrap();
    assert!(is_closed(&mut silent).await);
    server.end().await;
}

#[tokio::test]
async fn a_client_that_never_reads_is_cut_off() {
    let mut server = Server::start("stall", hasty()).await;
    let mut deaf = server.connect(true).await;
    deaf.write_all(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    within(server.over.recv()).await.unwrap();
    // One that has nothing to read is not a client that does not read: it is there longer.
    let mut patient = server.connect(true).await;
    let answer = ask(&mut patient, "GET /silence").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(patient);
    within(server.over.recv()).await.unwrap();
    server.end().await;
}

#[tokio::test]
async fn when_memory_runs_short_who_takes_nothing_is_cut_off_early() {
    let limits = Limits {
        waiting_bytes: 100_000,
        sweep_ms: 20,
        ..Limits::default()
    };
    let mut server = Server::start("short", limits).await;
    let mut deaf = server.connect(true).await;
    deaf.write_all(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    // Long before the minute that he would have otherwise.
    within(server.over.recv()).await.unwrap();
    server.end().await;
}

#[tokio::test]
async fn bodies_that_are_too_much_together_are_to_come_later() {
    let limits = Limits {
        sent_bytes: 5,
        ..Limits::default()
    };
    let server = Server::start("together", limits).await;
    let head = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345";
    let mut first = server.connect(true).await;
    first.write_all(head).await.unwrap();
    let refused = async {
        loop {
            let mut second = server.connect(true).await;
            second.write_all(head).await.unwrap();
            second.write_all(b"67890").await.unwrap();
            let mut piece = vec![0; 4_096];
            let length = second.read(&mut piece).await.unwrap();
            let answer = String::from_utf8_lossy(&piece[..length]).into_owned();
            // The first one's bytes may not have been read yet.
            if !answer.starts_with("HTTP/1.1 200") {
                return answer;
            }
        }
    };
    let refused = within(refused).await;
    assert!(refused.starts_with("HTTP/1.1 429"), "{refused}");
    assert!(refused.contains("retry-after: 1\r\n"), "{refused}");
    first.write_all(b"67890").await.unwrap();
    let mut piece = vec![0; 4_096];
    let length = within(first.read(&mut piece)).await.unwrap();
    assert!(piece[..length].starts_with(b"HTTP/1.1 429"));
    let mut third = server.connect(true).await;
    third.write_all(head).await.unwrap();
    third.write_all(b"67890").await.unwrap();
    let length = within(third.read(&mut piece)).await.unwrap();
    assert!(piece[..length].starts_with(b"HTTP/1.1 200"));
    server.end().await;
}

#[tokio::test]
async fn the_oldest_idle_connection_makes_room_and_the_socket_keeps_its_own() {
    let limits = Limits {
        connections: 4,
        connections_reserved: 1,
        ..Limits::default()
    };
    let server = Server::start("full", limits).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = server.connect(true).await;
        ask(&mut client, "GET /").await;
        clients.push(client);
    }
    let mut fourth = server.connect(true).await;
    assert!(ask(&mut fourth, "GET /").await.starts_with("HTTP/1.1 200"));
    assert!(is_closed(&mut clients[0]).await);
    for client in &mut clients[1..] {
        assert!(ask(client, "GET /").await.starts_with("HTTP/1.1 200"));
    }
    if rustix::process::geteuid().is_root() {
        let mut local = UnixStream::connect(server.root.join("api.sock"))
            .await
            .unwrap();
        assert!(ask(&mut local, "GET /").await.starts_with("HTTP/1.1 200"));
        // Though it is the oldest now, it is not what makes room for one from afar.
        for client in clients[1..].iter_mut().chain([&mut fourth]) {
            assert!(ask(client, "GET /").await.starts_with("HTTP/1.1 200"));
        }
        let mut fifth = server.connect(true).await;
        assert!(ask(&mut fifth, "GET /").await.starts_with("HTTP/1.1 200"));
        assert!(ask(&mut local, "GET /").await.starts_with("HTTP/1.1 200"));
    } else {
        eprintln!("SKIPPED: the unix socket serves root only, and this is not root");
    }
    drop((clients, fourth));
    server.end().await;
}

#[tokio::test]
async fn a_request_that_panics_takes_only_its_own_connection_along() {
    let server = Server::start("panic", hasty()).await;
    let mut unlucky = server.connect(true).await;
    assert_eq!(ask(&mut unlucky, "GET /panic").await, "");
    let mut next = server.connect(true).await;
    assert!(ask(&mut next, "GET /").await.starts_with("HTTP/1.1 200"));
    server.end().await;
}

#[tokio::test]
async fn bodies_that_are_too_long_are_refused_with_or_without_a_length() {
    let server = Server::start("body", hasty()).await;
    let heads = [
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n".to_owned()
            + &"a".repeat(2_000),
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n".to_owned()
            + &"a".repeat(2_000),
    ];
    for head in heads {
        let mut client = server.connect(true).await;
        client.write_all(head.as_bytes()).await.unwrap();
        let mut piece = vec![0; 100];
        let length = within(client.read(&mut piece)).await.unwrap();
        let answer = String::from_utf8_lossy(&piece[..length]);
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    }
    server.end().await;
}
