//! The rate limits of one client network, each of which the operator can change.

use std::time::Duration;

use kez_chat_server::config::timings::Timings;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::support::{Person, Reply, TestServer};

#[tokio::test]
async fn all_kinds_of_lookups_share_one_rate() {
    let server = TestServer::start_with(&["--lookups-per-minute", "2"]).await;
    let [alice] = server.people(["alice"]).await;
    let by_key = format!("/v1/by-primary/{}", alice.primary());
    let ways = ["/v1/u/alice", &by_key, "/.well-known/webfinger?resource=acct:alice@kez.lat", "/v1/u/alice"];
    for way in ways {
        assert_eq!(server.get(way).await.status, 200, "{way}");
    }
    for way in ways {
        let refused = server.get(way).await;
        refused.refused(429, "rate_limited");
        assert!((1..=30).contains(&refused.header("retry-after").parse::<u32>().unwrap()), "{way}");
    }
    assert_eq!(server.inbox(&alice, 0).await.status, 200, "reads have a separate rate");
}

#[tokio::test]
async fn registrations_and_reads_have_rates_of_their_own() {
    let flags = ["--registrations-per-minute", "1", "--reads-per-minute", "2", "--signed-per-minute", "2"];
    let server = TestServer::start_with(&flags).await;
    let [alice, _] = server.people(["alice", "bob"]).await;
    server.register(&Person::new("carol")).await.refused(429, "rate_limited");
    assert_eq!(server.inbox(&alice, 0).await.status, 200);
    server.inbox(&alice, 0).await.refused(429, "rate_limited");
    assert_eq!(server.send_as(&alice, &alice, "{}").await.status, 201);
    server.send_as(&alice, &alice, r#"{"n":1}"#).await.refused(429, "rate_limited");
}

#[tokio::test]
async fn connections_per_network_are_limited() {
    let server = TestServer::start_with(&["--connections-per-network", "3"]).await;
    let connect = async || TcpStream::connect(server.address).await.unwrap();
    let mut held = vec![connect().await, connect().await, connect().await];
    let closed = connect().await.read(&mut [0; 1]).await;
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    // The slot is free again once the connection is closed, which the server notices a moment later.
    held.pop();
    let served = async { while reqwest::get(server.url("/v1/healthz")).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(4), served).await.unwrap();
}

#[tokio::test]
async fn a_trusted_proxy_is_not_limited_like_a_client() {
    let flags = ["--connections-per-network", "1", "--trusted-proxies", "127.0.0.1"];
    let server = TestServer::start_with(&flags).await;
    let _held = [
        TcpStream::connect(server.address).await.unwrap(),
        TcpStream::connect(server.address).await.unwrap(),
    ];
    assert_eq!(server.get("/v1/healthz").await.status, 200);
}

#[tokio::test]
async fn live_streams_per_inbox_are_limited() {
    let server = TestServer::start_with(&["--streams-per-inbox", "2"]).await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    let mut first = server.live_as(&alice, 0).await;
    let mut second = server.live_as(&alice, 0).await;
    for live in [&mut first, &mut second] {
        assert_eq!(live.next().await["caught_up"], 0);
    }
    assert_eq!(server.live_as(&alice, 0).await.closed().await, 1013);
    assert_eq!(server.live_as(&bob, 0).await.next().await["caught_up"], 0, "another inbox");
    drop(first);
    let comes_in = async {
        // The server notices a moment later that the first one is closed.
        while server.live_as(&alice, 0).await.ended_at_once().await {}
    };
    tokio::time::timeout(Duration::from_secs(4), comes_in).await.unwrap();
}

/// Requests a live stream as a client of a proxy that names this address. The stream lasts until the answer is dropped.
async fn stream_from(server: &TestServer, address: &str) -> Result<reqwest::Response, Reply> {
    let request = server.http.get(server.url("/v1/inbox/alice/live")).header("x-forwarded-for", address);
    let request = request.header("connection", "upgrade").header("upgrade", "websocket");
    let key = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let request = request.header("sec-websocket-version", "13").header(key.0, key.1);
    let response = request.try_clone().unwrap().send().await.unwrap();
    if response.status() == 101 { Ok(response) } else { Err(Reply::of(request).await) }
}

#[tokio::test]
async fn live_streams_per_network_are_limited() {
    let flags = ["--streams-per-network", "2", "--trusted-proxies", "127.0.0.1"];
    // So that no stream ends by itself, although no client sends a hello.
    let patient = Timings { hello: Duration::from_secs(60), ..Timings::default() };
    let server = TestServer::start_with_timings(patient, &flags).await;
    let first = stream_from(&server, "192.0.2.1").await.unwrap();
    let _second = stream_from(&server, "192.0.2.1").await.unwrap();
    let refused = stream_from(&server, "192.0.2.1").await.unwrap_err();
    refused.refused(503, "unavailable");
    assert_eq!(refused.header("retry-after"), "60");
    let _other = stream_from(&server, "192.0.2.2").await.expect("another network");
    let _other = stream_from(&server, "2001:db8::1").await.expect("another network");
    drop(first);
    let comes_in = async {
        // The server notices a moment later that the first one is closed.
        loop {
            if let Ok(stream) = stream_from(&server, "192.0.2.1").await {
                return stream;
            }
        }
    };
    let _third = tokio::time::timeout(Duration::from_secs(4), comes_in).await.unwrap();
    stream_from(&server, "192.0.2.1").await.unwrap_err().refused(503, "unavailable");
}
