use super::*;

use std::future::Future;
use std::time::Duration;

use tokio::io::{DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::cluster::Answering;
use crate::stream::sessions;
use crate::stream::spdy::{Decoder, Encoder, Frame};
use crate::{Attach, Exec, LogQuery, Session, UsageOf};

/// A Pod with one port, which is the machine's own.
struct OnePort(u16);

fn nothing<'a, T>() -> Answering<'a, T> {
    Box::pin(async { Err(Refused::Internal("not in this test".to_owned())) })
}

impl Cluster for OnePort {
    fn logs<'a>(&'a self, _: &'a PodRef, _: LogQuery) -> Answering<'a, crate::Bytes> {
        nothing()
    }
    fn exec<'a>(&'a self, _: &'a PodRef, _: Exec) -> Answering<'a, Session> {
        nothing()
    }
    fn attach<'a>(&'a self, _: &'a PodRef, _: Attach) -> Answering<'a, Session> {
        nothing()
    }
    fn connect<'a>(&'a self, _: &'a PodRef, port: u16) -> Answering<'a, TcpStream> {
        let real = self.0;
        Box::pin(async move {
            if port != 80 {
                return Err(Refused::Internal("connection refused".to_owned()));
            }
            let connected = TcpStream::connect(("127.0.0.1", real)).await;
            connected.map_err(|problem| Refused::Internal(problem.to_string()))
        })
    }
    fn usage<'a>(&'a self, _: &'a PodRef) -> Answering<'a, UsageOf> {
        nothing()
    }
    fn node_usage(&self) -> Answering<'_, UsageOf> {
        nothing()
    }
    fn metrics(&self) -> Answering<'_, String> {
        nothing()
    }
    fn unready(&self) -> Vec<String> {
        Vec::new()
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(20), future)
        .await
        .expect("in time")
}

fn pod() -> PodRef {
    PodRef {
        namespace: "default".to_owned(),
        name: "web".to_owned(),
        uid: "1".to_owned(),
    }
}

async fn listen() -> (Arc<OnePort>, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (Arc::new(OnePort(port)), listener)
}

