//! Messages on SQLite are indexed and counted in rounds: no state in between hides a message or fails to recognise a
//! retry.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::join_all;
use kez_chat_server::store::accounts::ClaimOutcome;
use kez_chat_server::store::people::List;
use kez_chat_server::store::usage::{Held, NetworkTag, Origin, Quota, Source};
use kez_chat_server::store::{
    AccountId, Appended, CallerKey, InboxId, NewMessage, OpenError, PageLimit, Store,
};
use kez_core::caller_auth::{NONCE_LIFETIME_SECONDS, Nonce};
use kez_core::identity::Primary;
use kez_core::time::Timestamp;
use sqlx::Connection;
use tempfile::TempDir;

use crate::store::claim;
use crate::support::{NOW, Person, second_connection};

/// The number of messages in a round (`store/sqlite/tail.rs`), and in a transaction.
const ROUND: u64 = 3072;
const BATCH: u64 = 128;

async fn fresh_store() -> (TempDir, PathBuf, Store) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kez-chat.db");
    let store = Store::sqlite(&file).await.unwrap();
    (directory, file, store)
}

async fn inbox(store: &Store, name: &str) -> InboxId {
    match store.claim_handle(claim(&Person::new(name))).await.unwrap() {
        ClaimOutcome::Stands(account) => account.id.inbox(),
        taken => panic!("{taken:?}"),
    }
}

