//! Outages of NATS and recovery from them.

use std::time::{Duration, Instant};

use crate::broker::{Broker, ready};
use crate::client::Client;
use crate::proxy::{Proxy, Weather};
use crate::support::{Person, TestServer, free_address, nkey};

/// Sends messages one by one and asserts that each was stored.
async fn send(server: &TestServer, bob: &Person, count: usize, from: usize) {
    for n in from..from + count {
        let start = Instant::now();
        assert_eq!(server.send(bob, &format!(r#"{{"n":{n}}}"#)).await.status, 201);
        assert!(start.elapsed() < Duration::from_secs(2), "nothing depends on NATS");
    }
}

#[tokio::test]
async fn a_broker_killed_under_load_loses_nothing() {
    let mut broker = Broker::start().await;
    let server = broker.server().await;
    let [bob] = server.people(["bob"]).await;
    let mut live = server.live_as(&bob, 0).await;
    assert_eq!(live.next().await["caught_up"], 0);
    let follow = async {
        let mut seen = Vec::new();
        while seen.len() < 400 {
            let frame = live.next().await;
            let items = frame["items"].as_array().unwrap();
            seen.extend(items.iter().map(|item| item["envelope"]["n"].as_u64().unwrap()));
        }
        seen
    };
    let load = async {
        send(&server, &bob, 100, 0).await;
        let (_, ()) = tokio::join!(send(&server, &bob, 100, 100), broker.kill());
        ready(&server, "degraded").await;
        send(&server, &bob, 100, 200).await;
        let (_, ()) = tokio::join!(send(&server, &bob, 100, 300), broker.restart());
    };
    let (seen, ()) = tokio::time::timeout(Duration::from_secs(30), async { tokio::join!(follow, load) })
        .await
        .expect("the stream goes on all the time");
    assert_eq!(seen, (0..400).collect::<Vec<_>>(), "each once and in order");

    // All of NATS recovers by itself: the callout, and the hints.
    ready(&server, "ok").await;
    let nkey = nkey();
    assert_eq!(server.bind(&bob, nkey.public(), 600).await.status, 204);
    crate::broker::until(async || Client::connect(broker.address, &nkey).await.is_ok()).await;
    let mut client = Client::connect(broker.address, &nkey).await.unwrap();
    let hints = kez_core::nats_binding::subscription(&bob.keys.public().primary());
    assert_eq!(client.subscribe(&hints).await, None);
    send(&server, &bob, 1, 400).await;
    assert_eq!(client.message().await, r#"{"seq":401}"#);
}

#[tokio::test]
async fn a_stalled_broker_delays_nothing() {
    let broker = Broker::start().await;
    let proxy = Proxy::start(broker.address, Weather::Fair, 0).await;
    let server = broker.server_behind(proxy.address, &[]).await;
    ready(&server, "ok").await;
    let [bob] = server.people(["bob"]).await;
    let mut live = server.live_as(&bob, 0).await;
    assert_eq!(live.next().await["caught_up"], 0);
    let mut seen = Vec::new();
    let mut follow = async |count: usize| {
        while seen.len() < count {
            let frame = live.next().await;
            let items = frame["items"].as_array().unwrap();
            seen.extend(items.iter().map(|item| item["envelope"]["n"].as_u64().unwrap()));
        }
    };

    // The connection stays open, and no data passes: nothing has detected that yet, and nothing ever waits for it.
    proxy.stall();
    assert_eq!(server.get("/v1/readyz").await.json()["status"], "ok");
    let start = Instant::now();
    tokio::join!(send(&server, &bob, 200, 0), follow(200));
    assert!(start.elapsed() < Duration::from_secs(10), "by notification, not by polling");
    ready(&server, "degraded").await;
    tokio::join!(send(&server, &bob, 50, 200), follow(250));

    proxy.resume();
    ready(&server, "ok").await;
    tokio::join!(send(&server, &bob, 50, 250), follow(300));
    assert_eq!(seen, (0..300).collect::<Vec<_>>(), "each once and in order");
}

#[tokio::test]
async fn a_hint_waits_until_the_server_has_a_broker_again() {
    let broker = Broker::start().await;
    let proxy = Proxy::start(broker.address, Weather::Fair, 0).await;
    let server = broker.server_behind(proxy.address, &[]).await;
    ready(&server, "ok").await;
    let [bob] = server.people(["bob"]).await;
    let closed = free_address();
    proxy.point_at(closed);
    ready(&server, "degraded").await;

    // The subscriber reaches the broker before the server does.
    let mut subscriber = Client::connect(broker.address, &broker.node_key()).await.unwrap();
    let subject = kez_core::nats_binding::subject(&bob.keys.public().primary());
    assert_eq!(subscriber.subscribe(&subject).await, None);
    send(&server, &bob, 2, 0).await;
    proxy.point_at(broker.address);
    for seq in 1..=2 {
        assert_eq!(subscriber.message().await, format!(r#"{{"seq":{seq}}}"#));
    }
}

#[tokio::test]
async fn monitors_see_whether_a_broker_is_connected() {
    let mut broker = Broker::start().await;
    let free = free_address();
    let server = broker.server_with(&["--metrics-bind", &free.to_string()]).await;
    let says = async |line: &str| {
        // The listener starts a moment after the server.
        let Ok(reply) = reqwest::get(format!("http://{free}/metrics")).await else { return false };
        let text = reply.text().await.unwrap();
        text.lines().any(|said| said == line)
    };
    crate::broker::until(async || says("kez_chat_nats_connected 1").await).await;
    ready(&server, "ok").await;
    broker.kill().await;
    crate::broker::until(async || says("kez_chat_nats_connected 0").await).await;
    ready(&server, "degraded").await;
    assert!(says("kez_chat_ready 1").await, "the server works without the broker");
}

#[tokio::test]
async fn a_server_starts_without_its_broker_and_connects_later() {
    let mut broker = Broker::start().await;
    broker.kill().await;
    let server = broker.server_with(&[]).await;
    ready(&server, "degraded").await;
    let [bob] = server.people(["bob"]).await;
    let mut live = server.live_as(&bob, 0).await;
    assert_eq!(live.next().await["caught_up"], 0);
    send(&server, &bob, 1, 0).await;
    assert_eq!(live.next().await["items"][0]["envelope"]["n"], 0);
    broker.restart().await;
    ready(&server, "ok").await;
    broker.kill().await;
    let start = Instant::now();
    server.stop().await;
    assert!(start.elapsed() < Duration::from_secs(5), "an unreachable broker does not delay a shutdown");
}
