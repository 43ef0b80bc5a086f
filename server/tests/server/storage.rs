//! Failing storage: a locked database, a full disk.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use kez_chat_server::store::accounts::ClaimOutcome;
use kez_chat_server::store::usage::{NetworkTag, Origin, Source};
use kez_chat_server::store::{AccountId, NewMessage, PageLimit, Store, StoreError};
use kez_core::identity::Primary;
use kez_core::time::Timestamp;
use sqlx::{Connection, Executor};
use tokio_util::sync::CancellationToken;

use crate::binary::Binary;
use crate::broker::until;
use crate::commands::json;
use crate::store::claim;
use crate::support::{NOW, Person, TestServer, message, second_connection};

#[tokio::test]
async fn a_locked_database_is_503_until_it_is_unlocked() {
    let server = TestServer::start().await;
    let [bob] = server.people(["bob"]).await;
    assert_eq!(server.place_of(&bob, r#"{"n":0}"#).await, 1);
    let mut other = second_connection(&server.db()).await;
    other.execute("BEGIN EXCLUSIVE").await.unwrap();

    let start = Instant::now();
    let sends =
        futures::future::join_all((1..20).map(async |n| server.send(&bob, &format!(r#"{{"n":{n}}}"#)).await));
    // Signed requests wait for their nonces, and no longer than others.
    let exports = futures::future::join_all(
        (0..3).map(async |_| server.signed(&bob, "GET", "/v1/export", String::new()).await),
    );
    let (replies, exports, page) = tokio::join!(sends, exports, server.inbox(&bob, 0));
    assert_eq!(page.seqs(), [1], "reads are not blocked");
    for reply in replies.into_iter().chain(exports) {
        reply.refused(503, "unavailable");
        assert!(reply.header("retry-after").parse::<u64>().unwrap() >= 1);
    }
    assert!(start.elapsed() < Duration::from_millis(7500), "{:?}", start.elapsed());

    other.execute("ROLLBACK").await.unwrap();
    other.close().await.unwrap();
    for n in 1..20 {
        assert_eq!(server.place_of(&bob, &format!(r#"{{"n":{n}}}"#)).await, n + 1);
    }
    assert_eq!(server.inbox(&bob, 0).await.seqs(), (1..=20).collect::<Vec<_>>());
}

/// A backup reads a snapshot for as long as it takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_backup_does_not_block_writers() {
    const MESSAGES: usize = 600;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kez-chat.db");
    let store = Store::sqlite(&file).await.unwrap();
    let ClaimOutcome::Stands(bob) = store.claim_handle(claim(&Person::new("bob"))).await.unwrap() else {
        panic!("the handle is free");
    };
    let send = async |n: usize| {
        let envelope = format!("{n} {}", " ".repeat(64 * 1024)).into();
        let now = Timestamp::from_unix(NOW);
        let message =
            NewMessage { at: None, inbox: bob.id.inbox(), envelope, origin: Origin::Known, quota: None, now };
        let stored = tokio::time::timeout(Duration::from_secs(3), store.append(message)).await;
        stored.expect("writers do not wait for readers").unwrap();
    };
    let log = || std::fs::metadata(directory.path().join("kez-chat.db-wal")).unwrap().len();

    let mut backup = second_connection(&file).await;
    backup.execute("BEGIN").await.unwrap();
    backup.execute("SELECT count(*) FROM messages").await.unwrap();
    for n in 0..MESSAGES {
        send(n).await;
    }
    assert!(log() > 30 * 1024 * 1024, "the log contains everything written during the backup");
    backup.execute("COMMIT").await.unwrap();
    send(MESSAGES).await;
    until(async || log() == 0).await;
    store.close().await;
}

/// Deletions write to the log as well: it starts over while they go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_does_not_grow_with_a_long_deletion() {
    const MESSAGES: usize = 60_000;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kez-chat.db");
    let store = Store::sqlite(&file).await.unwrap();
    let ClaimOutcome::Stands(bob) = store.claim_handle(claim(&Person::new("bob"))).await.unwrap() else {
        panic!("the handle is free");
    };
    let now = Timestamp::from_unix(NOW);
    let message = |n: usize| {
        let envelope = format!("{n} {}", " ".repeat(1024)).into();
        NewMessage { at: None, inbox: bob.id.inbox(), envelope, origin: Origin::Known, quota: None, now }
    };
    for portion in 0..MESSAGES / 1000 {
        let stored = join_all((0..1000).map(|n| store.append(message(1000 * portion + n)))).await;
        assert!(stored.into_iter().all(|stored| stored.is_ok()));
    }
    store.close().await;
    let store = Store::sqlite(&file).await.unwrap();
    assert!(store.delete_account(bob.id, now).await.unwrap());
    let log = std::fs::metadata(directory.path().join("kez-chat.db-wal")).unwrap().len();
    assert!(log < 64 * 1024 * 1024, "the log has {log} bytes");
    store.close().await;
}

/// A file system in memory, unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(directory.path())
            .status()
            .unwrap();
        assert!(mounted.success(), "this test mounts a tmpfs, so it runs as root");
        Self(directory)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn as_root_a_full_disk_is_507_loses_nothing_and_heals() {
    let disk = SmallDisk::mount("8m");
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![0; 4 * 1024 * 1024]).unwrap();
    let server = Binary::start(&disk.path().join("kez-chat.db"), &["--limits", "off"]).await;
    let bob = Person::new("bob");
    assert_eq!(server.register(&bob).await, 201);
    assert!(!disk.path().join("kez-chat.db.reserve").exists(), "a small disk has no reserve");

    let send = async |n: u32| {
        let envelope = format!(r#"{{"n":{n},"padding":"{}"}}"#, "x".repeat(50_000));
        server.post("/v1/messages", message(&bob.handle, &envelope)).await.unwrap()
    };
    let mut acknowledged = 0;
    let full = loop {
        let reply = send(acknowledged).await;
        if reply.status != 201 {
            break reply;
        }
        acknowledged += 1;
        assert!(acknowledged < 1000, "the disk has room for a hundred");
    };
    full.refused(507, "storage_full");
    send(5000).await.refused(507, "storage_full");
    let stored = server.inbox(&bob).await;
    assert_eq!(stored.len(), acknowledged as usize);

    std::fs::remove_file(&ballast).unwrap();
    let mut after = send(6000).await;
    while after.status == 507 {
        after = send(6000).await;
    }
    assert_eq!(after.status, 201);
    let healed = server.inbox(&bob).await;
    assert!(
        healed.starts_with(&stored) && healed.len() == stored.len() + 1,
        "{} {}",
        healed.len(),
        stored.len()
    );
    assert!(server.terminate().await.success());
}

/// Writes until the last byte of the disk is in use.
fn fill_up(disk: &Path) {
    let mut ballast = std::fs::File::options().create(true).append(true).open(disk.join("ballast")).unwrap();
    for piece in [1024 * 1024, 4096, 1] {
        while ballast.write_all(&vec![7; piece]).is_ok() {}
    }
}

/// The last byte of the disk is in use, and other clients keep sending: no deletion is refused, no message is lost, and
/// the others use the space that is freed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_root_accounts_can_be_deleted_on_a_full_disk() {
    let disk = SmallDisk::mount("256m");
    let db = disk.path().join("kez-chat.db");
    let server = Binary::start(&db, &["--limits", "off"]).await;
    let people = ["bob", "carol", "dave", "erin"].map(Person::new);
    for person in &people {
        assert_eq!(server.register(person).await, 201);
    }
    let [bob, carol, dave, erin] = &people;
    assert!(disk.path().join("kez-chat.db.reserve").exists());
    // So that the disk is full sooner.
    std::fs::write(disk.path().join("more ballast"), vec![7; 160 * 1024 * 1024]).unwrap();
    let sent = AtomicU32::new(0);
    let send = async |to: &Person| {
        let n = sent.fetch_add(1, Ordering::Relaxed);
        let envelope = format!(r#"{{"n":{n},"padding":"{}"}}"#, "x y".repeat(3_000));
        server.post("/v1/messages", message(&to.handle, &envelope)).await.unwrap().status
    };
    while send(bob).await == 201 && send(carol).await == 201 && send(dave).await == 201 {}
    fill_up(disk.path());

    let (stop, acknowledged) = (CancellationToken::new(), AtomicU32::new(0));
    let send_erin = async || {
        let status = send(erin).await;
        acknowledged.fetch_add(u32::from(status == 201), Ordering::Relaxed);
        status
    };
    let others = join_all((0..4).map(async |_| {
        while !stop.is_cancelled() {
            send_erin().await;
        }
    }));
    let name = db.to_str().unwrap();
    let delete = async |who: &str| {
        let (code, said) = json(&["admin", "handle", "delete", who, "--yes", "--db", name]).await;
        assert_eq!(code, 0, "{said}");
    };
    let deletions = async {
        until(async || send_erin().await == 507).await;
        let keep = server.signed(bob, "PUT", "/v1/inbox/bob/keep", r#"{"days":1}"#.to_owned()).await;
        assert_eq!(keep.status, 204);
        assert_eq!(server.signed(bob, "DELETE", "/v1/u/bob", String::new()).await.status, 204);
        let before = acknowledged.load(Ordering::Relaxed);
        until(async || acknowledged.load(Ordering::Relaxed) > before + 100).await;
        fill_up(disk.path());
        until(async || send_erin().await == 507).await;
        delete("carol").await;
        stop.cancel();
    };
    tokio::join!(others, deletions);
    let stored = server.inbox(erin).await;
    assert_eq!(stored.len(), acknowledged.into_inner() as usize);
    assert!(server.terminate().await.success());

    fill_up(disk.path());
    delete("dave").await;
    let server = Binary::start(&db, &["--limits", "off"]).await;
    assert_eq!(server.inbox(erin).await, stored);
    assert!(server.terminate().await.success());
}

/// A deletion indexes the tail first, and the log of a whole tail of requests does not fit into the reserve at once.
#[tokio::test]
async fn as_root_a_deletion_on_a_full_disk_indexes_a_tail_of_requests() {
    const INBOXES: usize = 500;
    let disk = SmallDisk::mount("256m");
    let file = disk.path().join("kez-chat.db");
    let store = Store::sqlite(&file).await.unwrap();
    let now = Timestamp::from_unix(NOW);
    let mut inboxes = Vec::new();
    for n in 0..INBOXES {
        match store.claim_handle(claim(&Person::new(&format!("person{n}")))).await.unwrap() {
            ClaimOutcome::Stands(account) => inboxes.push(account.id),
            taken => panic!("{taken:?}"),
        }
    }
    let key = |n: usize| Primary::from_bytes([(n / INBOXES) as u8 + 1; 32]);
    let request = |n: usize| {
        let source = Source { key: Some(key(n)), signed: true, network: NetworkTag((n % 251) as u16) };
        let envelope = format!(r#"{{"n":{n}}}"#).into();
        NewMessage {
            at: None,
            inbox: inboxes[n % INBOXES].inbox(),
            envelope,
            origin: Origin::Request(source),
            quota: None,
            now,
        }
    };
    // Fewer than a round, so that none of them is indexed.
    for batch in 0..30 {
        let stored = join_all((0..100).map(|n| store.append(request(100 * batch + n)))).await;
        assert!(stored.into_iter().all(|stored| stored.is_ok()));
    }
    fill_up(disk.path());
    let mut extra = 3_000;
    while store.append(request(extra)).await.is_ok() {
        extra += 1;
    }
    let refused = store.append(request(extra)).await;
    assert!(matches!(refused, Err(StoreError::Full)), "{refused:?}");

    assert!(store.delete_account(inboxes[7], now).await.unwrap());
    assert_eq!(store.delete_requests(inboxes[8].inbox(), key(8)).await.unwrap(), 1);
    let left =
        async |store: &Store, of: AccountId| store.inbox_status(of.inbox()).await.unwrap().requests.messages;
    let whole = left(&store, inboxes[499]).await;
    assert_eq!(left(&store, inboxes[8]).await, 5 + u64::from(extra > 3_008));
    store.close().await;
    let store = Store::sqlite(&file).await.unwrap();
    assert_eq!(left(&store, inboxes[499]).await, whole);
    let page = PageLimit { items: 100, bytes: 1 << 20 };
    assert_eq!(store.page_after(inboxes[499].inbox(), 0, page).await.unwrap().len() as u64, whole);
    store.close().await;
}