/// An envelope with a number.
fn envelope(n: u64) -> String {
    format!(r#"{{"n":{n}}}"#)
}

/// Sends messages with these numbers, a batch at a time, to the inboxes in turn.
async fn send(store: &Store, inboxes: &[InboxId], numbers: std::ops::Range<u64>) -> Vec<Appended> {
    let numbers: Vec<u64> = numbers.collect();
    let mut all = Vec::new();
    for batch in numbers.chunks(BATCH as usize) {
        let sent = batch.iter().map(|n| {
            store.append(NewMessage {
                at: None,
                inbox: inboxes[*n as usize % inboxes.len()],
                envelope: envelope(*n).into(),
                origin: Origin::Known,
                quota: None,
                now: Timestamp::from_unix(NOW + n),
            })
        });
        all.extend(join_all(sent).await.into_iter().map(Result::unwrap));
    }
    all
}

/// The numbers of the messages that a reader of an inbox gets, page by page.
async fn read(store: &Store, inbox: InboxId) -> Vec<(u64, String)> {
    let (mut all, mut since) = (Vec::new(), 0);
    loop {
        let page =
            store.page_after(inbox, since, PageLimit { items: 700, bytes: 1024 * 1024 }).await.unwrap();
        let Some(last) = page.last() else { return all };
        since = last.seq;
        all.extend(page.into_iter().map(|item| (item.seq, String::from_utf8(item.envelope).unwrap())));
    }
}

/// The numbers of messages, of those with a place or in the tail, of hashes, and of messages in the tail.
async fn rows(file: &Path) -> [i64; 4] {
    let mut connection = second_connection(file).await;
    let sql = "SELECT (SELECT count(*) FROM messages), \
        (SELECT count(*) FROM message_places) + (SELECT count(*) FROM tail), \
        (SELECT count(*) FROM message_hashes), (SELECT count(*) FROM tail)";
    let (messages, places, hashes, tail) = sqlx::query_as(sql).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    [messages, places, hashes, tail]
}

/// Asserts that the stored places and hashes match the messages.
async fn assert_consistent(file: &Path) {
    const WRONG: [&str; 7] = [
        "SELECT count(*) FROM message_places AS p LEFT JOIN messages AS m ON m.id = p.message \
         WHERE m.id IS NULL OR m.inbox <> p.inbox OR m.seq <> p.seq",
        "SELECT count(*) FROM message_hashes AS h LEFT JOIN messages AS m ON m.id = h.message \
         WHERE m.id IS NULL OR m.inbox <> h.inbox OR substr(m.hash, 1, 8) <> h.start",
        "SELECT count(*) FROM messages AS m LEFT JOIN message_places AS p ON p.inbox = m.inbox AND p.seq = m.seq \
         WHERE m.id NOT IN (SELECT id FROM tail) AND m.origin <> 2 AND p.message IS NULL",
        "SELECT count(*) FROM inboxes WHERE (messages, bytes) <> \
         (SELECT count(*), coalesce(sum(length(envelope)), 0) FROM messages \
          WHERE inbox = account AND id NOT IN (SELECT id FROM tail))",
        "SELECT count(*) FROM inboxes WHERE waiting <> (SELECT count(*) FROM messages \
          WHERE inbox = account AND seq > acknowledged AND id NOT IN (SELECT id FROM tail))",
        "SELECT count(*) FROM messages AS m LEFT JOIN requests AS r \
         ON r.inbox = m.inbox AND r.seq = m.seq AND r.message = m.id \
         WHERE m.id NOT IN (SELECT id FROM tail) AND (m.origin > 0) <> (r.seq IS NOT NULL)",
        "SELECT count(*) FROM (SELECT inbox, part, messages, bytes FROM request_shares \
            EXCEPT SELECT inbox, part, count(*), sum(bytes) FROM ( \
                SELECT inbox, x'' AS part, bytes FROM requests UNION ALL SELECT inbox, sender, bytes FROM requests \
                UNION ALL SELECT inbox, network, bytes FROM requests \
                UNION ALL SELECT inbox, x'00', bytes FROM requests WHERE substr(network, 1, 1) = x'01') \
            GROUP BY inbox, part)",
    ];
    let mut connection = second_connection(file).await;
    for sql in WRONG {
        let wrong: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
        assert_eq!(wrong, 0, "{sql}");
    }
    connection.close().await.unwrap();
}

#[tokio::test]
async fn every_message_is_found_while_the_tail_is_indexed() {
    let (_directory, file, store) = fresh_store().await;
    let inboxes = [inbox(&store, "alice").await, inbox(&store, "bob").await];
    let count = ROUND + 3 * BATCH;
    let sent = send(&store, &inboxes, 0..count).await;
    assert!(sent.iter().all(|appended| appended.fresh));
    let [messages, places, hashes, tail] = rows(&file).await;
    assert_eq!((messages, places), (count.cast_signed(), count.cast_signed()));
    assert!(
        hashes >= BATCH.cast_signed() && tail > BATCH.cast_signed(),
        "in the middle of a round: {hashes}, {tail}"
    );
    assert_eq!(hashes + tail, messages);
    assert_consistent(&file).await;

    // A process that opens the database knows the tail of the one before, and goes on with the round.
    store.close().await;
    let store = Store::sqlite(&file).await.unwrap();
    let (again, of_alice) = tokio::join!(send(&store, &inboxes, 0..count), read(&store, inboxes[0]));
    let known: Vec<_> = sent.iter().map(|stored| Appended { fresh: false, ..*stored }).collect();
    assert_eq!(again, known);
    let expected: Vec<_> = (0..count / 2).map(|n| (n + 1, envelope(2 * n))).collect();
    assert_eq!(of_alice, expected);
    let [_, _, hashes, tail] = rows(&file).await;
    assert!(
        hashes >= ROUND.cast_signed() && hashes + tail == messages,
        "the round is over: {hashes}, {tail}"
    );
    assert_consistent(&file).await;

    // A deleted message loses its place and its hash. Its number and its id are not reused.
    let fresh = send(&store, &inboxes, count..count + 10).await;
    assert_eq!(fresh[0].seq, count / 2 + 1);
    let oldest = Timestamp::from_unix(NOW + 100);
    assert_eq!(store.forget_messages(inboxes[0], oldest).await.unwrap(), 50);
    assert!(store.delete_account(AccountId(inboxes[1].0), oldest).await.unwrap());
    let left = count / 2 + 5 - 50;
    let [messages, places, hashes, _] = rows(&file).await;
    assert_eq!([messages, places, hashes], [left.cast_signed(); 3]);
    assert_eq!(read(&store, inboxes[0]).await.len() as u64, left);
    let [repeated] = send(&store, &inboxes[..1], 0..1).await[..] else { panic!("one answer") };
    assert!(repeated.fresh, "what was deleted is no longer known");
    assert_eq!(repeated.seq, count / 2 + 6);
    assert_consistent(&file).await;
    store.close().await;
}

/// Messages to many inboxes, with crashes, at every state of several rounds.
#[tokio::test]
async fn a_round_in_progress_hides_nothing() {
    const INBOXES: u64 = 37;
    const STEP: u64 = 500;
    let (_directory, file, mut store) = fresh_store().await;
    let mut inboxes = Vec::new();
    for n in 0..INBOXES {
        inboxes.push(inbox(&store, &format!("person{n}")).await);
    }
    let mut sent = Vec::new();
    for step in 0..16 {
        if step % 5 == 4 {
            drop(store);
            store = Store::sqlite(&file).await.unwrap();
        }
        let count = sent.len() as u64;
        sent.extend(send(&store, &inboxes, count..count + STEP).await);
        assert!(sent[count as usize..].iter().all(|appended| appended.fresh));
        assert_consistent(&file).await;

        let again = send(&store, &inboxes, step * STEP / 3..step * STEP / 3 + 100).await;
        let known = &sent[(step * STEP / 3) as usize..][..100];
        assert!(again.iter().zip(known).all(|(again, known)| !again.fresh && again.seq == known.seq));
        for (which, inbox) in inboxes.iter().enumerate().step_by(9) {
            let numbers = (which as u64..count + STEP).step_by(INBOXES as usize);
            let expected: Vec<_> = numbers.zip(1..).map(|(n, seq)| (seq, envelope(n))).collect();
            assert_eq!(read(&store, *inbox).await, expected);
            assert_eq!(store.last_seq(*inbox).await.unwrap(), expected.len() as u64);
        }
    }
    store.close().await;
}

#[tokio::test]
async fn a_message_deleted_from_the_tail_leaves_only_its_number() {
    let (_directory, file, store) = fresh_store().await;
    let [alice, bob] = [inbox(&store, "alice").await, inbox(&store, "bob").await];
    let last = send(&store, &[alice, bob], 0..10).await[8].seq;
    // Another process deletes all five of Alice's messages from the tail, and the server is killed.
    let mut other = second_connection(&file).await;
    let delete = sqlx::query("DELETE FROM messages WHERE inbox = ?1").bind(alice.0);
    assert_eq!(delete.execute(&mut other).await.unwrap().rows_affected(), last);
    other.close().await.unwrap();
    assert_consistent(&file).await;
    drop(store);
    let store = Store::sqlite(&file).await.unwrap();
    assert_eq!(read(&store, alice).await, []);
    assert_eq!(read(&store, bob).await.len(), 5);
    let next = send(&store, &[alice], 10..11).await[0];
    assert_eq!(next.seq, last + 1, "no number is used twice");
    assert_consistent(&file).await;
    store.close().await;
}

#[tokio::test]
async fn a_database_from_before_the_first_release_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kez-chat.db");
    std::fs::File::create(&file).unwrap();
    let mut connection = second_connection(&file).await;
    sqlx::raw_sql("CREATE TABLE meta (epoch TEXT); PRAGMA user_version = 13;")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    assert!(matches!(Store::sqlite(&file).await, Err(OpenError::Unreleased)));
    assert!(matches!(Store::sqlite_read_only(&file).await, Err(OpenError::Unreleased)));
}

