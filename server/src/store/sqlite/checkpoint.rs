//! Checkpoints: what the write-ahead log holds is copied into the database file, on a connection of its own, while the
//! writer goes on (<https://www.sqlite.org/wal.html#ckpt>).
//!
//! The log starts over when nobody reads from it any more. A backup reads for as long as it takes, and nobody who writes
//! waits for that: it is tried again later.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::sqlite::SqliteConnection;
use tokio::sync::{Mutex, Notify};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::reserve::Reserve;
use crate::store::StoreError;

/// A checkpoint is due when so many bytes of packed envelopes were written since the last.
const DUE_BYTES: usize = 4 * 1024 * 1024;
/// A log of so many pages, 20 MiB of them where they are small, keeps the writer out for the moment that it takes to start
/// over. To write over what is there takes two thirds of the time of making a file longer.
const LONG_LOG_PAGES: i64 = 10 * 1024;
/// After so long without a write, the log is emptied and its file made short.
const IDLE: Duration = Duration::from_secs(2);

/// How long those who write wait, at most, for somebody who reads from the log: in milliseconds. Most read for less.
const PATIENCE: &str = "PRAGMA busy_timeout = 50";
/// Whoever keeps more pages of the log than so many from being copied reads for longer than that.
const FEW_PAGES: i64 = 512;
/// When somebody was in the way of emptying the log, it is tried again so much later: litestream never leaves it.
const AGAIN: Duration = Duration::from_secs(30);

/// What SQLite says of a checkpoint: whether somebody was in its way, how many pages the log holds, and how many of them
/// are in the file now.
type Outcome = (i64, i64, i64);

/// Copies all of the log into the database file, and makes the file of the log short.
const EMPTY: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// A connection that checkpoints.
pub(super) async fn connect(file: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let mut connection = super::connect(file).await?;
    sqlx::query(PATIENCE).execute(&mut connection).await?;
    Ok(connection)
}

/// Empties the log and makes its file short, as far as nobody reads from it. What fails is no loss: the log holds
/// everything.
pub(super) async fn empty(connection: &mut SqliteConnection) {
    if let Err(error) = sqlx::query(EMPTY).execute(connection).await {
        tracing::warn!(%error, "a checkpoint of the database failed");
    }
}

/// Tells the checkpointing task what was written.
#[derive(Clone)]
pub(super) struct Checkpoints(Arc<Written>);

#[derive(Default)]
struct Written {
    bytes: AtomicUsize,
    due: Notify,
}

impl Checkpoints {
    /// `stop` is cancelled when the writer has closed its connection.
    pub(super) fn start(
        connection: SqliteConnection,
        turn: Arc<Mutex<()>>,
        reserve: Reserve,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let written = Arc::new(Written::default());
        let task = Task { connection, turn, reserve, written: Arc::clone(&written), again: None };
        tasks.spawn(task.run(stop));
        Self(written)
    }

    /// A transaction with so many bytes of packed envelopes was committed.
    pub(super) fn written(&self, bytes: usize) {
        // Every commit writes a page at least.
        let bytes = bytes.max(4096);
        let before = self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before < DUE_BYTES && before + bytes >= DUE_BYTES {
            self.0.due.notify_one();
        }
    }
}

struct Task {
    connection: SqliteConnection,
    turn: Arc<Mutex<()>>,
    reserve: Reserve,
    written: Arc<Written>,
    /// When the log is to be emptied although nothing was written since the last checkpoint.
    again: Option<Instant>,
}

impl Task {
    async fn run(mut self, stop: CancellationToken) {
        let mut seen = 0;
        loop {
            let idle = tokio::select! {
                () = self.written.due.notified() => false,
                () = tokio::time::sleep(IDLE) => true,
                () = stop.cancelled() => break,
            };
            let written = self.written.bytes.load(Ordering::Relaxed);
            match (idle, written) {
                (true, 0) if self.again.is_none_or(|at| Instant::now() < at) => {}
                (true, _) if written != seen => seen = written,
                _ => {
                    self.written.bytes.fetch_sub(written, Ordering::Relaxed);
                    seen = 0;
                    self.checkpoint(idle).await;
                }
            }
        }
        // Who closes last empties the log. Two that close at once each see the other, and neither does.
        super::close(self.connection).await;
    }

    /// A checkpoint that fails is no loss: the log holds everything, and the next one tries again.
    async fn checkpoint(&mut self, idle: bool) {
        let mut checkpoint = self.try_checkpoint(idle).await;
        if checkpoint.as_ref().is_err_and(|error| matches!(StoreError::of(error), StoreError::Full)) {
            checkpoint = self.checkpoint_on_a_full_disk().await;
        }
        self.again = match checkpoint {
            Ok(is_empty) => (!is_empty).then(|| Instant::now() + if idle { AGAIN } else { IDLE }),
            Err(error) => {
                tracing::warn!(%error, "a checkpoint of the database failed");
                None
            }
        };
    }

