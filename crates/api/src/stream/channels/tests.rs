use super::*;

use futures_util::FutureExt;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::Role;

type Client = WebSocketStream<DuplexStream>;

/// The command's side of a session.
struct Command {
    stdin: DuplexStream,
    stdout: DuplexStream,
    exit: oneshot::Sender<Result<i32, Refused>>,
}

async fn start(ending: Ending) -> (Client, Command, tokio::task::JoinHandle<()>) {
    let (near, far) = duplex(64 * 1024);
    let (stdin, to_command) = duplex(1_024);
    let (stdout, from_command) = duplex(64 * 1024);
    let (exit, exited) = oneshot::channel();
    let session = Session {
        stdin: Some(Box::new(stdin)),
        stdout: Some(Box::new(stdout)),
        stderr: None,
        terminal: None,
        ended: Box::pin(async { exited.await.unwrap_or(Ok(255)) }),
    };
    let socket = WebSocketStream::from_raw_socket(far, Role::Server, None).await;
    let task = tokio::spawn(async move {
        converse(socket, async { Ok(session) }, ending).await;
    });
    let client = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
    let command = Command {
        stdin: to_command,
        stdout: from_command,
        exit,
    };
    (client, command, task)
}

async fn within<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(20), future)
        .await
        .expect("in time")
}

/// All messages until the connection closes, those of the same channel together.
async fn hear(client: &mut Client) -> Vec<(u8, Vec<u8>)> {
    let mut heard: Vec<(u8, Vec<u8>)> = Vec::new();
    while let Some(Ok(message)) = within(client.next()).await {
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Ping(_) | Message::Pong(_) => continue,
            _ => break,
        };
        match heard.last_mut() {
            Some((channel, text)) if *channel == bytes[0] => text.extend_from_slice(&bytes[1..]),
            _ => heard.push((bytes[0], bytes[1..].to_vec())),
        }
    }
    heard
}

#[tokio::test]
async fn all_output_comes_before_the_exit_code() {
    let (mut client, mut command, task) = start(Ending::ExitCode).await;
    // The exit is known long before the output has been read.
    command.exit.send(Ok(3)).unwrap();
    let text = vec![b'x'; 300_000];
    let writing = tokio::spawn(async move {
        command.stdout.write_all(&text).await.unwrap();
        drop(command.stdout);
    });
    let heard = hear(&mut client).await;
    writing.await.unwrap();
    assert_eq!(heard.len(), 2);
    assert_eq!((heard[0].0, heard[0].1.len()), (STDOUT, 300_000));
    let status: Value = serde_json::from_slice(&heard[1].1).unwrap();
    assert_eq!(heard[1].0, OUTCOME);
    assert_eq!(status["reason"], "NonZeroExitCode");
    assert_eq!(
        status["details"]["causes"],
        json!([{ "reason": "ExitCode", "message": "3" }])
    );
    within(task).await.unwrap();
}

#[tokio::test]
async fn input_arrives_and_its_channel_can_be_closed() {
    let (mut client, mut command, _task) = start(Ending::Over).await;
    client
        .send(Message::binary(b"\x00hello".to_vec()))
        .await
        .unwrap();
    client
        .send(Message::binary(vec![CLOSE, STDIN]))
        .await
        .unwrap();
    let mut input = String::new();
    within(command.stdin.read_to_string(&mut input))
        .await
        .unwrap();
    assert_eq!(input, "hello");
    command.exit.send(Ok(4)).unwrap();
    drop(command.stdout);
    let heard = hear(&mut client).await;
    assert!(String::from_utf8_lossy(&heard[1].1).contains("Success"));
}

#[tokio::test]
async fn what_holds_the_output_open_after_the_end_does_not_keep_the_client() {
    let (mut client, command, _task) = start(Ending::ExitCode).await;
    command.exit.send(Ok(0)).unwrap();
    let heard = hear(&mut client).await;
    assert_eq!(heard.last().map(|(channel, _)| *channel), Some(OUTCOME));
    drop(command.stdout);
}

#[tokio::test]
async fn a_client_that_is_gone_ends_the_session() {
    let (client, command, task) = start(Ending::ExitCode).await;
    drop(client);
    within(task).await.unwrap();
    // Whoever waits for the command's end is gone too, by which the node kills it.
    assert!(command.exit.is_closed());
}

#[tokio::test]
async fn a_client_that_goes_while_the_command_reads_nothing_ends_the_session_too() {
    let (mut client, command, task) = start(Ending::ExitCode).await;
    let sending = async { while client.send(Message::binary(vec![0; 4_096])).await.is_ok() {} };
    // Input piles up until no more is taken; then the client goes.
    let _ = timeout(Duration::from_millis(300), sending).await;
    drop(client);
    within(task).await.unwrap();
    assert!(command.exit.is_closed());
}

#[tokio::test]
async fn nothing_is_said_before_the_client_has_answered() {
    let (near, far) = duplex(64 * 1024);
    let socket = WebSocketStream::from_raw_socket(far, Role::Server, None).await;
    let refused = async { Err(Refused::BadRequest("no".to_owned())) };
    let task = tokio::spawn(async move { converse(socket, refused, Ending::ExitCode).await });
    let mut client = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
    // The client answers while it reads on: what comes at once after the ping comes too early.
    assert!(matches!(
        within(client.next()).await,
        Some(Ok(Message::Ping(_)))
    ));
    let early = timeout(Duration::from_millis(20), client.next()).now_or_never();
    assert!(early.is_none());
    let heard = hear(&mut client).await;
    assert_eq!(heard[0].0, OUTCOME);
    within(task).await.unwrap();
}

#[tokio::test]
async fn a_client_that_never_answers_is_told_all_the_same_and_its_first_words_are_kept() {
    let (mut client, mut command, _task) = start(Ending::Over).await;
    client
        .send(Message::binary(b"\x00first".to_vec()))
        .await
        .unwrap();
    let mut input = [0; 5];
    within(command.stdin.read_exact(&mut input)).await.unwrap();
    assert_eq!(&input, b"first");
    command.exit.send(Ok(0)).unwrap();
    drop(command.stdout);
    assert_eq!(
        hear(&mut client).await.last().map(|(channel, _)| *channel),
        Some(OUTCOME)
    );
}
