//! Messages that a client sends on its live stream: docs/SPEC.md, section 9.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use kez_chat_server::clock::{Clock, SystemClock};
use kez_chat_server::store::Store;
use kez_chat_server::store::moderation::Ban;
use kez_core::api::{CLOSE_UNAUTHORIZED, Receipt};
use kez_core::problem::Problem;
use kez_core::work::WorkFor;
use serde_json::{Value, json};
use sqlx::Executor;
use tokio::time::timeout;

use crate::binary::Binary;
use crate::broker::until;
use crate::postgres::cluster::Cluster;
use crate::support::{Live, NOW, Person, Reply, TestServer, message, second_connection};

/// The number of messages that may be unanswered.
const UNANSWERED: u64 = 16;

fn frame(id: u64, to: &Person, envelope: &str) -> String {
    format!(r#"{{"id":{id},"send":{}}}"#, message(&to.handle, envelope))
}

/// An envelope that names its sender.
fn by(sender: &Person, number: u64) -> String {
    format!(r#"{{"from":"{}","n":{number}}}"#, sender.primary())
}

/// The bytes of a text frame with a mask of zeros (RFC 6455, section 5.2).
fn raw(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    [&[0x81, 0x80 | 126, length[0], length[1], 0, 0, 0, 0], text.as_bytes()].concat()
}

impl Live {
    /// The answer to a message, skipping items.
    async fn answer(&mut self, id: u64) -> Value {
        loop {
            let next = self.next().await;
            if next["items"].is_null() {
                assert_eq!(next["id"], id, "{next}");
                return next;
            }
        }
    }

    /// Sends a message and waits for the answer.
    async fn ask(&mut self, id: u64, to: &Person, envelope: &str) -> Value {
        self.send(&frame(id, to, envelope)).await;
        self.answer(id).await
    }

    async fn caught_up(mut self) -> Self {
        while self.next().await["caught_up"].is_null() {}
        self
    }
}

impl TestServer {
    async fn stream(&self, person: &Person) -> Live {
        self.live_as(person, 0).await.caught_up().await
    }
}

/// What an answer has in common with that to a POST: status, code, and the seconds after which to retry.
fn outcome(answer: &Value) -> (u64, Value, Value, bool) {
    let body = &answer["body"];
    let work = !body["work"].is_null();
    (answer["status"].as_u64().unwrap(), body["code"].clone(), answer["retry_after"].clone(), work)
}

fn outcome_of_post(reply: &Reply) -> (u64, Value, Value, bool) {
    let retry_after = reply.header("retry-after").parse::<u64>().ok();
    outcome(&json!({"status": reply.status, "retry_after": retry_after, "body": reply.json()}))
}

#[tokio::test]
async fn a_message_on_a_stream_is_stored_and_answered_like_a_signed_post() {
    let server = TestServer::start().await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    let (mut live, mut other) = (server.stream(&alice).await, server.stream(&bob).await);
    let sealed = alice.seal(&bob, "hello");
    let sent = live.ask(7, &bob, &sealed).await;
    let stored = json!({ "receipt": Receipt::of(sealed.as_bytes()), "created_at": "2026-11-22T19:00:00Z" });
    assert_eq!(sent, json!({"id": 7, "status": 201, "body": stored}));
    assert!(server.inbox(&bob, 0).await.body.contains(&sealed), "byte for byte");
    assert_eq!(other.next().await["items"][0]["seq"], 1);

    server.clock.set(NOW + 30);
    let posted = server.send_as(&alice, &bob, &sealed).await;
    assert_eq!((posted.status, posted.json()), (200, stored.clone()));
    let again = live.ask(9_007_199_254_740_991, &bob, &sealed).await;
    assert_eq!((&again["status"], &again["body"]), (&json!(200), &stored));
    assert_eq!(server.inbox(&bob, 0).await.seqs(), [1]);
}

#[tokio::test]
async fn a_copy_for_its_sender_comes_back_on_the_same_stream() {
    let server = TestServer::start_with(&[]).await;
    let [alice] = server.people(["alice"]).await;
    let mut live = server.stream(&alice).await;
    live.send(&frame(1, &alice, &by(&alice, 1))).await;
    let mut both = [live.next().await, live.next().await];
    both.sort_by_key(|frame| frame["items"].is_null());
    assert_eq!((&both[0]["items"][0]["seq"], &both[1]["status"]), (&json!(1), &json!(201)));
}

/// The same messages as signed requests to one server and on a stream of another.
#[tokio::test]
async fn limits_and_refusals_are_those_of_a_signed_post() {
    let too_deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(16), "]".repeat(16));
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(200));
    let stranger =
        ["--network-per-minute", "1", "--stranger-per-minute", "3", "--pair-per-minute", "2"].as_slice();
    let small = ["--anonymous-bytes", "100"].as_slice();
    let scarce = ["--disk-ample-bytes", "18446744073709551615", "--disk-requests-percent", "0"];
    let full = [scarce.as_slice(), &["--disk-writes-percent", "100"]].concat();
    let share = ["--requests-messages", "20", "--stranger-per-minute", "100"];
    for flags in [stranger, small, full.as_slice(), share.as_slice()] {
        let [posts, streams] = [TestServer::start_with(flags).await, TestServer::start_with(flags).await];
        let [alice, bob, carol] = posts.people(["alice", "bob", "carol"]).await;
        for person in [&alice, &bob, &carol] {
            assert_eq!(streams.register(person).await.status, 201);
        }
        let unregistered = Person::new("nobody2");
        let mut live = streams.stream(&alice).await;
        let mut outcomes = BTreeSet::new();
        let mut both = async |id: u64, to: &Person, envelope: &str| {
            let posted = outcome_of_post(&posts.send_as(&alice, to, envelope).await);
            let streamed = outcome(&live.ask(id, to, envelope).await);
            assert_eq!(posted, streamed, "{flags:?}: {envelope}");
            outcomes.insert(streamed.0);
        };
        for id in 0..12 {
            both(id, &bob, &by(&alice, id)).await;
        }
        both(12, &carol, &by(&alice, 12)).await;
        both(13, &alice, &by(&alice, 13)).await;
        both(14, &bob, &by(&bob, 14)).await;
        for (to, envelope) in [(&unregistered, "{}"), (&bob, "[]"), (&bob, &too_deep), (&carol, &large)] {
            both(15, to, envelope).await;
        }
        posts.clock.set(NOW + 30);
        streams.clock.set(NOW + 30);
        for id in 16..19 {
            both(id, &carol, &by(&alice, id)).await;
        }
        assert!(outcomes.len() >= 2, "{flags:?}: {outcomes:?}");
        let inboxes =
            async |of: &Person| [posts.inbox(of, 0).await.seqs(), streams.inbox(of, 0).await.seqs()];
        for person in [&alice, &bob, &carol] {
            let [posted, streamed] = inboxes(person).await;
            assert_eq!(posted, streamed, "{flags:?}");
        }
    }
}

