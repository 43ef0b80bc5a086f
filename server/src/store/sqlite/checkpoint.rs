//! Checkpoints: what the write-ahead log holds is copied into the database file, on a connection of its own, while the
//! writer goes on (<https://www.sqlite.org/wal.html#ckpt>).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A checkpoint is due when so many bytes of packed envelopes were written since the last.
const DUE_BYTES: usize = 4 * 1024 * 1024;
/// A log of so many pages, 20 MiB of them where they are small, keeps the writer out for the moment that it takes to start
/// over. To write over what is there takes two thirds of the time of making a file longer.
const LONG_LOG_PAGES: i64 = 10 * 1024;
/// After so long without a write, the log is emptied and its file made short.
const IDLE: Duration = Duration::from_secs(2);

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
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let written = Arc::new(Written::default());
        tasks.spawn(Task { connection, turn, written: Arc::clone(&written) }.run(stop));
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
    written: Arc<Written>,
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
                (true, 0) => {}
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
        if let Err(error) = self.try_checkpoint(idle).await {
            tracing::warn!(%error, "a checkpoint of the database failed");
        }
    }

    async fn try_checkpoint(&mut self, idle: bool) -> Result<(), sqlx::Error> {
        let log = self.pragma("PRAGMA wal_checkpoint(PASSIVE)").await?;
        if idle {
            let turn = Arc::clone(&self.turn);
            let _turn = turn.lock().await;
            self.pragma("PRAGMA wal_checkpoint(TRUNCATE)").await?;
        } else if log > LONG_LOG_PAGES {
            // What was written during the first one, so that next to nothing is left for the moment in which others wait.
            self.pragma("PRAGMA wal_checkpoint(PASSIVE)").await?;
            let turn = Arc::clone(&self.turn);
            let _turn = turn.lock().await;
            self.pragma("PRAGMA wal_checkpoint(RESTART)").await?;
        }
        Ok(())
    }

    /// Runs a checkpoint and says how many pages the log holds.
    async fn pragma(&mut self, sql: &'static str) -> Result<i64, sqlx::Error> {
        sqlx::query(sql).fetch_one(&mut self.connection).await?.try_get("log")
    }
}
