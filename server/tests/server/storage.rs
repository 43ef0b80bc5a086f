//! Failing storage: a locked database, a full disk.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use kez_chat_server::store::accounts::ClaimOutcome;
use kez_chat_server::store::usage::Origin;
use kez_chat_server::store::{NewMessage, Store};
use kez_core::time::Timestamp;
use sqlx::{Connection, Executor};
use tokio_util::sync::CancellationToken;

use crate::binary::Binary;
use crate::broker::until;
use crate::commands::json;
use crate::store::claim;
use crate::support::{NOW, Person, TestServer, message, second_connection};

#[tokio::test]
async fn a_locked_database_is_503_and_heals() {
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
    assert_eq!(page.seqs(), [1], "reading goes on meanwhile");
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
async fn a_backup_that_takes_long_keeps_nobody_from_writing() {
    const MESSAGES: usize = 600;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kez-chat.db");
    let store = Store::sqlite(&file).await.unwrap();
    let ClaimOutcome::Stands(bob) = store.claim_handle(claim(&Person::new("bob"))).await.unwrap() else {
        panic!("nobody else is there");
    };
    let send = async |n: usize| {
        let envelope = format!("{n} {}", " ".repeat(64 * 1024)).into();
        let now = Timestamp::from_unix(NOW);
        let message = NewMessage { inbox: bob.id, envelope, origin: Origin::Known, quota: None, now };
        let stored = tokio::time::timeout(Duration::from_secs(3), store.append(message)).await;
        stored.expect("writers wait for nobody who reads").unwrap();
    };
    let log = || std::fs::metadata(directory.path().join("kez-chat.db-wal")).unwrap().len();

    let mut backup = second_connection(&file).await;
    backup.execute("BEGIN").await.unwrap();
    backup.execute("SELECT count(*) FROM messages").await.unwrap();
    for n in 0..MESSAGES {
        send(n).await;
    }
    assert!(log() > 30 * 1024 * 1024, "the log holds all that came meanwhile");
    backup.execute("COMMIT").await.unwrap();
    send(MESSAGES).await;
    until(async || log() == 0).await;
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
    assert!(!disk.path().join("kez-chat.db.reserve").exists(), "nothing is kept back on a small disk");

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
