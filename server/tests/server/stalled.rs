//! Connections that start a request and do not finish it.

use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{NOW, TestServer};

const HEAD: &str = "POST /v1/messages HTTP/1.1\r\nhost: kez.lat\r\ncontent-type: application/json\r\n";

/// Writes the opening and returns the server's answer and the time at which it closed the connection.
async fn stall(server: &TestServer, opening: &str) -> (String, f64) {
    let start = Instant::now();
    let answer = server.raw(opening.as_bytes()).await;
    (answer, start.elapsed().as_secs_f64())
}

/// Writes a byte twice a second until the server closes the connection.
async fn drip(server: &TestServer, opening: &str) -> f64 {
    let start = Instant::now();
    let (mut reader, mut writer) = TcpStream::connect(server.address).await.unwrap().into_split();
    writer.write_all(opening.as_bytes()).await.unwrap();
    let mut end =
        Box::pin(async move { while reader.read(&mut [0; 512]).await.is_ok_and(|read| read > 0) {} });
    let mut pace = tokio::time::interval(Duration::from_millis(500));
    loop {
        tokio::select! {
            () = &mut end => return start.elapsed().as_secs_f64(),
            _ = pace.tick() => drop(writer.write_all(b"x").await),
        }
    }
}

#[tokio::test]
async fn stalled_connections_end_without_affecting_others() {
    let server = TestServer::start().await;
    let [bob] = server.people(["bob"]).await;
    let half_line = "GET /v1/hea";
    let half_head = "GET /v1/healthz HTTP/1.1\r\nhost: kez";
    let half_body = format!("{HEAD}content-length: 1000\r\n\r\n{{\"to\":");
    let dripping_head = format!("{HEAD}x-slow: ");
    let dripping_body = format!("{HEAD}content-length: 100000\r\n\r\n");
    let heads =
        join_all(["", half_line, half_head].iter().cycle().take(300).map(|opening| stall(&server, opening)));
    let bodies = join_all((0..50).map(|_| stall(&server, &half_body)));
    let drips = join_all((0..20).map(|_| drip(&server, &dripping_head)));
    let dripped_bodies = join_all((0..20).map(|_| drip(&server, &dripping_body)));
    let others = async {
        let mut slowest = Duration::ZERO;
        let mut pace = tokio::time::interval(Duration::from_millis(100));
        for n in 0..80 {
            pace.tick().await;
            let start = Instant::now();
            assert_eq!(server.send(&bob, &format!(r#"{{"n":{n}}}"#)).await.status, 201);
            slowest = slowest.max(start.elapsed());
        }
        slowest
    };
    let (heads, bodies, drips, dripped_bodies, slowest) =
        tokio::join!(heads, bodies, drips, dripped_bodies, others);
    for (answer, seconds) in heads {
        assert!(answer.is_empty() && (4.0..8.0).contains(&seconds), "{seconds} {answer}");
    }
    for (answer, seconds) in bodies {
        assert!(
            answer.contains(r#""code":"body_timeout""#) && answer.starts_with("HTTP/1.1 408"),
            "{answer}"
        );
        assert!((9.0..14.0).contains(&seconds), "{seconds}");
    }
    assert!(drips.iter().all(|seconds| (4.0..8.0).contains(seconds)), "{drips:?}");
    assert!(dripped_bodies.iter().all(|seconds| (9.0..14.0).contains(seconds)), "{dripped_bodies:?}");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
}

#[tokio::test]
async fn idle_connections_are_closed_except_those_of_a_proxy() {
    let direct = TestServer::start().await;
    let proxied = TestServer::start_with(&["--limits", "off", "--trusted-proxies", "127.0.0.0/8"]).await;
    let request = "GET /v1/healthz HTTP/1.1\r\nhost: kez.lat\r\n\r\n";
    let (answer, seconds) = stall(&direct, request).await;
    assert!(answer.starts_with("HTTP/1.1 200") && (4.0..8.0).contains(&seconds), "{seconds} {answer}");
    let patience = Duration::from_secs(7);
    assert!(
        tokio::time::timeout(patience, stall(&proxied, request)).await.is_err(),
        "kept for the next client"
    );
}

#[tokio::test]
async fn a_head_over_16_kib_is_431() {
    let server = TestServer::start().await;
    for padding in [20_000, 500_000] {
        let head = format!(
            "GET /v1/healthz HTTP/1.1\r\nhost: kez.lat\r\nx-padding: {}\r\n\r\n",
            "x".repeat(padding)
        );
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // The server may have closed the connection before everything was written.
        drop(stream.write_all(head.as_bytes()).await);
        let mut answer = vec![0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, b"HTTP/1.1 431");
    }
    let fits = format!(
        "GET /v1/healthz HTTP/1.1\r\nhost: kez.lat\r\nconnection: close\r\nx-padding: {}\r\n\r\n",
        "x".repeat(15_000)
    );
    assert!(server.raw(fits.as_bytes()).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_truncated_body_is_not_a_message() {
    let server = TestServer::start().await;
    let [bob] = server.people(["bob"]).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let cut = format!("{HEAD}content-length: 100\r\n\r\n{{\"to\":\"bob\",\"envelope\":{{}}}}");
    stream.write_all(cut.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    assert!(server.inbox(&bob, 0).await.seqs().is_empty());
    assert_eq!(server.now().unix(), NOW);
}