#[tokio::test]
async fn expired_nonces_are_deleted_and_current_ones_stay() {
    let (_directory, file, store) = fresh_store().await;
    let alice = CallerKey::of(&Person::new("alice").keys.public().primary());
    let used = |n: u8, at: u64| store.use_nonce(alice, Nonce::from_bytes([n; 16]), Timestamp::from_unix(at));
    assert!(join_all((0..100).map(|n| used(n, NOW))).await.into_iter().all(Result::unwrap));
    for n in 100..150 {
        assert!(used(n, NOW + NONCE_LIFETIME_SECONDS + 1).await.unwrap());
    }
    let mut connection = second_connection(&file).await;
    let left: Vec<i64> =
        sqlx::query_scalar("SELECT used_at FROM nonces").fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    assert_eq!(left.len(), 50);
    assert!(left.into_iter().all(|at| at.cast_unsigned() > NOW));
    store.close().await;
}

/// Requests arrive, are indexed in rounds, acknowledged, displaced, accepted and deleted, with restarts in
/// between.
#[tokio::test]
async fn requests_are_counted_inside_and_outside_the_tail() {
    let (_directory, file, store) = fresh_store().await;
    let [alice, bob] = [inbox(&store, "alice").await, inbox(&store, "bob").await];
    let quota =
        Quota { waiting: 100_000, bytes: 1 << 30, requests: Held { messages: 3_000, bytes: 1 << 26 } };
    let request = |n: u64| {
        let source = Source {
            key: Some(Primary::from_bytes([(n % 40) as u8; 32])),
            signed: n.is_multiple_of(3),
            network: NetworkTag((n % 50) as u16),
        };
        let origin = match n % 10 {
            0 => Origin::Known,
            1 => Origin::Blocked(source),
            _ => Origin::Request(source),
        };
        let (envelope, now) = (envelope(n).into(), Timestamp::from_unix(NOW));
        NewMessage { at: None, inbox: alice, envelope, origin, quota: Some(quota), now }
    };
    let send = async |store: &Store, numbers: std::ops::Range<u64>| {
        let answers = join_all(numbers.map(|n| store.append(request(n)))).await;
        answers.into_iter().filter(Result::is_ok).count()
    };
    let mut store = store;
    let (mut sent, mut taken) = (0, 0);
    for round in 0..60 {
        taken += send(&store, sent..sent + 100).await;
        sent += 100;
        match round % 6 {
            1 => drop(store.acknowledge(alice, store.last_seq(alice).await.unwrap() - 50).await.unwrap()),
            3 => drop(store.delete_requests(alice, Primary::from_bytes([round; 32])).await.unwrap()),
            4 => assert!(store.list(AccountId(alice.0), List::Contacts, AccountId(bob.0)).await.unwrap()),
            5 => {
                store.close().await;
                store = Store::sqlite(&file).await.unwrap();
            }
            _ => {}
        }
        assert_consistent(&file).await;
    }
    assert!(taken > 3_500, "acknowledged ones made room: {taken}");
    let status = store.inbox_status(alice).await.unwrap();
    assert!(status.requests.messages <= 3_000, "{status:?}");
    store.close().await;
}

