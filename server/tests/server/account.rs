//! The owner's operations on a whole account: exporting it, and deleting it.

use kez_core::nkey::PublicNkey;
use kez_core::time::Timestamp;
use serde_json::Value;
use sqlx::Executor;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::broker::until;
use crate::postgres::cluster::{Cluster, connect};
use crate::postgres::races::waits;
use crate::support::{NOW, Person, TestServer, nkey, second_connection};

const YEAR: u64 = 365 * 24 * 60 * 60;

async fn delete(server: &TestServer, caller: &Person, handle: &str) -> crate::support::Reply {
    server.signed(caller, "DELETE", &format!("/v1/u/{handle}"), String::new()).await
}

#[tokio::test]
async fn an_export_contains_everything_stored_for_its_caller() {
    let server = TestServer::start().await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    let envelopes: Vec<_> = (0..600).map(|n| format!(r#"{{"n":{n} , "é":"\u00e9"}}"#)).collect();
    for envelope in &envelopes {
        assert_eq!(server.send(&bob, envelope).await.status, 201);
    }
    assert_eq!(server.send(&alice, r#"{"for":"alice"}"#).await.status, 201);

    let export = server.signed(&bob, "GET", "/v1/export", String::new()).await;
    assert_eq!((export.status, export.header("content-type")), (200, "application/json"));
    assert!(export.header("content-disposition").contains("kez-chat-bob.json"));
    let json = export.json();
    assert_eq!((&json["type"], &json["version"]), (&"kez.chat.export".into(), &1.into()));
    assert_eq!((&json["server"], &json["account"]["handle"]), (&"kez.lat".into(), &"bob".into()));
    assert_eq!(json["account"]["primary"], bob.primary());
    assert_eq!(json["account"]["registration"]["kez"], "handle_registration");
    let items = json["inbox"]["items"].as_array().unwrap();
    let seqs: Vec<_> = items.iter().map(|item| item["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=600).collect::<Vec<_>>());
    assert!(envelopes.iter().all(|envelope| export.body.contains(envelope)), "byte for byte");
    assert_eq!(json["inbox"]["epoch"], server.inbox(&bob, 0).await.json()["epoch"]);
    assert!(!export.body.contains("for\":\"alice"));
    for list in ["nats_keys", "contacts", "blocks"] {
        assert_eq!(json[list], Value::Array(Vec::new()), "{list}");
    }

    let empty = server.signed(&bob, "GET", "/v1/export", String::new()).await;
    assert_eq!(empty.status, 200);
    server.get("/v1/export").await.refused(401, "unauthorized");
    let header = bob.signs("GET", "/v1/export", b"", server.now());
    assert_eq!(server.with_header("GET", "/v1/export", String::new(), &header).await.status, 200);
    server.with_header("GET", "/v1/export", String::new(), &header).await.refused(401, "unauthorized");
}

#[tokio::test]
async fn an_export_contains_keys_and_lists() {
    let server = TestServer::start().await;
    let [alice, bob, carol] = server.people(["alice", "bob", "carol"]).await;
    let (kept, removed) = (nkey().public(), nkey().public());
    for nkey in [kept, removed] {
        assert_eq!(server.bind(&bob, nkey, 600).await.status, 204);
    }
    server.clock.set(NOW + 5);
    assert_eq!(server.unbind(&bob, removed).await.status, 204);
    assert_eq!(server.bind(&alice, nkey().public(), 600).await.status, 204);
    for (owner, list, peer) in
        [("bob", "contacts", "carol"), ("bob", "contacts", "alice"), ("bob", "blocks", "carol")]
    {
        let target = format!("/v1/u/{owner}/{list}/{peer}");
        assert_eq!(server.signed(&bob, "PUT", &target, String::new()).await.status, 204);
    }
    assert_eq!(server.signed(&carol, "PUT", "/v1/u/carol/contacts/bob", String::new()).await.status, 204);

    let export = server.signed(&bob, "GET", "/v1/export", String::new()).await.json();
    assert_eq!(export["contacts"], serde_json::json!(["alice", "carol"]));
    assert_eq!(export["blocks"], serde_json::json!(["carol"]));
    let keys = export["nats_keys"].as_array().unwrap();
    let removed_at = |nkey: PublicNkey| {
        let of = |key: &&Value| key["binding"]["payload"]["nkey"] == nkey.to_string();
        keys.iter().find(of).unwrap()["removed_at"].clone()
    };
    assert_eq!(keys.len(), 2, "and none of other accounts");
    assert_eq!(removed_at(kept), Value::Null);
    assert_eq!(removed_at(removed), serde_json::json!(Timestamp::from_unix(NOW + 5)));
    assert!(keys.iter().all(|key| key["binding"]["signature"]["sig"].is_string()), "as they were signed");
}

#[tokio::test]
async fn an_empty_account_can_be_exported() {
    let server = TestServer::start().await;
    let [bob] = server.people(["bob"]).await;
    let export = server.signed(&bob, "GET", "/v1/export", String::new()).await.json();
    assert_eq!(export["inbox"]["items"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn only_the_tombstone_of_a_deleted_account_is_kept() {
    let server = TestServer::start().await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    for n in 0..1200 {
        assert_eq!(server.place_of(&bob, &format!(r#"{{"n":{n}}}"#)).await, n + 1);
    }
    assert_eq!(server.send(&alice, r#"{"from":"bob"}"#).await.status, 201);
    let mut live = server.live_as(&bob, 1200).await;
    live.next().await;

    delete(&server, &alice, "bob").await.refused(401, "unauthorized");
    delete(&server, &bob, "alice").await.refused(401, "unauthorized");
    assert_eq!(server.get("/v1/u/bob").await.status, 200);
    assert_eq!(delete(&server, &bob, "bob").await.status, 204);

    assert_eq!(live.closed().await, 4401);
    server.get("/v1/u/bob").await.refused(404, "unknown_handle");
    server.get(&format!("/v1/by-primary/{}", bob.primary())).await.refused(404, "unknown_handle");
    server.get("/.well-known/webfinger?resource=acct:bob@kez.lat").await.refused(404, "unknown_handle");
    server.send(&bob, "{}").await.refused(404, "unknown_handle");
    server.inbox(&bob, 0).await.refused(401, "unauthorized");
    server.signed(&bob, "GET", "/v1/export", String::new()).await.refused(401, "unauthorized");
    delete(&server, &bob, "bob").await.refused(401, "unauthorized");
    assert_eq!(server.inbox(&alice, 0).await.seqs(), [1], "his messages stay in the inboxes of others");

    // His handle is reserved for a year, even from himself; his key is free.
    let other = Person::new("bob");
    server.register(&other).await.refused(400, "reserved_handle");
    server.register(&bob).await.refused(400, "reserved_handle");
    let old = other.registration(server.now());
    server.clock.set(NOW + 1000);
    server.post("/v1/register", old).await.refused(400, "reserved_handle");
    assert_eq!(
        server.register(&Person { handle: "bobby".parse().unwrap(), keys: bob.keys }).await.status,
        201
    );
    server.clock.set(NOW + YEAR - 1);
    server.register(&other).await.refused(400, "reserved_handle");
    server.clock.set(NOW + YEAR);
    assert_eq!(server.register(&other).await.status, 201);
    assert_eq!(server.place_of(&other, "{}").await, 1201, "no number is used twice");
    assert_eq!(server.inbox(&other, 0).await.seqs(), [1201]);
}

#[tokio::test]
async fn old_messages_are_deleted_and_their_numbers_are_not_reused() {
    const DAY: u64 = 24 * 60 * 60;
    let server = TestServer::start().await;
    let [bob] = server.people(["bob"]).await;
    server.clock.set(NOW - 31 * DAY);
    for n in 0..700 {
        assert_eq!(server.send(&bob, &format!(r#"{{"old":{n}}}"#)).await.status, 201);
    }
    server.clock.set(NOW - 29 * DAY);
    assert_eq!(server.place_of(&bob, r#"{"new":1}"#).await, 701);
    server.clock.set(NOW);

    let server = server.restart_with(&["--limits", "off", "--retention", "30d"]).await;
    while server.inbox(&bob, 0).await.seqs() != [701] {}
    assert_eq!(server.place_of(&bob, r#"{"new":2}"#).await, 702);
    let server = server.restart_with(&["--limits", "off", "--retention", "1d"]).await;
    while server.inbox(&bob, 0).await.seqs() != [702] {}
}

#[tokio::test]
async fn an_inbox_that_cannot_be_trimmed_does_not_block_others() {
    const WEEK: u64 = 7 * 24 * 60 * 60;
    // Like a damaged page.
    const REFUSE: &str = "CREATE TRIGGER refuse BEFORE DELETE ON messages \
        WHEN old.inbox = (SELECT id FROM accounts WHERE handle = 'alice') \
        BEGIN SELECT raise(ABORT, 'no'); END";
    let server = TestServer::start().await;
    let people = server.people(["alice", "bob"]).await;
    server.clock.set(NOW - WEEK);
    for person in &people {
        assert_eq!(server.send(person, r#"{"old":1}"#).await.status, 201);
    }
    second_connection(&server.db()).await.execute(REFUSE).await.unwrap();
    let server = server.restart_with(&["--limits", "off", "--retention", "1d"]).await;
    let [alice, bob] = people;
    until(async || server.inbox(&bob, 0).await.seqs().is_empty()).await;
    assert_eq!(server.inbox(&alice, 0).await.seqs(), [1]);
}

/// On PostgreSQL, because another connection can block the deletion there and nothing else.
#[tokio::test]
async fn a_deletion_continues_after_its_caller_disconnects() {
    let database = Cluster::shared().await.database().await;
    let server = TestServer::start_on(&database).await;
    let [bob] = server.people(["bob"]).await;
    let (mut other, mut observer) = (connect(&database).await, connect(&database).await);
    other.execute("BEGIN").await.unwrap();
    other.execute("SELECT FROM inboxes FOR UPDATE").await.unwrap();

    let header = bob.signs("DELETE", "/v1/u/bob", b"", server.now());
    let request = format!("DELETE /v1/u/bob HTTP/1.1\r\nHost: x\r\nX-KEZ-Auth: {header}\r\n\r\n");
    let address = server.address;
    let mut caller = TcpStream::connect(address).await.unwrap();
    caller.write_all(request.as_bytes()).await.unwrap();
    waits(&mut observer).await;
    drop(caller);
    // The server shuts down too, and waits for nothing else.
    let commit = async {
        until(async || TcpStream::connect(address).await.is_err()).await;
        other.execute("COMMIT").await.unwrap();
    };
    tokio::join!(server.stop(), commit);
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM accounts").fetch_one(&mut observer).await.unwrap();
    assert_eq!(left, 0);
}
