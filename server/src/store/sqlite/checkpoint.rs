//! Checkpoints: copy the write-ahead log into the database file, on a thread and a connection of their own, while the
//! writer goes on (<https://www.sqlite.org/wal.html#ckpt>).
//!
//! The log starts over when no reader uses it any more. A backup reads for a long time, and writers do not wait for
//! that: the checkpoint is tried again later.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::watch;

use super::open;
use super::reserve::Reserve;
use crate::store::{OpenError, StoreError};

/// A checkpoint is due when this many bytes of envelopes have been written since the last one.
const DUE_BYTES: usize = 4 * 1024 * 1024;
/// A log of this many pages (20 MiB) keeps the writer out for the moment that it takes to start over. Overwriting the
/// existing file takes two thirds of the time of extending it.
const LONG_LOG_PAGES: i64 = 5 * 1024;
/// After this long without a write, the log is emptied and its file truncated.
const IDLE: Duration = Duration::from_secs(2);
/// How long writers wait, at most, for a reader of the log. Most reads take less.
pub(super) const PATIENCE: Duration = Duration::from_millis(50);
/// If a reader holds back more pages than this, waiting for [`PATIENCE`] would not help.
const FEW_PAGES: i64 = 256;
/// When a reader kept the log from being emptied, the next attempt comes after this time: litestream reads permanently.
const AGAIN: Duration = Duration::from_secs(30);

/// SQLite's result of a checkpoint: whether another connection blocked it, the number of pages in the log, and how many
/// of them are in the file now.
type Outcome = (bool, i64, i64);

/// Copies the whole log into the database file, and truncates the file of the log.
const EMPTY: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// Empties the log and truncates its file, unless a connection reads from it. A failure loses nothing: the log holds
/// all the data.
pub(super) fn empty(connection: &Connection) {
    if let Err(error) = pragma(connection, EMPTY) {
        tracing::warn!(%error, "a checkpoint of the database failed");
    }
}

fn pragma(connection: &Connection, sql: &str) -> Result<Outcome, StoreError> {
    Ok(connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?)
}

/// Tells the thread about writes. Dropping this ends the thread.
pub(super) struct Checkpoints {
    written: Arc<AtomicUsize>,
    due: SyncSender<()>,
}

impl Checkpoints {
    /// Starts the thread. `turn` is held by the writer during a transaction; `end` is dropped when the thread ends.
    pub(super) fn start(
        file: &Path,
        turn: Arc<Mutex<()>>,
        reserve: Reserve,
        end: watch::Sender<()>,
    ) -> Result<Self, OpenError> {
        let connection = connect(file)?;
        let written = Arc::new(AtomicUsize::new(0));
        let (due, dues) = sync_channel(1);
        let task = Task { connection, turn, reserve, written: Arc::clone(&written), again: None };
        let run = move || {
            task.run(&dues);
            drop(end);
        };
        let spawned = thread::Builder::new().name("checkpoints".to_owned()).spawn(run);
        spawned.map_err(|source| OpenError::File { path: file.to_owned(), source })?;
        Ok(Self { written, due })
    }

    /// Records a committed transaction with this many bytes of envelopes.
    pub(super) fn written(&self, bytes: usize) {
        // Every commit writes at least one page.
        let bytes = bytes.max(4096);
        let before = self.written.fetch_add(bytes, Ordering::Relaxed);
        if before < DUE_BYTES && before + bytes >= DUE_BYTES {
            // When the channel is full, a checkpoint is due already.
            let _ = self.due.try_send(());
        }
    }
}

fn connect(file: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = open::for_writing(file)?;
    connection.busy_timeout(PATIENCE)?;
    Ok(connection)
}

struct Task {
    connection: Connection,
    turn: Arc<Mutex<()>>,
    reserve: Reserve,
    written: Arc<AtomicUsize>,
    /// The time to empty the log again even if nothing was written since the last checkpoint.
    again: Option<Instant>,
}

impl Task {
    fn run(mut self, due: &Receiver<()>) {
        let mut seen = 0;
        loop {
            let idle = match due.recv_timeout(IDLE) {
                Ok(()) => false,
                Err(RecvTimeoutError::Timeout) => true,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let written = self.written.load(Ordering::Relaxed);
            match (idle, written) {
                (true, 0) if self.again.is_none_or(|at| Instant::now() < at) => {}
                (true, _) if written != seen => seen = written,
                _ => {
                    self.written.fetch_sub(written, Ordering::Relaxed);
                    seen = 0;
                    self.checkpoint(idle);
                }
            }
        }
        // The last connection to close empties the log.
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(%error, "a database connection did not close cleanly");
        }
    }