#[tokio::test]
async fn streams_and_posts_share_the_rate_of_a_network() {
    let server = TestServer::start_with(&["--signed-per-minute", "4"]).await;
    let [alice] = server.people(["alice"]).await;
    let mut live = server.stream(&alice).await;
    assert_eq!(live.ask(1, &alice, &by(&alice, 1)).await["status"], 201);
    assert_eq!(server.send_as(&alice, &alice, &by(&alice, 2)).await.status, 201);
    let refused = live.ask(3, &alice, &by(&alice, 3)).await;
    assert_eq!((&refused["status"], &refused["body"]["code"]), (&json!(429), &json!("rate_limited")));
    assert!((1..=15).contains(&refused["retry_after"].as_u64().unwrap()), "{refused}");
    server.send_as(&alice, &alice, &by(&alice, 3)).await.refused(429, "rate_limited");
}

#[tokio::test]
async fn work_pays_for_a_message() {
    let flags = ["--network-per-minute", "1", "--stranger-per-minute", "1", "--work-bits", "16"];
    let server = TestServer::start_with(&flags).await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    let mut live = server.stream(&alice).await;
    for id in 0..2 {
        assert_eq!(live.ask(id, &bob, &by(&alice, id)).await["status"], 201);
    }
    let envelope = by(&alice, 2);
    let refused = live.ask(2, &bob, &envelope).await;
    assert_eq!(refused["status"], 429);
    let problem: Problem = serde_json::from_value(refused["body"].clone()).unwrap();
    let work = problem.work.unwrap().solve(WorkFor { to: &bob.handle, envelope: envelope.as_bytes() });
    let paid = |id: u64, envelope: &str, work: &str| {
        format!(r#"{{"work":"{work}","send":{},"id":{id}}}"#, message(&bob.handle, envelope))
    };
    live.send(&paid(3, &by(&alice, 3), &work.to_string())).await;
    assert_eq!(live.answer(3).await["status"], 429, "for another envelope");
    live.send(&paid(4, &envelope, &work.to_string())).await;
    assert_eq!(live.answer(4).await["status"], 201);
    assert_eq!(server.inbox(&bob, 0).await.seqs(), [1, 2, 3]);
}

#[tokio::test]
async fn a_full_disk_refuses_messages() {
    let server = TestServer::start().await;
    let [alice] = server.people(["alice"]).await;
    let full = ["--disk-ample-bytes", "18446744073709551615", "--disk-writes-percent", "0"];
    let server = server.restart_with(&full).await;
    let refused = server.stream(&alice).await.ask(1, &alice, &by(&alice, 1)).await;
    assert_eq!(outcome(&refused), (507, json!("storage_full"), json!(60), false));
}

#[tokio::test]
async fn answered_messages_survive_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("kez-chat.db");
    let [alice, bob] = ["alice", "bob"].map(Person::new);
    let mut server = Binary::start(&db, &["--limits", "off"]).await;
    for person in [&alice, &bob] {
        assert_eq!(server.register(person).await, 201);
    }
    let mut answered = 0;
    for _ in 0..3 {
        let address: SocketAddr = server.url("").trim_start_matches("http://").parse().unwrap();
        let mut live = Live::open(address, &alice.handle).await;
        live.send(&alice.hello(0, SystemClock.now())).await;
        let mut live = live.caught_up().await;
        for id in 0..50 {
            assert_eq!(live.ask(id, &bob, &by(&alice, answered)).await["status"], 201);
            answered += 1;
        }
        server.kill().await;
        server = Binary::start(&db, &["--limits", "off"]).await;
        let found = server.inbox(&bob).await;
        assert_eq!(found.len() as u64, answered);
    }
    assert!(server.terminate().await.success());
}

