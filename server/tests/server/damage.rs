//! A disk that lost or changed data (`R3`): a server opens what is left or refuses, and never delivers a byte that was
//! not sent.

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use futures::future::join_all;
use sqlx::Executor;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::binary::Binary;
use crate::broker::until;
use crate::ledger::{Ledger, SENDERS, parse, people};
use crate::postgres::cluster::{Cluster, connect};
use crate::proxy::Chance;
use crate::support::{Person, TestServer, free_address, second_connection};

const FLAGS: [&str; 2] = ["--limits", "off"];

/// A copy of a database with its log, to be damaged.
struct Copy {
    _directory: TempDir,
    db: PathBuf,
}

impl Copy {
    fn of(db: &[u8], wal: &[u8]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let copy = Self { db: directory.path().join("kez-chat.db"), _directory: directory };
        std::fs::write(&copy.db, db).unwrap();
        if !wal.is_empty() {
            std::fs::write(log_of(&copy.db), wal).unwrap();
        }
        copy
    }
}

fn log_of(db: &Path) -> PathBuf {
    db.with_file_name("kez-chat.db-wal")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_wal_tail_loses_only_its_own_content() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("kez-chat.db");
    let server = Binary::start(&db, &FLAGS).await;
    let (ledger, people) = (Ledger::default(), people(&server).await);
    // Messages acknowledged before each moment are within that length of the log.
    let mut moments: Vec<(Duration, usize)> = Vec::new();
    let load = async {
        for count in (100..=1500).step_by(50) {
            ledger.reaches(count).await;
            let now = UNIX_EPOCH.elapsed().unwrap();
            moments.push((now, std::fs::metadata(log_of(&db)).unwrap().len() as usize));
        }
    };
    let senders = join_all((0..SENDERS).map(|sender| ledger.send(&server, &people, sender)));
    tokio::select! {
        _ = senders => panic!("the server ended by itself"),
        () = load => {}
    }
    server.kill().await;
    let (db, wal) = (std::fs::read(&db).unwrap(), std::fs::read(log_of(&db)).unwrap());

    let (mut chance, first) = (Chance(Chance::seed()), moments[0].1);
    for round in 0..12 {
        let tear = first + chance.below((wal.len() - first) as u64) as usize;
        let (mut torn, end) = (wal.clone(), (tear + 5_000).min(wal.len()));
        match round % 4 {
            0 => torn.truncate(tear),
            1 => torn[tear] ^= 1 << chance.below(8),
            2 => torn[tear..].fill(0),
            _ => torn[tear..end].iter_mut().for_each(|byte| *byte = chance.next() as u8),
        }
        let copy = Copy::of(&db, &torn);
        let server = Binary::start(&copy.db, &FLAGS).await;
        let before = moments.iter().rfind(|(_, length)| *length <= tear).unwrap().0;
        let found = ledger.compare(&server, &people, Some(before)).await;
        assert_eq!(found.lost, [], "was synced before byte {tear} of {}", wal.len());
        // The server continues from there.
        let body = crate::support::message(&people[0].handle, r#"{"after":"the tear"}"#);
        assert_eq!(server.post("/v1/messages", body).await.unwrap().status, 201);
        server.kill().await;
    }
}

/// Every envelope that the server still delivers.
async fn served(server: &Binary, people: &[Person]) -> Vec<(usize, usize)> {
    let mut all = Vec::new();
    for person in people {
        let mut since = 0;
        loop {
            let page = server.page(person, since).await;
            if page.status != 200 {
                assert!([401, 500, 503].contains(&page.status), "{page:?}");
                break;
            }
            let page = page.json();
            all.extend(
                page["items"].as_array().unwrap().iter().map(|item| parse(&item["envelope"].to_string())),
            );
            let next = page["next"].as_u64().unwrap();
            if next <= since {
                break;
            }
            since = next;
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn corrupted_envelopes_are_never_served() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("kez-chat.db");
    let server = Binary::start(&db, &FLAGS).await;
    let (ledger, people) = (Ledger::default(), people(&server).await);
    let (stop, node) = (CancellationToken::new(), [server.endpoint.clone()]);
    let senders = join_all((0..SENDERS).map(|sender| ledger.send_through(&node, &people, sender, &stop)));
    let enough = async {
        ledger.reaches(300).await;
        stop.cancel();
    };
    tokio::join!(senders, enough);
    let all = served(&server, &people).await;
    assert!(server.terminate().await.success());
    let whole = std::fs::read(&db).unwrap();
    let (mut chance, mut refused) = (Chance(Chance::seed()), 0);
    for round in 0..14 {
        let mut flipped = whole.clone();
        let targeted = round % 2 == 0;
        if targeted {
            // In the middle of one envelope, in every copy of it that SQLite has left.
            let (sender, number) = all[chance.below(all.len() as u64) as usize];
            let start = format!(r#"{{"sender":{sender},"number":{number},"padding":""#);
            let places =
                whole.windows(start.len()).enumerate().filter(|(_, bytes)| *bytes == start.as_bytes());
            for (at, _) in places {
                // The last copy may be cut off.
                if let Some(byte) = flipped.get_mut(at + start.len() + 50) {
                    *byte ^= 1;
                }
            }
        } else {
            for _ in 0..8 {
                flipped[chance.below(whole.len() as u64) as usize] ^= 1 << chance.below(8);
            }
        }
        let copy = Copy::of(&flipped, &[]);
        let Some(server) = Binary::try_start(&copy.db, &FLAGS).await else {
            refused += 1;
            continue;
        };
        let served = served(&server, &people).await.len();
        assert!(served <= all.len(), "{served} of {}", all.len());
        if targeted {
            assert_eq!(served, all.len() - 1, "all except the altered envelope");
        }
        server.kill().await;
    }
    assert!(refused <= 7, "a damaged envelope does not invalidate the file");
}

/// So many damaged rows that whole pages consist of them, with one intact row in between.
async fn damaged_rows_stop_nothing(server: TestServer, monitor: &str, damage: impl AsyncFn(&str)) {
    let [bob] = server.people(["bob"]).await;
    for n in 1..=130 {
        assert_eq!(server.place_of(&bob, &format!(r#"{{"n":{n}}}"#)).await, n);
    }
    damage("seq <= 110 OR seq = 115").await;
    let whole: Vec<u64> = (111..=114).chain(116..=130).collect();
    assert_eq!(server.inbox(&bob, 0).await.seqs(), whole);
    let header = bob.inbox_header(0, server.now());
    let page = server.inbox_with(&bob.handle, "?since=0&limit=10", &header).await;
    assert_eq!(page.seqs(), whole[..10], "as many as were asked for");
    let export = server.signed(&bob, "GET", "/v1/export", String::new()).await;
    assert_eq!(export.json()["inbox"]["items"].as_array().unwrap().len(), whole.len());

    let mut live = server.live_as(&bob, 0).await;
    let mut seqs = Vec::new();
    while seqs.last() != Some(&130) {
        seqs.extend(
            live.next().await["items"].as_array().unwrap().iter().map(|item| item["seq"].as_u64().unwrap()),
        );
    }
    assert_eq!(seqs, whole);
    assert_eq!(live.next().await["caught_up"], 130);
    server.send(&bob, r#"{"n":131}"#).await;
    assert_eq!(live.next().await["items"][0]["seq"], 131);
    until(async || {
        let text = reqwest::get(format!("http://{monitor}/metrics")).await.unwrap().text().await.unwrap();
        let count = text.lines().find_map(|line| line.strip_prefix("kez_chat_damaged_items_total "));
        count.unwrap().parse::<u64>().unwrap() >= 111
    })
    .await;
}

fn monitor() -> String {
    free_address().to_string()
}

#[tokio::test]
async fn damaged_rows_do_not_block_reads_on_sqlite() {
    let monitor = monitor();
    let server = TestServer::start_with(&["--limits", "off", "--metrics-bind", &monitor]).await;
    let file = server.db();
    damaged_rows_stop_nothing(server, &monitor, async |rows| {
        let mut database = second_connection(&file).await;
        let damage = format!("UPDATE messages SET envelope = x'ff22' WHERE {rows}");
        database.execute(sqlx::AssertSqlSafe(damage)).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn damaged_rows_do_not_block_reads_on_postgres() {
    let (monitor, address) = (monitor(), Cluster::shared().await.database().await);
    let flags = ["--limits", "off", "--metrics-bind", &monitor];
    let server = TestServer::start_on_with(&address, &flags).await;
    damaged_rows_stop_nothing(server, &monitor, async |rows| {
        let mut database = connect(&address).await;
        let damage = format!("UPDATE messages SET envelope = '\\xff22' WHERE {rows}");
        database.execute(sqlx::AssertSqlSafe(damage)).await.unwrap();
    })
    .await;
}