/// Requests to many inboxes, in batches of every size, which displace acknowledged ones in the middle of rounds.
#[tokio::test]
async fn requests_are_counted_in_the_middle_of_a_round() {
    const INBOXES: u64 = 40;
    let (_directory, file, store) = fresh_store().await;
    let mut inboxes = Vec::new();
    for n in 0..INBOXES {
        inboxes.push(inbox(&store, &format!("person{n}")).await);
    }
    let quota = Quota { waiting: 100_000, bytes: 1 << 30, requests: Held { messages: 120, bytes: 1 << 26 } };
    let request = |n: u64| {
        // Each has a small share of an inbox.
        let (key, network) = (n / INBOXES % 40, NetworkTag((n / INBOXES % 50) as u16));
        let key = Some(Primary::from_bytes([key as u8; 32]));
        let origin = Origin::Request(Source { key, signed: true, network });
        let (inbox, now) = (inboxes[(n % INBOXES) as usize], Timestamp::from_unix(NOW));
        NewMessage { at: None, inbox, envelope: envelope(n).into(), origin, quota: Some(quota), now }
    };
    let (mut sent, mut stored) = (0, 0);
    for step in 0..140 {
        if step == 30 {
            for inbox in &inboxes {
                store.acknowledge(*inbox, store.last_seq(*inbox).await.unwrap()).await.unwrap();
            }
        }
        let size = 1 + step * 37 % BATCH;
        let answers = join_all((sent..sent + size).map(|n| store.append(request(n)))).await;
        stored += answers.iter().filter(|answer| answer.is_ok()).count() as u64;
        sent += size;
        // The database is not looked at before: after two seconds without a write, the tail is indexed at once.
        if step == 84 {
            let mut connection = second_connection(&file).await;
            let sql = "SELECT up_to < round_to FROM indexed";
            assert!(
                sqlx::query_scalar::<_, bool>(sql).fetch_one(&mut connection).await.unwrap(),
                "in a round"
            );
            connection.close().await.unwrap();
        }
        if step >= 84 && step % 8 == 4 {
            let [.., tail] = rows(&file).await;
            assert!(tail < (ROUND + BATCH).cast_signed(), "{tail}");
            assert_consistent(&file).await;
        }
    }
    let mut held = 0;
    for inbox in &inboxes {
        held += store.inbox_status(*inbox).await.unwrap().requests.messages;
    }
    assert_eq!(held, 120 * INBOXES, "every inbox is full");
    assert!(stored > held, "acknowledged ones made room: {stored}");
    store.close().await;
    let store = Store::sqlite(&file).await.unwrap();
    send(&store, &inboxes, sent..sent + 1).await;
    assert_consistent(&file).await;
    store.close().await;
}

