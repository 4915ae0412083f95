//! HTTP and TCP: what is sent, and what is made of the answer.

use super::servers::{answer, config, redirect, serve, serve_tls};
use super::*;
use crate::probe;

#[tokio::test]
async fn a_status_from_200_to_399_is_success_and_any_other_is_not() {
    for (status, expected) in [
        ("200 OK", Outcome::Success),
        ("204 No Content", Outcome::Success),
        (
            "304 Not Modified",
            Outcome::Warning("Probe terminated redirects, Response body: ".into()),
        ),
        (
            "404 Not Found",
            Outcome::Failure("HTTP probe failed with statuscode: 404".into()),
        ),
        (
            "500 Oh",
            Outcome::Failure("HTTP probe failed with statuscode: 500".into()),
        ),
    ] {
        let (address, _requests) = serve(vec![format!("HTTP/1.1 {status}\r\n\r\n")]).await;
        assert_eq!(
            probe::http(&Own, &get(address, "/"), PATIENCE).await,
            expected,
            "{status}"
        );
    }
}

#[tokio::test]
async fn a_probe_says_who_it_is_and_keeps_no_connection() {
    let (address, mut requests) = serve(vec![answer("200 OK", "", "ok")]).await;
    let outcome = probe::http(&Own, &get(address, "/health z?deep=1#part"), PATIENCE).await;
    assert_eq!(outcome, Outcome::Success);
    let request = requests.recv().await.unwrap();
    let mut lines: Vec<&str> = request.trim_end().split("\r\n").collect();
    assert_eq!(lines.remove(0), "GET /health%20z?deep=1 HTTP/1.1");
    lines.sort_unstable();
    let host = format!("Host: 127.0.0.1:{}", address.port());
    assert_eq!(
        lines,
        [
            "Accept: */*",
            "Connection: close",
            &host,
            "User-Agent: kube-probe/1.36"
        ]
    );
}

#[tokio::test]
async fn the_manifests_headers_win_and_empty_ones_remove_the_defaults() {
    let (address, mut requests) =
        serve(vec![answer("200 OK", "", ""), answer("200 OK", "", "")]).await;
    let first = with(
        get(address, "no-slash"),
        &[
            ("user-agent", "me"),
            ("Accept", ""),
            ("Host", "web.example"),
            ("X-A", "1"),
            ("X-A", "2"),
            ("Content-Length", "9"),
        ],
    );
    assert_eq!(probe::http(&Own, &first, PATIENCE).await, Outcome::Success);
    let request = requests.recv().await.unwrap();
    let mut lines: Vec<&str> = request.trim_end().split("\r\n").collect();
    assert_eq!(lines.remove(0), "GET /no-slash HTTP/1.1");
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "Connection: close",
            "Host: web.example",
            "User-Agent: me",
            "X-A: 1",
            "X-A: 2"
        ]
    );
    let second = with(get(address, "/"), &[("User-Agent", "")]);
    assert_eq!(probe::http(&Own, &second, PATIENCE).await, Outcome::Success);
    assert!(!requests.recv().await.unwrap().contains("User-Agent"));
}

#[tokio::test]
async fn redirects_are_followed_on_the_same_host() {
    let (other, mut others) = serve(vec![answer("200 OK", "", "")]).await;
    let there = format!("http://127.0.0.1:{}/there", other.port());
    let (address, mut requests) = serve(vec![redirect("b?c"), redirect(&there)]).await;
    let given = with(get(address, "/x/a"), &[("Host", "web.example")]);
    assert_eq!(probe::http(&Own, &given, PATIENCE).await, Outcome::Success);
    assert!(requests.recv().await.unwrap().starts_with("GET /x/a "));
    let second = requests.recv().await.unwrap();
    assert!(
        second.starts_with("GET /x/b?c ") && second.contains("Host: web.example"),
        "{second}"
    );
    let third = others.recv().await.unwrap();
    assert!(
        third.starts_with("GET /there ")
            && third.contains(&format!("Host: 127.0.0.1:{}", other.port()))
    );
}

#[tokio::test]
async fn a_redirect_to_another_host_ends_the_probe_with_a_warning() {
    let (address, _requests) = serve(vec![redirect("http://web.example/")]).await;
    let expected = Outcome::Warning("Probe terminated redirects, Response body: moved".into());
    assert_eq!(
        probe::http(&Own, &get(address, "/"), PATIENCE).await,
        expected
    );
}

#[tokio::test]
async fn ten_redirects_are_enough() {
    let (address, mut requests) = serve((0..11).map(|_| redirect("/")).collect()).await;
    let words = words(probe::http(&Own, &get(address, "/"), PATIENCE).await);
    assert_eq!(
        words,
        format!("Get \"http://{address}/\": stopped after 10 redirects")
    );
    let mut count = 0;
    while requests.try_recv().is_ok() {
        count += 1;
    }
    assert_eq!(count, 10);
}

#[tokio::test]
async fn of_a_long_body_only_the_beginning_is_read() {
    // The server promises more than it sends, so reading to the end would wait for ever.
    let (listener, body) = (
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
        "x".repeat(20 << 10),
    );
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head =
            "HTTP/1.1 307 Moved\r\nContent-Length: 99999999\r\nLocation: http://o.example/\r\n\r\n";
        stream
            .write_all(format!("{head}{body}").as_bytes())
            .await
            .unwrap();
        let mut rest = Vec::new();
        // The end of the connection, however abrupt.
        _ = stream.read_to_end(&mut rest).await;
    });
    match probe::http(&Own, &get(address, "/"), PATIENCE).await {
        Outcome::Warning(words) => assert_eq!(words.matches('x').count(), 10 << 10),
        other => panic!("{other:?}"),
    }
    server.await.unwrap();
}