/// The connection is cut at every byte of a frame, and right after it.
#[tokio::test]
async fn resending_after_a_disconnect_stores_once_and_repeats_the_receipt() {
    let server = TestServer::start().await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    let whole = raw(&frame(1, &bob, &by(&alice, 0)));
    for bytes in 0..whole.len() {
        server.stream(&alice).await.write_and_cut(&whole[..bytes]).await;
    }
    let mut live = server.stream(&alice).await;
    assert_eq!(live.ask(1, &bob, &by(&alice, 0)).await["status"], 201, "a partial frame is not a message");
    assert_eq!(server.inbox(&bob, 0).await.seqs(), [1]);

    for n in 1..=40 {
        server.stream(&alice).await.write_and_cut(&raw(&frame(n, &bob, &by(&alice, n)))).await;
    }
    for n in 1..=40 {
        let again = live.ask(n, &bob, &by(&alice, n)).await;
        assert!(matches!(again["status"].as_u64(), Some(200 | 201)), "{again}");
        assert_eq!(again["body"]["receipt"], json!(Receipt::of(by(&alice, n).as_bytes())));
        let posted = server.send_as(&alice, &bob, &by(&alice, n)).await;
        assert_eq!((posted.status, posted.json()), (200, again["body"].clone()));
    }
    assert_eq!(server.inbox(&bob, 0).await.seqs().len(), 41);
}

