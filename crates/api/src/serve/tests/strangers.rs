//! Whom does a stranger keep out? Nobody. And how long may the head of a request be?

use super::*;

#[tokio::test]
async fn who_shows_no_certificate_never_takes_the_place_of_one_who_does() {
    let limits = Limits {
        connections: 8,
        connections_reserved: 1,
        strangers: 4,
        ..Limits::default()
    };
    let server = Server::start("strangers", limits).await;
    let mut early = Vec::new();
    for _ in 0..4 {
        early.push(server.connect(true).await);
    }
    let (mut mute, mut crowd) = (Vec::new(), Vec::new());
    for number in 0..60 {
        // In every phase: connected, in the handshake, behind it, in a head that does not end.
        if number < 20 {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            if number % 2 == 0 {
                stream.write_all(b"\x16\x03\x01").await.unwrap();
            }
            mute.push(stream);
            continue;
        }
        let mut stranger = server.connect(false).await;
        if number >= 40 {
            stranger.write_all(b"GET / HTTP/1.1\r\nX: ").await.unwrap();
        }
        // One letter after the other. Who has been made to go hears of it here.
        for known in &mut early {
            let _ = stranger.write_all(b"x").await;
            let _ = stranger.flush().await;
            assert!(ask(known, "GET /").await.starts_with("HTTP/1.1 200"));
        }
        crowd.push(stranger);
    }
    for _ in 0..20 {
        let mut known = server.connect(true).await;
        assert!(ask(&mut known, "GET /").await.starts_with("HTTP/1.1 200"));
    }
    // Of the crowd only a few are left; what they do is of no consequence.
    for stranger in &mut crowd[..30] {
        assert!(is_closed(stranger).await);
    }
    drop((mute, crowd, early));
    server.end().await;
}

#[tokio::test]
async fn who_shows_no_certificate_has_little_time_for_the_whole_of_a_request() {
    let limits = Limits {
        stranger_ms: 100,
        head_ms: 60_000,
        sweep_ms: 20,
        ..Limits::default()
    };
    let server = Server::start("brief", limits).await;
    let mut silent = server.connect(false).await;
    let mut slow = server.connect(false).await;
    slow.write_all(b"GET / HTTP/1.1\r\nX: ").await.unwrap();
    // Each of its letters would put off the end of a client with a certificate's head no more than this.
    assert!(is_closed(&mut silent).await);
    assert!(is_closed(&mut slow).await);
    server.end().await;
}

#[tokio::test]
async fn a_head_is_as_long_as_it_is_said_to_be_and_no_byte_longer() {
    let most = Limits::default().head_bytes;
    let server = Server::start("head", Limits::default()).await;
    let frame = "GET / HTTP/1.1\r\nHost: x\r\nX: \r\n\r\n".len();
    for (more, wanted) in [
        (0, "HTTP/1.1 200"),
        (1, "HTTP/1.1 431"),
        (46 * 1024, "HTTP/1.1 431"),
    ] {
        let filler = "y".repeat(most - frame + more);
        let head = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {filler}\r\n\r\n");
        assert_eq!(head.len(), most + more);
        let mut far = server.connect(true).await;
        let answer = answer(&mut far, &head).await;
        assert!(answer.starts_with(wanted), "{more}: {answer}");
        if rustix::process::geteuid().is_root() {
            let near = UnixStream::connect(server.root.join("api.sock")).await;
            let answer = self::answer(&mut near.unwrap(), &head).await;
            assert!(answer.starts_with(wanted), "{more}: {answer}");
        } else {
            eprintln!("SKIPPED: the unix socket serves root only, and this is not root");
        }
    }
    server.end().await;
}

async fn answer(client: &mut (impl AsyncRead + AsyncWrite + Unpin), head: &str) -> String {
    // It may be refused, and closed, before all of it is sent.
    let _ = client.write_all(head.as_bytes()).await;
    let mut piece = vec![0; 4_096];
    let length = within(client.read(&mut piece)).await.unwrap_or(0);
    String::from_utf8_lossy(&piece[..length]).into_owned()
}
