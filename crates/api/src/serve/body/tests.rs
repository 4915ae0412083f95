use super::*;
use crate::serve::connection::Socket;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

const LINE: usize = 6_000;

/// A connection and the bytes of an answer that never ends.
fn endless() -> (Arc<Connection>, Body) {
    let (socket, _client) = UnixStream::pair().unwrap();
    let limits = Limits::default();
    let connection = Arc::new(Connection::new(1, Socket::Unix(socket), &limits));
    connection.enter(crate::serve::connection::Phase::Serving);
    let answer = lines("text/plain", (), |()| async {
        Some((Bytes::from_static(&[b'x'; LINE]), ()))
    });
    let body = guarded(answer, &connection, &limits).into_body();
    (connection, body)
}

fn take_all(body: &mut Body) -> usize {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let mut pieces = 0;
    while let Poll::Ready(Some(Ok(_))) = Pin::new(&mut *body).poll_frame(&mut cx) {
        pieces += 1;
    }
    pieces
}

#[tokio::test]
async fn no_more_of_an_answer_is_made_than_the_client_takes() {
    let (connection, mut body) = endless();
    let registry = crate::serve::registry::Registry::new(Arc::default());
    let mut wire = crate::serve::connection::Wire::new(Arc::clone(&connection), registry);
    assert_eq!(take_all(&mut body), 3);
    assert_eq!(take_all(&mut body), 0);
    wire.flush().await.unwrap();
    assert_eq!(take_all(&mut body), 3);
}

#[tokio::test]
async fn who_is_still_being_sent_an_answer_is_not_idle() {
    let (connection, mut body) = endless();
    let registry = crate::serve::registry::Registry::new(Arc::default());
    let mut wire = crate::serve::connection::Wire::new(Arc::clone(&connection), registry);
    take_all(&mut body);
    drop(body);
    assert_eq!(connection.worth(), None);
    wire.flush().await.unwrap();
    assert!(connection.worth().is_some());
}