/// One bit of a frame is wrong, in its header or its text. That ends the stream, or is answered, or is another message.
#[tokio::test]
async fn a_damaged_frame_affects_no_other_stream() {
    let server = TestServer::start().await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    let mut other = server.stream(&bob).await;
    let whole = raw(&frame(1, &bob, &by(&alice, 0)));
    for byte in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[byte] ^= 1 << (byte % 8);
        server.stream(&alice).await.write_and_cut(&damaged).await;
    }
    assert!(matches!(other.ask(1, &bob, "{}").await["status"].as_u64(), Some(201)));
    let page = server.inbox(&bob, 0).await.json();
    let items = page["items"].as_array().unwrap();
    assert!(items.iter().all(|item| item["envelope"].is_object()), "{items:?}");
}

/// While the database is locked, nothing is answered: what the server still reads shows how much it takes in.
#[tokio::test]
async fn reading_pauses_at_sixteen_unanswered_messages() {
    let server = TestServer::start().await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    let mut live = server.stream(&alice).await;
    assert_eq!(live.ask(0, &bob, &by(&alice, 0)).await["status"], 201);
    let mut other = second_connection(&server.db()).await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    for id in 1..UNANSWERED {
        live.send(&frame(id, &bob, &by(&alice, id))).await;
    }
    live.ping().await;
    assert_eq!(live.next_or_pong().await, None, "fifteen are unanswered, and the ping is answered");
    for id in UNANSWERED..=40 {
        live.send(&frame(id, &bob, &by(&alice, id))).await;
    }
    live.ping().await;
    assert!(timeout(Duration::from_millis(300), live.next_or_pong()).await.is_err(), "nothing is read");
    other.execute("ROLLBACK").await.unwrap();
    let (mut answered, mut before_the_pong) = (BTreeSet::new(), 0);
    while answered.len() < 40 {
        match live.next_or_pong().await {
            Some(answer) => {
                assert_eq!(answer["status"], 201, "{answer}");
                assert!(answered.insert(answer["id"].as_u64().unwrap()), "{answer}");
            }
            None => before_the_pong = answered.len(),
        }
    }
    assert!(before_the_pong == 0 || before_the_pong >= 25, "{before_the_pong} answers before the pong");
    assert_eq!(server.inbox(&bob, 0).await.seqs().len(), 41);
}

