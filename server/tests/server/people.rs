//! `/v1/u/{handle}/contacts` and `/v1/u/{handle}/blocks`, and their effects.

use std::time::Duration;

use kez_core::api::Receipt;
use serde_json::json;

use crate::support::{NOW, Person, TestServer};

impl TestServer {
    async fn listed(&self, person: &Person, list: &str) -> serde_json::Value {
        let reply =
            self.signed(person, "GET", &format!("/v1/u/{}/{list}", person.handle), String::new()).await;
        assert_eq!(reply.status, 200);
        reply.json()["handles"].clone()
    }

    pub(crate) async fn put(&self, owner: &Person, list: &str, peer: &Person) {
        let path = format!("/v1/u/{}/{list}/{}", owner.handle, peer.handle);
        assert_eq!(self.signed(owner, "PUT", &path, String::new()).await.status, 204);
    }

    async fn delete(&self, owner: &Person, list: &str, peer: &Person) {
        let path = format!("/v1/u/{}/{list}/{}", owner.handle, peer.handle);
        assert_eq!(self.signed(owner, "DELETE", &path, String::new()).await.status, 204);
    }
}

#[tokio::test]
async fn lists_are_private_to_their_owner() {
    let server = TestServer::start().await;
    let [alice, bob, carol] = server.people(["alice", "bob", "carol"]).await;
    for list in ["contacts", "blocks"] {
        assert_eq!(server.listed(&alice, list).await, json!([]));
        for peer in [&carol, &bob, &carol] {
            server.put(&alice, list, peer).await;
        }
        assert_eq!(server.listed(&alice, list).await, json!(["bob", "carol"]));
        server.delete(&alice, list, &carol).await;
        server.delete(&alice, list, &carol).await;
        assert_eq!(server.listed(&alice, list).await, json!(["bob"]));
        assert_eq!(server.listed(&bob, list).await, json!([]));

        let of_alice = format!("/v1/u/alice/{list}");
        server.get(&of_alice).await.refused(401, "unauthorized");
        server.signed(&bob, "GET", &of_alice, String::new()).await.refused(401, "unauthorized");
        server
            .signed(&bob, "PUT", &format!("{of_alice}/carol"), String::new())
            .await
            .refused(401, "unauthorized");
        server
            .signed(&bob, "DELETE", &format!("{of_alice}/bob"), String::new())
            .await
            .refused(401, "unauthorized");
        server
            .signed(&alice, "PUT", &format!("{of_alice}/nobody2"), String::new())
            .await
            .refused(404, "unknown_handle");
        server
            .signed(&alice, "PUT", &format!("{of_alice}/alice"), String::new())
            .await
            .refused(400, "malformed");
        server
            .signed(&alice, "PUT", &format!("{of_alice}/No%20Handle"), String::new())
            .await
            .refused(400, "malformed");
    }
    let server = server.restart().await;
    assert_eq!(server.listed(&alice, "blocks").await, json!(["bob"]));
}

#[tokio::test]
async fn accepted_senders_have_a_larger_allowance() {
    let flags = [
        "--network-per-minute",
        "1",
        "--stranger-per-minute",
        "1",
        "--known-per-minute",
        "5",
        "--known-per-day",
        "6",
    ];
    let server = TestServer::start_with(&flags).await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    let send = async |number: u32| server.send_as(&alice, &bob, &alice.seal(&bob, &number.to_string())).await;
    for number in 0..2 {
        assert_eq!(send(number).await.status, 201, "a stranger's, then the network's");
    }
    send(2).await.refused(429, "rate_limited");
    server.put(&bob, "contacts", &alice).await;
    for number in 2..7 {
        assert_eq!(send(number).await.status, 201, "{number}");
    }
    send(7).await.refused(429, "rate_limited");
    server.clock.set(NOW + 60);
    for number in 7..10 {
        assert_eq!(send(number).await.status, 201, "one more of the day's, then the others': {number}");
    }
    send(10).await.refused(429, "rate_limited");
    server.delete(&bob, "contacts", &alice).await;
    server.clock.set(NOW + 120);
    for number in 10..12 {
        assert_eq!(send(number).await.status, 201, "{number}");
    }
    send(12).await.refused(429, "rate_limited");
}