    /// A failed checkpoint loses nothing: the log holds all the data, and the next one tries again.
    fn checkpoint(&mut self, idle: bool) {
        let mut checkpoint = self.try_checkpoint(idle);
        if matches!(checkpoint, Err(StoreError::Full)) {
            checkpoint = self.checkpoint_on_a_full_disk();
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
    fn try_checkpoint(&self, idle: bool) -> Result<bool, StoreError> {
        const PASSIVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";
        let (_, mut log, mut checkpointed) = pragma(&self.connection, PASSIVE)?;
        if !idle && log > LONG_LOG_PAGES {
            // Copies what was written during the first pass, so that next to nothing is left for the moment in which
            // others wait.
            (_, log, checkpointed) = pragma(&self.connection, PASSIVE)?;
        }
        if log - checkpointed > FEW_PAGES {
            return Ok(false);
        }
        if idle {
            let (is_blocked, ..) = self.keeping_others_out(EMPTY)?;
            return Ok(!is_blocked);
        }
        if log > LONG_LOG_PAGES {
            self.keeping_others_out("PRAGMA wal_checkpoint(RESTART)")?;
        }
        Ok(false)
    }

    /// The database file has no room for the content of the log. The log takes at least as much space, and returns it.
    fn checkpoint_on_a_full_disk(&self) -> Result<bool, StoreError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let _room = self.reserve.lend();
        let (is_blocked, ..) = pragma(&self.connection, EMPTY)?;
        Ok(!is_blocked)
    }

    fn keeping_others_out(&self, sql: &str) -> Result<Outcome, StoreError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = pragma(&self.connection, sql)?;
        // The checkpoint may have made room.
        self.reserve.fill();
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A writer, a reader, and a checkpointing connection.
    struct Three {
        _directory: TempDir,
        log: std::path::PathBuf,
        writer: Connection,
        reader: Connection,
        task: Task,
    }

    impl Three {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("kez-chat.db");
            let writer = open::for_writing(&file).unwrap();
            writer.execute_batch("CREATE TABLE kept (bytes BLOB)").unwrap();
            let task = Task {
                connection: connect(&file).unwrap(),
                turn: Arc::default(),
                reserve: Reserve::of(&file),
                written: Arc::default(),
                again: None,
            };
            let reader = open::for_writing(&file).unwrap();
            let log = directory.path().join("kez-chat.db-wal");
            Self { _directory: directory, log, writer, reader, task }
        }

        fn write(&self, mebibytes: usize) {
            for _ in 0..mebibytes {
                self.writer.execute("INSERT INTO kept VALUES (zeroblob(1024 * 1024))", []).unwrap();
            }
        }

        fn start_reading(&self) {
            self.reader.execute_batch("BEGIN").unwrap();
            self.reader.query_row("SELECT count(*) FROM kept", [], |_| Ok(())).unwrap();
        }

        /// Runs a checkpoint, and returns whether to try again even if nothing is written.
        fn checkpoint(&mut self, idle: bool) -> bool {
            let start = Instant::now();
            self.task.checkpoint(idle);
            assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
            self.task.again.is_some()
        }

        fn log_bytes(&self) -> u64 {
            std::fs::metadata(&self.log).unwrap().len()
        }
    }

    #[test]
    fn a_long_reader_delays_emptying_the_log() {
        let mut three = Three::new();
        three.write(1);
        // The reader is at the end of the log, and behind everything written later.
        three.start_reading();
        assert!(three.checkpoint(true));
        three.write(4);
        assert!(three.checkpoint(true));
        assert!(three.log_bytes() > 5 * 1024 * 1024);
        three.reader.execute_batch("COMMIT").unwrap();
        assert!(!three.checkpoint(true));
        assert_eq!(three.log_bytes(), 0);
    }

    #[test]
    fn a_long_reader_delays_starting_a_long_log_over() {
        let mut three = Three::new();
        three.start_reading();
        three.write(22);
        assert!(three.checkpoint(false));
        let long = three.log_bytes();
        three.reader.execute_batch("COMMIT").unwrap();
        assert!(three.checkpoint(false), "the rest is for a quiet moment");
        three.write(1);
        assert_eq!(three.log_bytes(), long, "overwritten");
        assert!(!three.checkpoint(true));
        assert_eq!(three.log_bytes(), 0);
    }
}
