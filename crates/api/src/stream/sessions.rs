//! How are ports forwarded over SPDY? Each connection is a pair of streams with the same request
//! number: one for its bytes, one for what went wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::PIECE;
use super::ports::complaint;
use super::spdy::{DATA_MAX, Decoder, Encoder, Frame};
use crate::{Cluster, PodRef};

/// Streams that may be open at once in one connection.
const STREAMS_MAX: usize = 512;
/// Pieces that wait for a peer that does not read.
const WAITING: usize = 16;

/// What a stream of the client is to us.
enum Role {
    /// Where it hears what went wrong with a request.
    Complaints { request: String },
    /// The bytes of a connection; an empty piece is their end.
    Bytes { to_pod: mpsc::Sender<Vec<u8>> },
}

struct Forwarder<C> {
    cluster: Arc<C>,
    pod: PodRef,
    streams: BTreeMap<u32, Role>,
    flows: JoinSet<()>,
    tell: mpsc::Sender<Vec<u8>>,
    encoder: Encoder,
}

/// Forwards until the client is gone, whose connections then end too.
pub(super) async fn forward<C: Cluster>(
    cluster: Arc<C>,
    pod: PodRef,
    mut inbound: impl Stream<Item = Vec<u8>> + Unpin,
    mut outbound: impl Sink<Vec<u8>> + Unpin,
) {
    let (tell, mut told) = mpsc::channel::<Vec<u8>>(WAITING);
    let mut forwarder = Forwarder {
        cluster,
        pod,
        streams: BTreeMap::new(),
        flows: JoinSet::new(),
        tell,
        encoder: Encoder::new(),
    };
    let hear = async {
        let mut decoder = Decoder::new();
        while let Some(bytes) = inbound.next().await {
            // A long message is not taken at once: packed headers become a thousand times larger.
            for piece in bytes.chunks(PIECE) {
                match decoder.decode(piece) {
                    Ok(frames) => {
                        for frame in frames {
                            forwarder.take(frame).await;
                        }
                    }
                    Err(problem) => {
                        tracing::debug!(%problem, "a client's SPDY connection ends");
                        return;
                    }
                }
            }
        }
    };
    let speak = async {
        while let Some(bytes) = told.recv().await {
            if outbound.send(bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = hear => {}
        () = speak => {}
    }
}

impl<C: Cluster> Forwarder<C> {
    async fn take(&mut self, frame: Frame) {
        match frame {
            Frame::Begin {
                stream, headers, ..
            } => {
                let answer = if self.begin(stream, &headers) {
                    self.encoder.accept(stream)
                } else {
                    Encoder::reset(stream)
                };
                self.say(answer).await;
            }
            Frame::Data {
                stream,
                bytes,
                last,
            } => {
                let Some(Role::Bytes { to_pod }) = self.streams.get(&stream) else {
                    return;
                };
                // A send fails when that connection has ended, which the client hears by itself.
                if !bytes.is_empty() {
                    let _ = to_pod.send(bytes).await;
                }
                if last {
                    let _ = to_pod.send(Vec::new()).await;
                }
            }
            Frame::Reset { stream } => {
                self.streams.remove(&stream);
            }
            // Pings of ours would have even numbers; there are none.
            Frame::Ping { id } if id % 2 == 1 => self.say(Encoder::ping(id)).await,
            Frame::Ping { .. } | Frame::GoAway => {}
        }
    }

    /// It fails when the client is gone, which ends everything anyway.
    async fn say(&self, bytes: Vec<u8>) {
        let _ = self.tell.send(bytes).await;
    }

    /// Whether the stream is one that we can serve.
    fn begin(&mut self, stream: u32, headers: &[(String, String)]) -> bool {
        let value = |name: &str| {
            let found = headers.iter().find(|(each, _)| each == name);
            found.map(|(_, value)| value.as_str())
        };
        while self.flows.try_join_next().is_some() {}
        self.streams
            .retain(|_, role| !matches!(role, Role::Bytes { to_pod } if to_pod.is_closed()));
        if self.streams.len() >= STREAMS_MAX || self.streams.contains_key(&stream) {
            return false;
        }
        let request = value("requestid").unwrap_or_default().to_owned();
        let port = value("port").and_then(|port| port.parse::<u16>().ok());
        match (value("streamtype"), port) {
            (Some("error"), _) => {
                self.streams.insert(stream, Role::Complaints { request });
                true
            }
            (Some("data"), Some(port)) => {
                let complaints = self.streams.iter().find_map(|(number, role)| match role {
                    Role::Complaints { request: theirs } if *theirs == request => Some(*number),
                    _ => None,
                });
                let Some(complaints) = complaints else {
                    return false;
                };
                self.streams.remove(&complaints);
                let (to_pod, from_client) = mpsc::channel(WAITING);
                self.streams.insert(stream, Role::Bytes { to_pod });
                self.flows.spawn(flow(
                    (Arc::clone(&self.cluster), self.pod.clone()),
                    port,
                    (stream, complaints),
                    from_client,
                    self.tell.clone(),
                ));
                true
            }
            _ => false,
        }
    }
}

async fn flow<C: Cluster>(
    (cluster, pod): (Arc<C>, PodRef),
    port: u16,
    (stream, complaints): (u32, u32),
    from_client: mpsc::Receiver<Vec<u8>>,
    tell: mpsc::Sender<Vec<u8>>,
) {
    let complaint = match cluster.connect(&pod, port).await {
        Ok(connection) => {
            carry(connection, stream, from_client, &tell).await;
            String::new()
        }
        Err(refused) => complaint(&pod, port, &refused),
    };
    // If these fail the client is gone.
    let _ = tell
        .send(Encoder::data(complaints, complaint.as_bytes(), true))
        .await;
    let _ = tell.send(Encoder::data(stream, &[], true)).await;
}

/// Both ways, until the Pod says no more or the client has reset the stream.
async fn carry(
    mut connection: TcpStream,
    stream: u32,
    mut from_client: mpsc::Receiver<Vec<u8>>,
    tell: &mpsc::Sender<Vec<u8>>,
) {
    let (mut reader, mut writer) = connection.split();
    let inward = async {
        while let Some(bytes) = from_client.recv().await {
            let written = if bytes.is_empty() {
                writer.shutdown().await
            } else {
                writer.write_all(&bytes).await
            };
            if written.is_err() {
                // The Pod reads no more; what it has to say still counts.
                while from_client.recv().await.is_some() {}
            }
        }
    };
    let outward = async {
        let mut piece = vec![0; DATA_MAX];
        while let Ok(length @ 1..) = reader.read(&mut piece).await {
            let data = Encoder::data(stream, &piece[..length], false);
            if tell.send(data).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = inward => {}
        () = outward => {}
    }
}