#[tokio::test]
async fn a_blocked_sender_is_not_told_and_not_delivered() {
    let server = TestServer::start().await;
    let [alice, bob, carol] = server.people(["alice", "bob", "carol"]).await;
    let before = alice.seal(&bob, "before");
    assert_eq!(server.place_of(&bob, &before).await, 1);
    server.put(&bob, "blocks", &alice).await;
    let mut live = server.live_as(&bob, 0).await;
    assert_eq!(live.next().await["items"][0]["seq"], 1);
    assert_eq!(live.next().await["caught_up"], 1);

    // Signed or not, under her own name or behind another account: she gets the same answers as any other sender.
    let (signed, anonymous, behind) = (alice.seal(&bob, "a"), alice.seal(&bob, "b"), alice.seal(&bob, "c"));
    for sent in [
        server.send_as(&alice, &bob, &signed).await,
        server.send(&bob, &anonymous).await,
        server.send_as(&carol, &bob, &behind).await,
        server.send_as(&alice, &bob, r#"{"no":"name"}"#).await,
    ] {
        assert_eq!(sent.status, 201);
    }
    assert_eq!(server.last(&bob).await, 5);
    let again = server.send_as(&alice, &bob, &signed).await;
    assert_eq!((again.status, again.receipt()), (200, Receipt::of(signed.as_bytes())));

    let hello = carol.seal(&bob, "hello");
    assert_eq!(server.send_as(&carol, &bob, &hello).await.status, 201);
    let next = tokio::time::timeout(Duration::from_secs(10), live.next()).await.unwrap();
    assert_eq!(next["items"][0]["seq"], 6, "nothing came between");
    assert_eq!(server.inbox(&bob, 0).await.seqs(), [1, 6]);

    server.delete(&bob, "blocks", &alice).await;
    assert_eq!(server.place_of(&bob, &alice.seal(&bob, "after")).await, 7);
    assert_eq!(server.inbox(&bob, 0).await.seqs(), [1, 6, 7], "what was blocked stays undelivered");
}

#[tokio::test]
async fn strangers_can_fill_only_their_share_of_an_inbox() {
    let flags = ["--requests-messages", "2", "--requests-bytes", "1000", "--inbox-messages", "4"];
    let server = TestServer::start_with(&flags).await;
    let [alice, bob, carol] = server.people(["alice", "bob", "carol"]).await;
    server.put(&bob, "contacts", &alice).await;
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(1000));
    server.send(&bob, &large).await.refused(507, "inbox_full");
    assert_eq!(server.send(&bob, r#"{"n":1}"#).await.status, 201);
    server.send(&bob, r#"{"n":2}"#).await.refused(507, "inbox_full");
    assert_eq!(
        server.send_as(&carol, &bob, &carol.seal(&bob, "2")).await.status,
        201,
        "half is for accounts"
    );
    let refused = server.send_as(&carol, &bob, &carol.seal(&bob, "3")).await;
    refused.refused(507, "inbox_full");
    assert_eq!(refused.header("retry-after"), "3600");
    assert_eq!(server.send(&bob, r#"{"n":1}"#).await.status, 200, "a retry finds its message");
    let long = alice.seal(&bob, &"x".repeat(1000));
    assert_eq!(server.send_as(&alice, &bob, &long).await.status, 201, "friends have room");
    assert_eq!(server.send_as(&alice, &bob, &alice.seal(&bob, "4")).await.status, 201);
    server.send_as(&alice, &bob, &alice.seal(&bob, "5")).await.refused(507, "inbox_full");
}