/// A reader does not have to skip the messages of a blocked sender.
#[tokio::test]
async fn blocked_messages_do_not_slow_down_readers() {
    const POLLS: u32 = 100;
    let (_directory, _file, store) = fresh_store().await;
    let alice = inbox(&store, "alice").await;
    let source = Source { key: None, signed: true, network: NetworkTag(0) };
    for n in 0..250 {
        let envelope = format!(r#"{{"n":{n},"pad":"{}"}}"#, "x y".repeat(83_000)).into();
        let (origin, now) = (Origin::Blocked(source), Timestamp::from_unix(NOW));
        store
            .append(NewMessage { at: None, inbox: alice, envelope, origin, quota: None, now })
            .await
            .unwrap();
    }
    send(&store, &[alice], 0..1).await;
    // Where they are counted and placed.
    store.acknowledge(alice, 1).await.unwrap();
    let start = std::time::Instant::now();
    for _ in 0..POLLS {
        assert_eq!(read(&store, alice).await.len(), 1);
    }
    assert!(start.elapsed() < POLLS * Duration::from_millis(10), "{:?} for {POLLS} polls", start.elapsed());
    store.close().await;
}

/// A year of 150 messages a day and as many copies of the owner's own messages, with the server's default limits and a
/// browser that acknowledges in the evening. No message is refused or deleted.
#[tokio::test]
async fn an_account_with_a_year_of_messages_keeps_working() {
    const DAY: u64 = 24 * 60 * 60;
    let (_directory, file, store) = fresh_store().await;
    let alice = inbox(&store, "alice").await;
    let quota =
        Quota { waiting: 100_000, bytes: 1 << 30, requests: Held { messages: 1000, bytes: 64 << 20 } };
    for day in 0..365 {
        let messages = (0..300_u64).map(|n| {
            let (envelope, now) = (envelope(day * 300 + n).into(), Timestamp::from_unix(NOW + day * DAY));
            store.append(NewMessage {
                at: None,
                inbox: alice,
                envelope,
                origin: Origin::Known,
                quota: Some(quota),
                now,
            })
        });
        let stored = join_all(messages).await.into_iter().map(|answer| answer.unwrap().seq).max().unwrap();
        store.acknowledge(alice, stored).await.unwrap();
    }
    let status = store.inbox_status(alice).await.unwrap();
    assert_eq!((status.usage.held.messages, status.usage.waiting), (365 * 300, 0));
    assert_eq!(read(&store, alice).await.len(), 365 * 300, "also for a new browser");
    assert_consistent(&file).await;
    store.close().await;
}