#[tokio::test]
async fn the_timeout_covers_the_answer_and_its_body() {
    for sent in ["", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhal"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(sent.as_bytes()).await.unwrap();
            let mut rest = Vec::new();
            _ = stream.read_to_end(&mut rest).await;
        });
        let words = words(probe::http(&Own, &get(address, "/"), IMPATIENCE).await);
        assert!(words.contains("context deadline exceeded"), "{words}");
        // The probe has let go of its connection, or this would not return.
        server.await.unwrap();
    }
}

#[tokio::test]
async fn a_closed_port_fails_probes_of_every_kind_and_hooks() {
    let port = closed_port();
    let nobody = HttpGet {
        port,
        ..get(([127, 0, 0, 1], port).into(), "/")
    };
    let refused = format!("dial tcp 127.0.0.1:{port}: connect: connection refused");
    let http = format!("Get \"http://127.0.0.1:{port}/\": {refused}");
    assert_eq!(words(probe::http(&Own, &nobody, PATIENCE).await), http);
    assert_eq!(words(probe::tcp(&Own, None, port, PATIENCE).await), refused);
    assert_eq!(probe::hook(&Own, &nobody).await, Err(http));
    assert_eq!(
        words(probe::grpc(&Own, port, "", PATIENCE).await),
        format!("error: failed to connect service at \"127.0.0.1:{port}\": {refused}")
    );
}

#[tokio::test]
async fn an_open_port_is_enough_for_tcp_under_an_address_or_a_name() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    assert_eq!(
        probe::tcp(&Own, None, port, PATIENCE).await,
        Outcome::Success
    );
    assert_eq!(
        probe::tcp(&Own, Some("localhost"), port, PATIENCE).await,
        Outcome::Success
    );
}

#[tokio::test]
async fn no_certificate_is_looked_at() {
    let (address, mut requests) = serve_tls(answer("200 OK", "", "")).await;
    let get = HttpGet {
        scheme: Scheme::Https,
        ..get(address, "/s")
    };
    assert_eq!(probe::http(&Own, &get, PATIENCE).await, Outcome::Success);
    assert!(
        requests
            .recv()
            .await
            .unwrap()
            .starts_with("GET /s HTTP/1.1")
    );
}

#[tokio::test]
async fn a_server_that_prefers_http2_over_tls_gets_it() {
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config(&[b"h2"])));
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = acceptor.accept(stream).await.unwrap();
        let service = hyper::service::service_fn(|request: hyper::Request<_>| async move {
            let _: hyper::body::Incoming = request.into_body();
            let body = http_body_util::Empty::<hyper::body::Bytes>::new();
            hyper::Response::builder().status(418).body(body)
        });
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        _ = server.serve_connection(TokioIo::new(stream), service).await;
    });
    let get = HttpGet {
        scheme: Scheme::Https,
        ..get(address, "/")
    };
    assert_eq!(
        words(probe::http(&Own, &get, PATIENCE).await),
        "HTTP probe failed with statuscode: 418"
    );
}

#[tokio::test]
async fn a_probe_over_https_fails_at_a_server_that_speaks_http() {
    let (address, _requests) = serve(vec![answer("400 Bad Request", "", "")]).await;
    let get = HttpGet {
        scheme: Scheme::Https,
        ..get(address, "/")
    };
    let words = words(probe::http(&Own, &get, PATIENCE).await);
    assert_eq!(
        words,
        format!("Get \"https://{address}/\": http: server gave HTTP response to HTTPS client")
    );
}

#[tokio::test]
async fn a_hook_is_content_with_any_status() {
    for status in ["200 OK", "404 Not Found", "500 Oh"] {
        let (address, mut requests) = serve(vec![answer(status, "", "")]).await;
        assert_eq!(
            probe::hook(&Own, &get(address, "/stop")).await,
            Ok(()),
            "{status}"
        );
        assert!(
            requests
                .recv()
                .await
                .unwrap()
                .contains("User-Agent: kube-lifecycle/1.36")
        );
    }
}

#[tokio::test]
async fn a_hook_over_https_is_tried_again_in_clear_text_without_credentials() {
    let (address, mut requests) = serve(vec![
        answer("400 Bad Request", "", ""),
        answer("200 OK", "", ""),
    ])
    .await;
    let get = HttpGet {
        scheme: Scheme::Https,
        ..get(address, "/stop")
    };
    let get = with(get, &[("Authorization", "Bearer secret"), ("X-A", "1")]);
    assert_eq!(probe::hook(&Own, &get).await, Ok(()));
    assert!(!requests.recv().await.unwrap().starts_with("GET"));
    let second = requests.recv().await.unwrap();
    assert!(
        second.starts_with("GET /stop ") && second.contains("X-A: 1") && !second.contains("secret"),
        "{second}"
    );
}

#[tokio::test]
async fn a_hook_fails_when_the_connection_breaks() {
    let (address, _requests) = serve(vec![String::new()]).await;
    let words = probe::hook(&Own, &get(address, "/")).await.unwrap_err();
    assert!(
        words.starts_with(&format!("Get \"http://{address}/\": ")),
        "{words}"
    );
}
