//! `/v1/links/{id}`: an offer and sealed messages between two browsers, on the wire and in every store.

use kez_chat_server::store::Store;
use kez_chat_server::store::links::{Link, LinkOutcome, NewLinkMessage};
use kez_core::api::{LinkMessage, LinkState, link_messages_target, link_target};
use kez_core::link::{LIFETIME_SECONDS, LinkOffer, LinkSecret, Side};
use kez_core::sigchain::{DeviceId, Hash};
use kez_core::time::Timestamp;
use serde_json::json;

use crate::postgres::cluster::Cluster;
use crate::postgres::open::url;
use crate::support::{NOW, Person, Reply, TestServer};

async fn put(server: &TestServer, id: Hash, offer: &str) -> Reply {
    let request = server.http.put(server.url(&link_target(id)));
    let body = format!(r#"{{"offer":{offer}}}"#);
    Reply::of(request.header("content-type", "application/json").body(body)).await
}

async fn say(server: &TestServer, id: Hash, from: &str, n: u64, sealed: &str) -> Reply {
    let body = json!({ "from": from, "n": n, "sealed": sealed }).to_string();
    server.post(&link_messages_target(id), body).await
}

#[tokio::test]
async fn two_browsers_meet_by_a_code() {
    let server = TestServer::start().await;
    let (new, device) = (LinkSecret::from_bytes([4; 32]), Person::new("alice").keys.public());
    let offer = LinkOffer::new(new.public(), DeviceId::from_bytes([5; 16]), device, [6; 16]);
    let code = offer.code().unwrap();
    assert_eq!(put(&server, code.id(), &offer.to_json().unwrap()).await.status, 201);

    // The old browser has the code alone, and finds the offer that belongs to it.
    let found = server.get(&link_target(code.id())).await;
    assert_eq!(found.status, 200, "{found:?}");
    let LinkState { offer: sent, messages } = serde_json::from_str(&found.body).unwrap();
    let read = LinkOffer::parse(sent.get().as_bytes()).unwrap();
    assert_eq!((read.code().unwrap(), messages), (code.clone(), vec![]));
    let old = LinkSecret::from_bytes([9; 32]);
    let keys = old.keys(read.box_key(), &read).unwrap();
    let sealed = keys.seal(Side::Old, 1, b"hello").unwrap();
    let message = LinkMessage {
        from: Side::Old,
        n: 1,
        r#box: Some(old.public()),
        sealed: kez_core::api::Base64Url(sealed),
    };
    let body = serde_json::to_string(&message).unwrap();
    assert_eq!(server.post(&link_messages_target(code.id()), body).await.status, 204);
    assert_eq!(say(&server, code.id(), "new", 1, "AAAA").await.status, 204);
    assert_eq!(say(&server, code.id(), "old", 2, "BBBB").await.status, 204);

    let LinkState { messages, .. } =
        serde_json::from_str(&server.get(&link_target(code.id())).await.body).unwrap();
    let order: Vec<_> = messages.iter().map(|message| (message.from, message.n)).collect();
    assert_eq!(order, [(Side::Old, 1), (Side::Old, 2), (Side::New, 1)]);
    assert_eq!(messages[0], message);
    let keys = new.keys(&messages[0].r#box.unwrap(), &offer).unwrap();
    assert_eq!(keys.open(Side::Old, 1, &messages[0].sealed.0).unwrap().as_slice(), b"hello");
}

#[tokio::test]
async fn a_place_is_taken_once_and_expires() {
    let server = TestServer::start().await;
    let (id, other) = (Hash::of(b"one"), Hash::of(b"two"));
    assert_eq!(put(&server, id, r#"{"a":1}"#).await.status, 201);
    assert_eq!(put(&server, id, r#"{"a":1}"#).await.status, 201, "a lost answer");
    put(&server, id, r#"{"a":2}"#).await.refused(409, "conflict");
    assert_eq!(say(&server, id, "new", 1, "AAAA").await.status, 204);
    assert_eq!(say(&server, id, "new", 1, "AAAA").await.status, 204, "a lost answer");
    say(&server, id, "new", 1, "BBBB").await.refused(409, "conflict");
    say(&server, other, "new", 1, "AAAA").await.refused(404, "unknown_link");
    server.get(&link_target(other)).await.refused(404, "unknown_link");

    server.clock.set(NOW + LIFETIME_SECONDS - 1);
    assert_eq!(server.get(&link_target(id)).await.json()["messages"].as_array().unwrap().len(), 1);
    server.clock.set(NOW + LIFETIME_SECONDS);
    server.get(&link_target(id)).await.refused(404, "unknown_link");
    say(&server, id, "old", 1, "AAAA").await.refused(404, "unknown_link");
    assert_eq!(put(&server, id, r#"{"a":2}"#).await.status, 201, "the place is free again");
    assert_eq!(server.get(&link_target(id)).await.json(), json!({"offer": {"a": 2}, "messages": []}));
}

#[tokio::test]
async fn malformed_and_large_bodies_are_refused() {
    let server = TestServer::start().await;
    let id = Hash::of(b"one");
    let offer = |bytes: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - 8));
    put(&server, id, &offer(8 * 1024 + 1)).await.refused(413, "body_too_large");
    put(&server, id, "{").await.refused(400, "malformed");
    put(&server, id, r#"{},"more":1"#).await.refused(400, "malformed");
    for other in ["[]", "1", "null", r#""{}""#] {
        put(&server, id, other).await.refused(400, "malformed");
    }
    assert_eq!(put(&server, id, &offer(8 * 1024)).await.status, 201);
    for (from, n) in [("old", 0), ("old", 5), ("other", 1)] {
        say(&server, id, from, n, "AAAA").await.refused(400, "malformed");
    }
    say(&server, id, "old", 1, "+/").await.refused(400, "malformed");
    // 65,536 and 65,538 bytes.
    assert_eq!(say(&server, id, "old", 1, &format!("{}AA", "A".repeat(87_380))).await.status, 204);
    say(&server, id, "old", 2, &"A".repeat(87_384)).await.refused(413, "body_too_large");
    let short = r#"{"from":"old","n":2,"box":"AAAA","sealed":"AAAA"}"#;
    server.post(&link_messages_target(id), short).await.refused(400, "malformed");
    server.get("/v1/links/00").await.refused(400, "malformed");
}

#[tokio::test]
async fn a_network_leaves_ten_a_minute_and_reads_more() {
    let server = TestServer::start_with(&[]).await;
    for n in 0..20_u8 {
        assert_eq!(put(&server, Hash::of(&[n]), "{}").await.status, 201);
    }
    put(&server, Hash::of(b"one"), "{}").await.refused(429, "rate_limited");
    say(&server, Hash::of(&[1]), "old", 1, "AAAA").await.refused(429, "rate_limited");
    assert_eq!(server.get(&link_target(Hash::of(&[1]))).await.status, 200);
}

/// The behaviour of every store.
async fn story(store: Store) {
    let at = |seconds: u64| Timestamp::from_unix(NOW + seconds);
    let (one, two) = (Hash::of(b"one"), Hash::of(b"two"));
    let put =
        async |id, offer: &str, now| store.put_link(id, offer.as_bytes().to_vec(), at(now)).await.unwrap();
    let add = async |link, from, number, message: &str, now| {
        let message = NewLinkMessage { link, from, number, message: message.as_bytes().to_vec() };
        store.add_to_link(message, at(now)).await.unwrap()
    };
    assert_eq!(put(one, "a", 0).await, LinkOutcome::Stored);
    assert_eq!(put(one, "a", 1).await, LinkOutcome::Stands);
    assert_eq!(put(one, "b", 1).await, LinkOutcome::Conflict);
    assert_eq!(add(one, Side::New, 1, "n1", 1).await, LinkOutcome::Stored);
    assert_eq!(add(one, Side::Old, 2, "o2", 1).await, LinkOutcome::Stored);
    assert_eq!(add(one, Side::Old, 1, "o1", 1).await, LinkOutcome::Stored);
    assert_eq!(add(one, Side::Old, 1, "o1", 1).await, LinkOutcome::Stands);
    assert_eq!(add(one, Side::Old, 1, "other", 1).await, LinkOutcome::Conflict);
    assert_eq!(add(two, Side::Old, 1, "o1", 1).await, LinkOutcome::Unknown);
    let found = store.link(one, at(599)).await.unwrap().unwrap();
    let messages = ["o1", "o2", "n1"].map(|message| message.as_bytes().to_vec()).to_vec();
    assert_eq!(found, Link { offer: b"a".to_vec(), messages });
    assert_eq!(store.link(one, at(600)).await.unwrap(), None);
    assert_eq!(add(one, Side::New, 2, "late", 600).await, LinkOutcome::Unknown);

    // A new offer in the place of an expired one begins without its messages, and makes room.
    assert_eq!(put(two, "two", 300).await, LinkOutcome::Stored);
    assert_eq!(put(one, "b", 600).await, LinkOutcome::Stored);
    let found = store.link(one, at(600)).await.unwrap().unwrap();
    assert_eq!(found, Link { offer: b"b".to_vec(), messages: vec![] });
    assert_eq!(put(Hash::of(b"three"), "three", 900).await, LinkOutcome::Stored);
    assert_eq!(store.sweep_links(at(900)).await.unwrap(), 0, "the expired one is gone already");
    assert_eq!(store.sweep_links(at(1200)).await.unwrap(), 1);
    assert_eq!(store.link(Hash::of(b"three"), at(1200)).await.unwrap().unwrap().offer, b"three");
    store.close().await;
}

#[tokio::test]
async fn the_story_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    story(Store::sqlite(&directory.path().join("kez-chat.db")).await.unwrap()).await;
}

#[tokio::test]
async fn the_story_on_postgres() {
    story(Store::postgres(&url(&Cluster::shared().await.database().await), 4).await.unwrap()).await;
}
