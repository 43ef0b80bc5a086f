//! Crashes and shutdowns under load: every acknowledged message is there afterwards, once and in order.

use std::time::{Duration, Instant};

use futures::future::join_all;

use crate::binary::Binary;
use crate::ledger::{Ledger, SENDERS, people};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_kills_under_load_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("kez-chat.db");
    let (ledger, flags) = (Ledger::default(), ["--limits", "off"]);
    let mut server = Binary::start(&db, &flags).await;
    let people = people(&server).await;
    for round in 1..=5 {
        {
            let senders = join_all((0..SENDERS).map(|sender| ledger.send(&server, &people, sender)));
            tokio::select! {
                _ = senders => panic!("the server ended by itself"),
                () = ledger.reaches(round * 2000) => {}
            }
        }
        server.kill().await;
        server = Binary::start(&db, &flags).await;
        ledger.audit(&server, &people).await;
    }
    assert!(server.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_under_load_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("kez-chat.db");
    let (ledger, flags) = (Ledger::default(), ["--limits", "off"]);
    let server = Binary::start(&db, &flags).await;
    let people = people(&server).await;
    let pid = server.pid();
    let senders = join_all((0..SENDERS).map(|sender| ledger.send(&server, &people, sender)));
    let start = async {
        ledger.reaches(1000).await;
        Binary::signal(pid, "-TERM").await;
        Instant::now()
    };
    let (_, start) = tokio::join!(senders, start);
    assert!(server.ended().await.success());
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert!(!directory.path().join("kez-chat.db-wal").exists(), "everything is in the database file");

    let server = Binary::start(&db, &flags).await;
    ledger.audit(&server, &people).await;
    assert!(server.terminate().await.success());
}
