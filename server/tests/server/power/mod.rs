//! Power loss (`R2`): acknowledged messages are on the disk, not only in the kernel.
//!
//! The real binary runs under `strace`, which records every write and every sync with its bytes. For many moments of
//! that record the database is rebuilt from what was synced until then, and a server opens it: once without any
//! unsynced data, and once with random sectors of it. Every message acknowledged before that moment is there.

mod disk;
mod trace;

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use futures::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::binary::Binary;
use crate::ledger::{Ledger, SENDERS, people};
use crate::proxy::Chance;
use crate::support::Person;
use disk::{Disk, Unsynced};
use trace::{Step, What};

const FLAGS: [&str; 2] = ["--limits", "off"];

/// A server that ran under load, and all its disk operations.
struct Run {
    ledger: Ledger,
    people: Vec<Person>,
    /// When all users were registered, since 1970.
    begins: Duration,
    steps: Vec<Step>,
    db: PathBuf,
    _directory: tempfile::TempDir,
}

impl Run {
    /// Runs until this many messages are acknowledged.
    async fn record(messages: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let db = directory.path().canonicalize().unwrap().join("kez-chat.db");
        let trace = directory.path().join("trace");
        let server = Binary::start_traced(&db, &FLAGS, trace::CALLS, &trace).await;
        let (ledger, people, stop) = (Ledger::default(), people(&server).await, CancellationToken::new());
        let begins = UNIX_EPOCH.elapsed().unwrap();
        let nodes = [server.endpoint.clone()];
        let senders =
            join_all((0..SENDERS).map(|sender| ledger.send_through(&nodes, &people, sender, &stop)));
        let enough = async {
            ledger.reaches(messages).await;
            stop.cancel();
        };
        tokio::join!(senders, enough);
        server.kill_traced(&trace).await;
        let steps = trace::steps(&std::fs::read_to_string(&trace).unwrap(), &db);
        Self { ledger, people, begins, steps, db, _directory: directory }
    }

    /// Asserts that all steps together produce the existing files, so that the trace is complete.
    fn is_whole(&self) {
        let copy = tempfile::tempdir().unwrap();
        let mut disk = Disk::default();
        self.steps.iter().for_each(|step| disk.perform(step));
        disk.write(&copy.path().join("kez-chat.db"), Unsynced::Kept);
        for file in ["kez-chat.db", "kez-chat.db-wal"] {
            let (left, built) = (self.db.with_file_name(file), copy.path().join(file));
            assert!(std::fs::read(left).unwrap() == std::fs::read(built).unwrap(), "{file} differs");
        }
    }

    /// Messages that were acknowledged when a step began and are lost if it is never performed.
    async fn lost_before(&self, disk: &Disk, step: &Step, unsynced: Unsynced<'_>) -> usize {
        let copy = tempfile::tempdir().unwrap();
        let db = copy.path().join("kez-chat.db");
        disk.write(&db, unsynced);
        is_sound(&db).await;
        let server = Binary::start(&db, &FLAGS).await;
        let found = self.ledger.compare(&server, &self.people, Some(step.at)).await;
        server.kill().await;
        assert!(found.unheard <= SENDERS as i64, "{}", found.unheard);
        found.lost.len()
    }
}

/// Asserts that SQLite's integrity check finds no error.
async fn is_sound(db: &Path) {
    let mut connection = crate::support::second_connection(db).await;
    let found: String =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(found, "ok");
    sqlx::Connection::close(connection).await.unwrap();
}

/// The power fails at this many moments.
#[allow(clippy::print_stdout, reason = "a long run says what it did")]
async fn power_fails(messages: usize, cuts: u64) {
    let run = Run::record(messages).await;
    run.is_whole();
    let under_load = run.steps.iter().position(|step| step.at > run.begins).unwrap();
    let (mut chance, last) = (Chance(Chance::seed()), run.steps.len() - 1);
    let mut cuts: Vec<usize> = (0..cuts)
        .map(|_| under_load + chance.below((last - under_load) as u64) as usize)
        .chain([last])
        .collect();
    cuts.sort_unstable();
    // Before the first checkpoint, the data in the log is nowhere else.
    let checkpoint = |step: &Step| matches!(&step.what, What::Write { file, .. } if file.is_empty());
    let bites = under_load + run.steps[under_load..last].iter().take_while(|step| !checkpoint(step)).count();
    let (mut disk, mut deaf) = (Disk::default(), Disk::default());
    let mut cuts = cuts.into_iter().peekable();
    for (number, step) in run.steps.iter().enumerate() {
        while cuts.next_if_eq(&number).is_some() {
            assert_eq!(run.lost_before(&disk, step, Unsynced::Lost).await, 0, "before step {number}");
            let torn = Unsynced::Torn(&mut chance);
            assert_eq!(run.lost_before(&disk, step, torn).await, 0, "before step {number}, torn");
        }
        if number == under_load {
            deaf.ignore_syncs_of("-wal");
        }
        if number == bites {
            let lost = run.lost_before(&deaf, step, Unsynced::Lost).await;
            println!("{lost} messages would be lost without syncs of the log");
            assert!(lost > 0, "this test could not detect it");
        }
        disk.perform(step);
        deaf.perform(step);
    }
    let syncs = run.steps.iter().filter(|step| matches!(step.what, What::Sync { .. })).count();
    println!("{} messages, {} steps of which {syncs} syncs", run.ledger.count(), run.steps.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_messages_survive_a_power_loss() {
    power_fails(2_000, 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: cargo xtask soak power-loss"]
async fn soak() {
    let rounds = std::env::var("KEZ_SOAK_ROUNDS").map_or(200, |rounds| rounds.parse().unwrap());
    power_fails(20_000, rounds).await;
}
