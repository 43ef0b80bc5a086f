//! `GET /v1/inbox/{handle}/live`

use std::time::{Duration, Instant};

use kez_core::api::{CLOSE_UNAUTHORIZED, live_target};
use kez_core::envelope;
use kez_core::time::Timestamp;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::postgres::cluster::Cluster;
use crate::support::{Live, NOW, Person, TestServer, server_name};

fn envelope(n: usize) -> String {
    format!(r#"{{"n":{n}}}"#)
}

/// An envelope of the maximum length.
fn longest(n: usize) -> String {
    let start = format!(r#"{{"n":{n},"padding":""#);
    let padding = "x".repeat(envelope::MAX_BYTES - start.len() - 2);
    format!(r#"{start}{padding}"}}"#)
}

/// Reads frames until an item with this sequence number has arrived.
async fn items_up_to(live: &mut Live, last: u64) -> Vec<Value> {
    let mut items = Vec::new();
    while items.last().is_none_or(|item: &Value| item["seq"] != last) {
        items.extend(live.next().await["items"].as_array().unwrap().clone());
    }
    items
}

#[tokio::test]
async fn a_stream_sends_backlog_then_caught_up_then_new_items() {
    let server = TestServer::start().await;
    let [bob] = server.people(["bob"]).await;
    for n in 1..=250 {
        server.send(&bob, &envelope(n)).await;
    }
    let mut live = server.live_as(&bob, 2).await;
    let first = live.next().await;
    assert_eq!(first["last"], 250, "how much follows");
    let mut backlog = first["items"].as_array().unwrap().clone();
    for is_full in [true, false] {
        let next = live.next().await;
        assert_eq!(next["last"].is_u64(), is_full);
        backlog.extend(next["items"].as_array().unwrap().clone());
    }
    assert_eq!(
        backlog.iter().map(|item| item["seq"].as_u64().unwrap()).collect::<Vec<_>>(),
        (3..=250).collect::<Vec<_>>()
    );
    assert_eq!(backlog[0]["envelope"], json!({"n": 3}));
    let caught_up = live.next().await;
    assert_eq!(caught_up["caught_up"], 250);
    assert_eq!(caught_up["epoch"], server.inbox(&bob, 0).await.json()["epoch"]);
    for n in 251..=260 {
        server.send(&bob, &envelope(n)).await;
    }
    let arrived = items_up_to(&mut live, 260).await;
    assert_eq!(arrived.len(), 10);
}

#[tokio::test]
async fn envelopes_of_every_size_precede_caught_up() {
    let server = TestServer::start().await;
    let [bob] = server.people(["bob"]).await;
    for envelope in [envelope(1), longest(2), envelope(3), envelope(4), longest(5), longest(6), envelope(7)] {
        assert_eq!(server.send(&bob, &envelope).await.status, 201);
    }
    let mut live = server.live_as(&bob, 0).await;
    let (mut seqs, mut next) = (Vec::new(), live.next().await);
    while let Some(items) = next["items"].as_array() {
        seqs.extend(items.iter().map(|item| item["seq"].as_u64().unwrap()));
        next = live.next().await;
    }
    assert_eq!((seqs.as_slice(), &next["caught_up"]), ([1, 2, 3, 4, 5, 6, 7].as_slice(), &json!(7)));
}

#[tokio::test]
async fn one_wake_up_delivers_everything_stored_since() {
    let database = Cluster::shared().await.database().await;
    let [here, there] = [TestServer::start_on(&database).await, TestServer::start_on(&database).await];
    let [bob] = here.people(["bob"]).await;
    let mut live = here.live_as(&bob, 0).await;
    assert_eq!(live.next().await["caught_up"], 0);
    // Without a broker, this node is not notified of what another one stores.
    for envelope in [envelope(1), longest(2), envelope(3), longest(4)] {
        assert_eq!(there.send(&bob, &envelope).await.status, 201);
    }
    assert_eq!(here.place_of(&bob, &envelope(5)).await, 5);
    let arrived = timeout(Duration::from_secs(10), items_up_to(&mut live, 5)).await;
    assert_eq!(arrived.expect("not only when the inbox is read again").len(), 5);
}

#[tokio::test]
async fn an_empty_inbox_is_caught_up_at_once_and_every_stream_is_woken() {
    let server = TestServer::start().await;
    let [bob, carol] = server.people(["bob", "carol"]).await;
    let mut streams = [server.live_as(&bob, 0).await, server.live_as(&bob, 0).await];
    let mut other = server.live_as(&carol, 0).await;
    for live in &mut streams {
        assert_eq!(live.next().await["caught_up"], 0);
    }
    assert_eq!(other.next().await["caught_up"], 0);
    let sealed = carol.seal(&bob, "hello");
    server.send(&bob, &sealed).await;
    for live in &mut streams {
        assert_eq!(
            live.next().await["items"][0]["envelope"],
            serde_json::from_str::<Value>(&sealed).unwrap()
        );
    }
    server.send(&carol, "{}").await;
    assert_eq!(other.next().await["items"][0]["envelope"], json!({}), "streams receive only their own inbox");
}

#[tokio::test]
async fn bad_authentication_closes_with_4401() {
    let server = TestServer::start().await;
    let [bob, mallory] = server.people(["bob", "mallory"]).await;
    let as_bob = Person { handle: bob.handle.clone(), keys: mallory.keys };
    let unregistered = Person::new("nobody2");
    let now = server.now();
    let stale = Timestamp::from_unix(NOW - 61);
    let other_cursor = bob.hello_for(&server_name(), &live_target(&bob.handle, 1), 0, now);
    let other_server = bob.hello_for(&"other.example".parse().unwrap(), &live_target(&bob.handle, 0), 0, now);
    let inbox_header = json!({"since": 0, "auth": bob.inbox_header(0, now)}).to_string();
    let unknown_field = bob.hello(0, now).replacen('{', r#"{"more":1,"#, 1);
    for (handle, hello) in [
        (&bob.handle, as_bob.hello(0, now)),
        (&bob.handle, unregistered.hello(0, now)),
        (&unregistered.handle, unregistered.hello(0, now)),
        (&unregistered.handle, bob.hello(0, now)),
        (&bob.handle, bob.hello(0, stale)),
        (&bob.handle, other_cursor),
        (&bob.handle, other_server),
        (&bob.handle, inbox_header),
        (&bob.handle, unknown_field),
        (&bob.handle, "no JSON".to_owned()),
        (&bob.handle, bob.hello(u64::MAX, now)),
    ] {
        let mut live = server.live(handle).await;
        live.send(&hello).await;
        assert_eq!(live.closed().await, CLOSE_UNAUTHORIZED, "{hello}");
    }
}

#[tokio::test]
async fn a_greeting_works_once_even_across_a_restart() {
    let server = TestServer::start().await;
    let [bob] = server.people(["bob"]).await;
    let hello = bob.hello(0, server.now());
    let mut live = server.live(&bob.handle).await;
    live.send(&hello).await;
    assert_eq!(live.next().await["caught_up"], 0);
    drop(live);
    let server = server.restart().await;
    for now in [NOW, NOW + 60] {
        server.clock.set(now);
        let mut again = server.live(&bob.handle).await;
        again.send(&hello).await;
        assert_eq!(again.closed().await, CLOSE_UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_silent_client_is_closed_after_five_seconds() {
    let server = TestServer::start().await;
    let [bob] = server.people(["bob"]).await;
    let start = Instant::now();
    assert_eq!(server.live(&bob.handle).await.closed().await, CLOSE_UNAUTHORIZED);
    assert!((4..9).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_shutdown_closes_with_1001() {
    let server = TestServer::start().await;
    let [bob] = server.people(["bob"]).await;
    let mut followed = server.live_as(&bob, 0).await;
    assert_eq!(followed.next().await["caught_up"], 0);
    let mut greeting = server.live(&bob.handle).await;
    let start = Instant::now();
    let (stopped, first, second) = tokio::join!(server.stop(), followed.closed(), greeting.closed());
    assert_eq!((first, second), (1001, 1001));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    drop(stopped);
}

#[tokio::test]
async fn a_frame_too_large_for_a_greeting_ends_the_stream() {
    let server = TestServer::start().await;
    let [bob] = server.people(["bob"]).await;
    let hello = bob.hello(0, server.now());
    let mut live = server.live(&bob.handle).await;
    live.send(&format!("{hello}{}", " ".repeat(64 * 1024 - hello.len()))).await;
    assert_eq!(live.next().await["caught_up"], 0);
    let mut live = server.live(&bob.handle).await;
    live.send(&"x".repeat(64 * 1024)).await;
    assert_eq!(live.closed().await, CLOSE_UNAUTHORIZED);
    let mut live = server.live(&bob.handle).await;
    live.send(&"x".repeat(64 * 1024 + 1)).await;
    assert!(live.ended().await);
}

#[tokio::test]
async fn without_an_upgrade_it_is_a_bad_request() {
    let server = TestServer::start().await;
    server.people(["bob"]).await;
    server.get("/v1/inbox/bob/live").await.refused(400, "malformed");
    server.get("/v1/inbox/Bob/live").await.refused(400, "malformed");
}

/// Pings at full speed from a client that reads no pong, before its hello or after it.
#[tokio::test]
async fn unread_pongs_end_the_stream() {
    const TOO_MANY: usize = 32 * 1024 * 1024;
    let server = TestServer::start().await;
    let [bob] = server.people(["bob"]).await;
    for greets in [false, true] {
        let mut live = server.live(&bob.handle).await;
        if greets {
            live.send(&bob.hello(0, server.now())).await;
            assert_eq!(live.next().await["caught_up"], 0);
        }
        let written = timeout(Duration::from_secs(20), live.ping_without_end(TOO_MANY)).await.unwrap();
        assert!(written < TOO_MANY, "the server takes {written} bytes of pings and keeps the answers");
    }
    // A normal number of pings is answered.
    let mut live = server.live_as(&bob, 0).await;
    assert_eq!(live.next().await["caught_up"], 0);
    live.ping_and_hear(20).await;
}