#[tokio::test]
async fn malformed_frames_are_answered_and_thirty_end_the_stream() {
    let server = TestServer::start().await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    let mut live = server.stream(&alice).await;
    let unknown_field = frame(7, &bob, "{}").replacen('{', r#"{"more":1,"#, 1);
    for (text, id) in [
        ("", json!(null)),
        ("no JSON", json!(null)),
        (r#"{"id":7,"send":{"to":"bob"}}"#, json!(7)),
        (unknown_field.as_str(), json!(7)),
        (r#"{"id":7,"send":{"to":"bob","envelope":{"a":}}}"#, json!(null)),
    ] {
        live.send(text).await;
        let answer = live.next().await;
        assert_eq!((&answer["id"], outcome(&answer).0), (&id, 400), "{text}");
        assert_eq!(answer["body"]["code"], "malformed");
    }
    live.send_binary(frame(7, &bob, "{}").as_bytes()).await;
    assert_eq!(outcome(&live.next().await).0, 400);
    // Messages do not count.
    for id in 0..100 {
        assert_eq!(live.ask(id, &bob, &by(&alice, id)).await["status"], 201);
    }
    // One by one: a server that closes a connection with unread frames resets it, and the close code may be lost.
    let mut answered = 0;
    let code = loop {
        live.send("").await;
        match live.next_or_code().await {
            Ok(_) => answered += 1,
            Err(code) => break code,
        }
    };
    assert!(code == 1008 && (20..=30).contains(&answered), "{code} after {answered}");
    assert_eq!(server.inbox(&bob, 0).await.seqs().len(), 100);
}

#[tokio::test]
async fn a_frame_has_at_most_64_kib() {
    let server = TestServer::start().await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    let mut live = server.stream(&alice).await;
    let sized = |bytes: usize| {
        let rest = frame(1, &bob, r#"{"a":""}"#).len();
        frame(1, &bob, &format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - rest)))
    };
    live.send(&sized(65_536)).await;
    assert_eq!(live.answer(1).await["status"], 201);
    live.send(&sized(65_537)).await;
    assert_eq!(live.closed().await, 1009);
    assert_eq!(server.inbox(&bob, 0).await.seqs(), [1]);
}

#[tokio::test]
async fn a_banned_account_cannot_send() {
    let server = TestServer::start().await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    let mut live = server.stream(&alice).await;
    let store = Store::sqlite(&server.db()).await.unwrap();
    let ban = Ban { at: server.now(), reason: String::new() };
    assert!(store.ban(alice.handle.clone(), ban).await.unwrap());
    until(async || server.send_as(&alice, &bob, &by(&alice, 1)).await.status == 401).await;
    let before = server.inbox(&bob, 0).await.seqs();
    live.send(&frame(2, &bob, &by(&alice, 2))).await;
    let (frames, code) = live.rest().await;
    assert_eq!(code, CLOSE_UNAUTHORIZED);
    assert!(frames.iter().all(|frame| frame["status"] == 401), "{frames:?}");
    assert_eq!(server.inbox(&bob, 0).await.seqs(), before);
    store.close().await;
}

/// Without a broker, this node is not told of what happens on another one.
#[tokio::test]
async fn an_account_deleted_on_another_node_cannot_send() {
    let database = Cluster::shared().await.database().await;
    let [here, there] = [TestServer::start_on(&database).await, TestServer::start_on(&database).await];
    let [alice, bob] = here.people(["alice", "bob"]).await;
    let mut live = here.stream(&alice).await;
    assert_eq!(live.ask(1, &bob, &by(&alice, 1)).await["status"], 201);
    assert_eq!(there.signed(&alice, "DELETE", "/v1/u/alice", String::new()).await.status, 204);
    let refused = live.ask(2, &bob, &by(&alice, 2)).await;
    assert_eq!((outcome(&refused).0, &refused["body"]["code"]), (401, &json!("unauthorized")));
    assert_eq!(live.closed().await, CLOSE_UNAUTHORIZED);
    assert_eq!(here.inbox(&bob, 0).await.seqs(), [1]);
}

#[tokio::test]
async fn blocked_senders_are_not_told() {
    let server = TestServer::start_with(&[]).await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    assert_eq!(server.signed(&bob, "PUT", "/v1/u/bob/blocks/alice", String::new()).await.status, 204);
    let mut live = server.stream(&alice).await;
    assert_eq!(live.ask(1, &bob, &by(&alice, 1)).await["status"], 201);
    assert!(server.inbox(&bob, 0).await.seqs().is_empty());
}

#[tokio::test]
async fn a_panic_affects_only_the_message_that_caused_it() {
    let server = TestServer::start().await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    let mut live = server.stream(&alice).await;
    server.clock.panic_once();
    let posted = server.send(&bob, &by(&alice, 1)).await;
    server.clock.panic_once();
    let failed = live.ask(2, &bob, &by(&alice, 2)).await;
    assert_eq!((posted.status, outcome(&failed)), (500, (500, json!("internal"), Value::Null, false)));
    assert_eq!(failed["body"], posted.json());
    assert_eq!(live.ask(3, &bob, &by(&alice, 3)).await["status"], 201, "the stream continues");
    assert_eq!(server.inbox(&bob, 0).await.seqs(), [1]);
}

/// The stream of the sender ends while the message waits for the database.
#[tokio::test]
async fn a_message_is_announced_even_if_its_senders_stream_has_ended() {
    let server = TestServer::start().await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    let (mut live, mut other) = (server.stream(&alice).await, server.stream(&bob).await);
    let mut lock = second_connection(&server.db()).await;
    lock.execute("BEGIN IMMEDIATE").await.unwrap();
    live.send(&frame(1, &bob, &by(&alice, 1))).await;
    live.close().await;
    lock.execute("ROLLBACK").await.unwrap();
    let arrived = timeout(Duration::from_secs(10), other.next()).await.expect("an announcement");
    assert_eq!(arrived["items"][0]["seq"], 1);
}
