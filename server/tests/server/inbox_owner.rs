//! `/v1/inbox/{handle}/ack`, `status`, `keep` and `requests`: the owner's control over an inbox.

use kez_core::api::{InboxStatus, ack_target, keep_target, requests_target, status_target};
use kez_core::identity::Primary;
use serde_json::json;

use crate::support::{NOW, Person, Reply, TestServer};

const DAY: u64 = 24 * 60 * 60;

impl TestServer {
    pub(crate) async fn acknowledge(&self, owner: &Person, seq: u64) -> Reply {
        let epoch = self.inbox(owner, 0).await.json()["epoch"].clone();
        let body = json!({ "epoch": epoch, "seq": seq }).to_string();
        self.signed(owner, "POST", &ack_target(&owner.handle), body).await
    }

    async fn status(&self, owner: &Person) -> InboxStatus {
        let reply = self.signed(owner, "GET", &status_target(&owner.handle), String::new()).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        serde_json::from_str(&reply.body).unwrap()
    }

    async fn keep(&self, owner: &Person, days: &str) -> Reply {
        let body = format!(r#"{{"days":{days}}}"#);
        self.signed(owner, "PUT", &keep_target(&owner.handle), body).await
    }

    async fn delete_requests(&self, owner: &Person, sender: Primary) {
        let target = requests_target(&owner.handle, &sender);
        assert_eq!(self.signed(owner, "DELETE", &target, String::new()).await.status, 204);
    }
}

fn key(person: &Person) -> Primary {
    person.keys.public().primary()
}

/// An envelope of this many bytes that names its sender.
fn from(sender: &str, number: usize, length: usize) -> String {
    let head = format!(r#"{{"from":"{sender}","n":{number},"pad":""#);
    format!("{head}{}\"}}", "x".repeat(length - head.len() - 2))
}

#[tokio::test]
async fn an_acknowledgement_is_idempotent_and_monotonic() {
    let server = TestServer::start().await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    for n in 0..5 {
        server.send(&bob, &format!(r#"{{"n":{n}}}"#)).await;
    }
    let before = server.status(&bob).await;
    assert_eq!((before.last, before.acknowledged, before.waiting, before.messages), (5, 0, 5, 5));
    assert_eq!((before.bytes, before.keep_days, before.limits), (5 * 7, None, None));

    let after: InboxStatus = serde_json::from_str(&server.acknowledge(&bob, 3).await.body).unwrap();
    assert_eq!((after.acknowledged, after.waiting, after.messages), (3, 2, 5));
    for seq in [0, 2, 3] {
        assert_eq!(server.acknowledge(&bob, seq).await.status, 200, "{seq}");
        assert_eq!(server.status(&bob).await, after, "{seq} changes nothing");
    }
    server.acknowledge(&bob, 6).await.refused(400, "malformed");
    server.acknowledge(&bob, u64::MAX).await.refused(400, "malformed");
    let other = json!({ "epoch": "0123456789abcdef", "seq": 4 }).to_string();
    server.signed(&bob, "POST", &ack_target(&bob.handle), other).await.refused(409, "epoch_changed");
    let body = json!({ "epoch": after.epoch, "seq": 4 }).to_string();
    for (method, target) in [
        ("POST", ack_target(&bob.handle)),
        ("GET", status_target(&bob.handle)),
        ("PUT", keep_target(&bob.handle)),
        ("DELETE", requests_target(&bob.handle, &key(&alice))),
    ] {
        server.signed(&alice, method, &target, body.clone()).await.refused(401, "unauthorized");
    }
    assert_eq!(server.status(&bob).await, after);

    // The setting survives a restart, and later messages count as waiting again.
    let server = server.restart().await;
    server.send(&bob, r#"{"n":5}"#).await;
    let later = server.status(&bob).await;
    assert_eq!((later.acknowledged, later.waiting, later.last), (3, 3, 6));
    assert_eq!(server.inbox(&bob, 0).await.seqs(), [1, 2, 3, 4, 5, 6], "and nothing is deleted");
    assert_eq!(server.inbox(&alice, 0).await.json()["last"], 0);
}

#[tokio::test]
async fn only_unacknowledged_messages_count_towards_the_limit() {
    let server = TestServer::start_with(&["--inbox-messages", "10", "--known-per-minute", "1000"]).await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    server.put(&bob, "contacts", &alice).await;
    let send = async |n: usize| server.send_as(&alice, &bob, &alice.seal(&bob, &n.to_string())).await;
    for n in 0..10 {
        assert_eq!(send(n).await.status, 201);
    }
    send(10).await.refused(507, "inbox_full");
    for n in 11..60 {
        let last = server.last(&bob).await;
        assert_eq!(server.acknowledge(&bob, last).await.status, 200);
        assert_eq!(send(n).await.status, 201, "{n}");
    }
    let status = server.status(&bob).await;
    assert_eq!((status.messages, status.waiting, status.requests.messages), (59, 1, 0));
    assert_eq!(status.limits.unwrap().waiting, 10);
}

/// However much one address sends, there is room for newcomers with and without an account.
#[tokio::test]
async fn no_network_can_close_an_inbox_to_newcomers() {
    let flags = ["--trusted-proxies", "127.0.0.1", "--network-per-minute", "100000"];
    let server = TestServer::start_with(&flags).await;
    let [alice, carol] = server.people(["alice", "carol"]).await;
    let mut stored = 0;
    for n in 0..1000 {
        let made_up = format!("ed25519:{n:064x}");
        let reply = server.send_from("192.0.2.1", &alice, &from(&made_up, n, 400)).await;
        if reply.status == 201 {
            stored += 1;
        } else {
            reply.refused(507, "inbox_full");
        }
    }
    assert_eq!(stored, 100, "a tenth of the share");
    assert_eq!(server.send_from("192.0.2.2", &alice, r#"{"newcomer":"unsigned"}"#).await.status, 201);
    let hello = carol.seal(&alice, "hello");
    assert_eq!(server.send_as(&carol, &alice, &hello).await.status, 201, "signed");

    // Forty addresses fill the half for unsigned messages, and no more.
    for n in 0..2000 {
        let address = format!("198.51.100.{}", n % 40);
        server.send_from(&address, &alice, &from(&format!("ed25519:{n:063x}f"), n, 200)).await;
    }
    let status = server.status(&alice).await;
    assert_eq!(status.requests.messages, 501);
    server.send_from("192.0.2.3", &alice, r#"{"late":1}"#).await.refused(507, "inbox_full");
    assert_eq!(server.send_as(&carol, &alice, &carol.seal(&alice, "again")).await.status, 201);

    // Once one of her browsers has stored them, the oldest make room.
    let last = server.last(&alice).await;
    assert_eq!(server.acknowledge(&alice, last).await.status, 200);
    assert_eq!(server.send_from("192.0.2.3", &alice, r#"{"late":1}"#).await.status, 201);
    assert_eq!(server.inbox(&alice, 0).await.seqs()[0], 2, "the first went");
    assert_eq!(server.status(&alice).await.requests.messages, 502);
    // A flood from one address displaces its own requests, not those of others.
    for n in 0..150 {
        server.send_from("192.0.2.9", &alice, &from(&format!("ed25519:{n:062x}ee"), n, 200)).await;
    }
    let page = server.inbox(&alice, 0).await;
    let rest: Vec<_> = [server.inbox(&alice, *page.seqs().last().unwrap()).await, page].into_iter().collect();
    assert!(rest.iter().any(|page| page.body.contains(&hello)), "messages sent by an account stay");
}

#[tokio::test]
async fn one_key_can_use_a_tenth_of_the_share() {
    let flags =
        ["--requests-messages", "100", "--trusted-proxies", "127.0.0.1", "--network-per-minute", "100000"];
    let server = TestServer::start_with(&flags).await;
    let [alice, mallory] = server.people(["alice", "mallory"]).await;
    let name = mallory.primary();
    let mut taken = 0;
    for n in 0..40 {
        let address = format!("198.51.100.{n}");
        taken += usize::from(server.send_from(&address, &alice, &from(&name, n, 200)).await.status == 201);
    }
    assert_eq!(taken, 10, "whatever network they come from");
    server.send_as(&mallory, &alice, &mallory.seal(&alice, "signed")).await.refused(507, "inbox_full");

    // Declining her frees the space; so does a block.
    server.delete_requests(&alice, key(&mallory)).await;
    let status = server.status(&alice).await;
    assert_eq!((status.messages, status.bytes, status.waiting, status.requests.messages), (0, 0, 0, 0));
    assert_eq!(server.send_as(&mallory, &alice, &mallory.seal(&alice, "again")).await.status, 201);
    server.put(&alice, "blocks", &mallory).await;
    assert_eq!(server.send_as(&mallory, &alice, &mallory.seal(&alice, "blocked")).await.status, 201);
    assert_eq!(server.status(&alice).await.requests.messages, 2);
    server.delete_requests(&alice, key(&mallory)).await;
    assert_eq!(server.status(&alice).await.requests.messages, 0);
}

#[tokio::test]
async fn accepting_a_sender_moves_their_requests_to_the_known_share() {
    let server = TestServer::start_with(&["--requests-messages", "5"]).await;
    let [alice, bob, carol] = server.people(["alice", "bob", "carol"]).await;
    for n in 0..5 {
        assert_eq!(server.send_as(&bob, &alice, &bob.seal(&alice, &n.to_string())).await.status, 201);
    }
    server.send_as(&carol, &alice, &carol.seal(&alice, "hello")).await.refused(507, "inbox_full");
    server.put(&alice, "contacts", &bob).await;
    let status = server.status(&alice).await;
    assert_eq!((status.messages, status.requests.messages, status.requests.bytes), (5, 0, 0));
    assert_eq!(server.send_as(&carol, &alice, &carol.seal(&alice, "hello")).await.status, 201);
    server.delete_requests(&alice, key(&bob)).await;
    assert_eq!(
        server.inbox(&alice, 0).await.seqs().len(),
        6,
        "an accepted sender's message is not a request"
    );
}

/// A contact's signature authenticates only the contact's own envelopes.
#[tokio::test]
async fn a_contact_cannot_send_messages_of_others_as_known() {
    let server = TestServer::start_with(&["--requests-messages", "12", "--stranger-per-minute", "100"]).await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    server.put(&alice, "contacts", &bob).await;
    let mut taken = 0;
    for n in 0..30 {
        let made_up = from(&format!("ed25519:{n:064x}"), n, 200);
        taken += usize::from(server.send_as(&bob, &alice, &made_up).await.status == 201);
    }
    assert_eq!(taken, 6, "the half of the share for unsigned messages");
    assert_eq!(server.send_as(&bob, &alice, &bob.seal(&alice, "mine")).await.status, 201);
    let status = server.status(&alice).await;
    assert_eq!((status.messages, status.requests.messages), (7, 6));
    // The owner's own signature does not authenticate them either.
    let copy = server.send_as(&alice, &alice, &from(&format!("ed25519:{:064x}", 77), 0, 200)).await;
    copy.refused(507, "inbox_full");
    assert_eq!(server.send_as(&alice, &alice, &alice.seal(&alice, "copy")).await.status, 201);
}

#[tokio::test]
async fn acknowledged_messages_are_kept_for_the_retention_of_their_owner() {
    let server = TestServer::start().await;
    let [bob] = server.people(["bob"]).await;
    server.clock.set(NOW - 40 * DAY);
    for n in 0..600 {
        server.send(&bob, &format!(r#"{{"old":{n}}}"#)).await;
    }
    server.clock.set(NOW);
    server.send(&bob, r#"{"new":1}"#).await;
    assert_eq!(server.acknowledge(&bob, 590).await.status, 200);
    for refused in ["0", "3651", "-1", "\"30\"", "1.5"] {
        server.keep(&bob, refused).await.refused(400, "malformed");
    }
    assert_eq!(server.keep(&bob, "40").await.status, 204);
    assert_eq!(server.inbox(&bob, 0).await.seqs()[0], 1, "not yet");
    assert_eq!(server.keep(&bob, "39").await.status, 204);
    assert_eq!(server.inbox(&bob, 0).await.seqs(), (591..=601).collect::<Vec<_>>(), "what waits stays");
    let status = server.status(&bob).await;
    assert_eq!((status.messages, status.waiting, status.keep_days.unwrap().days()), (11, 11, 39));

    // From then on this happens automatically.
    assert_eq!(server.acknowledge(&bob, 601).await.status, 200);
    let server = server.restart().await;
    while server.inbox(&bob, 0).await.seqs() != [601] {}
    assert_eq!(server.keep(&bob, "null").await.status, 204);
    assert_eq!(server.status(&bob).await.keep_days, None);
}

#[tokio::test]
async fn acknowledged_requests_are_deleted_after_thirty_days() {
    let flags = ["--trusted-proxies", "127.0.0.1"];
    let server = TestServer::start_with(&flags).await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    server.put(&alice, "contacts", &bob).await;
    server.clock.set(NOW - 31 * DAY);
    for n in 0..3 {
        assert_eq!(
            server.send_from("192.0.2.1", &alice, &from(&format!("ed25519:{n:064x}"), n, 200)).await.status,
            201
        );
    }
    assert_eq!(server.send_as(&bob, &alice, &bob.seal(&alice, "from a friend")).await.status, 201);
    server.clock.set(NOW);
    assert_eq!(server.acknowledge(&alice, 2).await.status, 200);
    let server = server.restart_with(&flags).await;
    while server.inbox(&alice, 0).await.seqs() != [3, 4] {}
    assert_eq!(server.status(&alice).await.requests.messages, 1);
}
