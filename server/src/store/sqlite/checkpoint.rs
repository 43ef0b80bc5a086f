//! Checkpoints: copy the write-ahead log into the database file, on a separate connection, while the writer goes on
//! (<https://www.sqlite.org/wal.html#ckpt>).
//!
//! The log starts over when no reader uses it any more. A backup reads for a long time, and writers do not wait for
//! that: the checkpoint is tried again later.

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

/// A checkpoint is due when this many bytes of packed envelopes have been written since the last one.
const DUE_BYTES: usize = 4 * 1024 * 1024;
/// A log of this many pages (20 MiB of small ones) keeps the writer out for the moment that it takes to start over.
/// Overwriting the existing file takes two thirds of the time of extending it.
const LONG_LOG_PAGES: i64 = 10 * 1024;
/// After this long without a write, the log is emptied and its file truncated.
const IDLE: Duration = Duration::from_secs(2);

/// How long writers wait, at most, for a reader of the log: in milliseconds. Most reads take less.
const PATIENCE: &str = "PRAGMA busy_timeout = 50";
/// A reader that keeps more than this many pages of the log from being copied reads for longer than that.
const FEW_PAGES: i64 = 512;
/// When a reader kept the log from being emptied, the next attempt comes after this time: litestream reads permanently.
const AGAIN: Duration = Duration::from_secs(30);

/// SQLite's result of a checkpoint: whether another connection blocked it, the number of pages in the log, and how many
/// of them are in the file now.
type Outcome = (i64, i64, i64);

/// Copies the whole log into the database file, and truncates the file of the log.
const EMPTY: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// A connection for checkpoints.
pub(super) async fn connect(file: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let mut connection = super::connect(file).await?;
    sqlx::query(PATIENCE).execute(&mut connection).await?;
    Ok(connection)
}

/// Empties the log and truncates its file, unless a connection reads from it. A failure loses nothing: the log holds
/// all the data.
pub(super) async fn empty(connection: &mut SqliteConnection) {
    if let Err(error) = sqlx::query(EMPTY).execute(connection).await {
        tracing::warn!(%error, "a checkpoint of the database failed");
    }
}

/// Tells the checkpointing task about writes.
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

    /// Records a committed transaction with this many bytes of packed envelopes.
    pub(super) fn written(&self, bytes: usize) {
        // Every commit writes at least one page.
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
    /// The time to empty the log again even if nothing was written since the last checkpoint.
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
        // The last connection to close empties the log. Two that close at once each see the other, and neither does.
        super::close(self.connection).await;
    }

    /// A failed checkpoint loses nothing: the log holds all the data, and the next one tries again.
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

    /// Returns whether the log is empty now.
    async fn try_checkpoint(&mut self, idle: bool) -> Result<bool, sqlx::Error> {
        let (_, mut log, mut checkpointed) = self.pragma("PRAGMA wal_checkpoint(PASSIVE)").await?;
        if !idle && log > LONG_LOG_PAGES {
            // Copies what was written during the first pass, so that next to nothing is left for the moment in which
            // others wait.
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

    /// The database file has no room for the content of the log. The log takes at least as much space, and returns it.
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
        // The checkpoint may have made room.
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

    /// A writer, a reader, and a checkpointing connection.
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

        /// Runs a checkpoint, and returns whether to try again even if nothing is written.
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
        // The reader is at the end of the log, and behind everything written later.
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