/// What a client of the channels hears next.
async fn next(client: &mut WebSocketStream<DuplexStream>) -> Vec<u8> {
    match within(client.next()).await {
        Some(Ok(Message::Binary(bytes))) => bytes.to_vec(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_port_of_the_query_has_two_channels() {
    let (cluster, listener) = listen().await;
    let (near, far) = duplex(64 * 1024);
    let socket = WebSocketStream::from_raw_socket(far, Role::Server, None).await;
    let task = tokio::spawn(async move { forward(cluster, pod(), &[80, 81], socket).await });
    let mut client = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
    let mut heard = Vec::new();
    for _ in 0..5 {
        heard.push(next(&mut client).await);
    }
    heard.sort();
    assert_eq!(
        heard[..4],
        [
            vec![0, 80, 0],
            vec![1, 80, 0],
            vec![2, 81, 0],
            vec![3, 81, 0]
        ]
    );
    assert_eq!(
        String::from_utf8_lossy(&heard[4]),
        "\u{3}error forwarding port 81 to pod web, uid 1: connection refused"
    );
    let (mut inside, _) = within(listener.accept()).await.unwrap();
    client
        .send(Message::binary(b"\x00ping".to_vec()))
        .await
        .unwrap();
    let mut piece = [0; 4];
    within(inside.read_exact(&mut piece)).await.unwrap();
    assert_eq!(&piece, b"ping");
    inside.write_all(b"pong").await.unwrap();
    assert_eq!(next(&mut client).await, b"\x00pong");
    // When the last connection has ended there is nothing more to forward.
    drop(inside);
    assert!(matches!(
        within(client.next()).await,
        Some(Ok(Message::Close(_)))
    ));
    within(task).await.unwrap();
}

/// A `SYN_STREAM` whose headers are packed without compression; only the first has the zlib head.
fn begin(stream: u32, kind: &str, port: &str, is_first: bool) -> Vec<u8> {
    let mut plain = vec![0, 0, 0, 3];
    for text in ["streamtype", kind, "port", port, "requestid", "7"] {
        plain.extend_from_slice(&u32::try_from(text.len()).unwrap().to_be_bytes());
        plain.extend_from_slice(text.as_bytes());
    }
    let length = u16::try_from(plain.len()).unwrap();
    let mut body = stream.to_be_bytes().to_vec();
    body.extend_from_slice(&[0; 6]);
    if is_first {
        body.extend_from_slice(&[0x78, 0xbb, 0xe3, 0xc6, 0xa7, 0xc2]);
    }
    body.push(0);
    body.extend_from_slice(&length.to_le_bytes());
    body.extend_from_slice(&(!length).to_le_bytes());
    body.extend_from_slice(&plain);
    let mut bytes = vec![0x80, 3, 0, 1, 0, 0, 0, u8::try_from(body.len()).unwrap()];
    bytes.extend_from_slice(&body);
    bytes
}

/// Runs a SPDY session with what the client says, until it has heard the end of both streams.
async fn session(cluster: Arc<OnePort>, said: Vec<Vec<u8>>) -> Vec<Frame> {
    let (say, mut to_server) = mpsc::channel::<Vec<u8>>(64);
    let (from_server, mut heard) = mpsc::channel::<Vec<u8>>(64);
    let inbound = futures_util::stream::poll_fn(move |cx| to_server.poll_recv(cx));
    let outbound = futures_util::sink::unfold(from_server, |from, bytes: Vec<u8>| async move {
        from.send(bytes).await.map(|()| from)
    });
    let task = tokio::spawn(sessions::forward(
        cluster,
        pod(),
        Box::pin(inbound),
        Box::pin(outbound),
    ));
    for bytes in said {
        say.send(bytes).await.unwrap();
    }
    let mut decoder = Decoder::new();
    let mut frames = Vec::new();
    let is_end =
        |frame: &Frame| matches!(frame, Frame::Data { last: true, .. } | Frame::Reset { .. });
    while frames.iter().filter(|frame| is_end(frame)).count() < 2 {
        let bytes = within(heard.recv()).await.unwrap();
        frames.extend(decoder.decode(&bytes).unwrap());
    }
    drop(say);
    within(task).await.unwrap();
    frames
}

#[tokio::test]
async fn a_pair_of_spdy_streams_is_a_connection() {
    let (cluster, listener) = listen().await;
    let echo = tokio::spawn(async move {
        let (mut inside, _) = listener.accept().await.unwrap();
        let mut text = Vec::new();
        // The end of what the client says reaches the Pod, which may still answer.
        inside.read_to_end(&mut text).await.unwrap();
        inside.write_all(&text).await.unwrap();
    });
    let said = vec![
        begin(1, "error", "80", true),
        Encoder::data(1, b"", true),
        begin(3, "data", "80", false),
        Encoder::data(3, b"hello", true),
        Encoder::ping(9),
    ];
    let frames = session(cluster, said).await;
    within(echo).await.unwrap();
    let data = |stream, bytes: &[u8], last| Frame::Data {
        stream,
        bytes: bytes.to_vec(),
        last,
    };
    assert!(frames.contains(&Frame::Ping { id: 9 }), "{frames:?}");
    assert!(frames.contains(&data(3, b"hello", false)), "{frames:?}");
    assert_eq!(
        frames[frames.len() - 2..],
        [data(1, b"", true), data(3, b"", true)]
    );
}

#[tokio::test]
async fn what_went_wrong_is_said_in_the_stream_for_it() {
    let (cluster, _listener) = listen().await;
    let said = vec![begin(1, "error", "81", true), begin(3, "data", "81", false)];
    let frames = session(cluster, said).await;
    let complaint = "error forwarding port 81 to pod web, uid 1: connection refused";
    assert!(
        frames.contains(&Frame::Data {
            stream: 1,
            bytes: complaint.as_bytes().to_vec(),
            last: true
        }),
        "{frames:?}"
    );
    // Bytes without a stream for complaints are refused, and so is what is neither.
    let (cluster, _listener) = listen().await;
    let said = vec![begin(5, "data", "80", true), begin(7, "else", "80", false)];
    let frames = session(cluster, said).await;
    assert_eq!(
        frames,
        [Frame::Reset { stream: 5 }, Frame::Reset { stream: 7 }]
    );
}