    /// Says whether the log is empty now.
    async fn try_checkpoint(&mut self, idle: bool) -> Result<bool, sqlx::Error> {
        let (_, mut log, mut checkpointed) = self.pragma("PRAGMA wal_checkpoint(PASSIVE)").await?;
        if !idle && log > LONG_LOG_PAGES {
            // What was written during the first one, so that next to nothing is left for the moment in which others wait.
            (_, log, checkpointed) = self.pragma("PRAGMA wal_checkpoint(PASSIVE)").await?;
        }
        if log - checkpointed > FEW_PAGES {
            return Ok(false);
        }
        if idle {
            let (busy, ..) = self.keeping_others_out(EMPTY).await?;
            return Ok(busy == 0);
        }
        if log > LONG_LOG_PAGES {
            self.keeping_others_out("PRAGMA wal_checkpoint(RESTART)").await?;
        }
        Ok(false)
    }

    /// The database file has no room for what the log holds. The log takes at least as much, and gives it back.
    async fn checkpoint_on_a_full_disk(&mut self) -> Result<bool, sqlx::Error> {
        let turn = Arc::clone(&self.turn);
        let _turn = turn.lock().await;
        let _room = self.reserve.lend();
        let (busy, ..) = self.pragma(EMPTY).await?;
        Ok(busy == 0)
    }

    async fn keeping_others_out(&mut self, sql: &'static str) -> Result<Outcome, sqlx::Error> {
        let turn = Arc::clone(&self.turn);
        let _turn = turn.lock().await;
        let outcome = self.pragma(sql).await?;
        // It may have made room.
        self.reserve.fill();
        Ok(outcome)
    }

    async fn pragma(&mut self, sql: &'static str) -> Result<Outcome, sqlx::Error> {
        sqlx::query_as(sql).fetch_one(&mut self.connection).await
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Executor;
    use tempfile::TempDir;

    use super::*;

    /// One who writes, one who reads, and one who checkpoints.
    struct Three {
        _directory: TempDir,
        log: std::path::PathBuf,
        writer: SqliteConnection,
        reader: SqliteConnection,
        task: Task,
    }

    impl Three {
        async fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("kez-chat.db");
            let mut writer = super::super::connect(&file).await.unwrap();
            writer.execute("CREATE TABLE kept (bytes BLOB)").await.unwrap();
            let task = Task {
                connection: connect(&file).await.unwrap(),
                turn: Arc::default(),
                reserve: Reserve::of(&file),
                written: Arc::default(),
                again: None,
            };
            let reader = super::super::connect(&file).await.unwrap();
            let log = directory.path().join("kez-chat.db-wal");
            Self { _directory: directory, log, writer, reader, task }
        }

        async fn write(&mut self, mebibytes: usize) {
            for _ in 0..mebibytes {
                self.writer.execute("INSERT INTO kept VALUES (zeroblob(1024 * 1024))").await.unwrap();
            }
        }

        async fn start_reading(&mut self) {
            self.reader.execute("BEGIN").await.unwrap();
            self.reader.execute("SELECT count(*) FROM kept").await.unwrap();
        }

        /// Checkpoints, and says whether it is to be tried again though nothing is written.
        async fn checkpoint(&mut self, idle: bool) -> bool {
            let start = Instant::now();
            self.task.checkpoint(idle).await;
            assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
            self.task.again.is_some()
        }

        fn log_bytes(&self) -> u64 {
            std::fs::metadata(&self.log).unwrap().len()
        }
    }

    #[tokio::test]
    async fn who_reads_for_long_puts_off_that_the_log_is_emptied() {
        let mut three = Three::new().await;
        three.write(1).await;
        // At the end of the log, and behind what comes then.
        three.start_reading().await;
        assert!(three.checkpoint(true).await);
        three.write(4).await;
        assert!(three.checkpoint(true).await);
        assert!(three.log_bytes() > 5 * 1024 * 1024);
        three.reader.execute("COMMIT").await.unwrap();
        assert!(!three.checkpoint(true).await);
        assert_eq!(three.log_bytes(), 0);
    }

    #[tokio::test]
    async fn who_reads_for_long_puts_off_that_a_long_log_starts_over() {
        let mut three = Three::new().await;
        three.start_reading().await;
        three.write(22).await;
        assert!(three.checkpoint(false).await);
        let long = three.log_bytes();
        three.reader.execute("COMMIT").await.unwrap();
        assert!(three.checkpoint(false).await, "what is left is for a quiet moment");
        three.write(1).await;
        assert_eq!(three.log_bytes(), long, "written over");
        assert!(!three.checkpoint(true).await);
        assert_eq!(three.log_bytes(), 0);
    }
}
