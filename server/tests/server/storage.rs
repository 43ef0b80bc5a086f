//! Storage that does not do what it should: a locked database, a full disk.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use kez_chat_server::store::sqlite::SqliteStore;
use kez_chat_server::store::usage::Origin;
use kez_chat_server::store::{ClaimOutcome, NewMessage, Store as _};
use kez_core::time::Timestamp;
use sqlx::{Connection, Executor};

use crate::binary::Binary;
use crate::broker::until;
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
    // Those who sign wait for their nonces, and no longer than others.
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

/// A backup reads what there was at one moment for as long as it takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_takes_long_keeps_nobody_from_writing() {
    const MESSAGES: usize = 600;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kez-chat.db");
    let store = SqliteStore::open(&file).await.unwrap();
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
