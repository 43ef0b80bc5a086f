//! Checkpoints: copy the write-ahead log into the database file, on a thread and a connection of their own, while the
//! writer goes on (<https://www.sqlite.org/wal.html#ckpt>).
//!
//! The log starts over when no reader uses it any more. A backup reads for a long time, and writers do not wait for
//! that: the checkpoint is tried again later.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::watch;

use super::open;
use super::reserve::Reserve;
use crate::store::{OpenError, StoreError};

/// A checkpoint is due when the log has grown by this many pages (16 MiB) since the last one. Each checkpoint writes the
/// pages of the indexes once, however often they are in the log.
const DUE_PAGES: i64 = 4 * 1024;
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

/// Copies nothing, and tells the state of the log.
const STATE: &str = "PRAGMA wal_checkpoint(NOOP)";
/// Copies what is possible without waiting.
const PASSIVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";
/// Copies the whole log, and lets the next writer start it over.
const RESTART: &str = "PRAGMA wal_checkpoint(RESTART)";
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
    let mut checkpoint = connection.prepare_cached(sql)?;
    Ok(checkpoint.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?)
}

/// Tells the thread about writes. Dropping this ends the thread.
pub(super) struct Checkpoints {
    due: SyncSender<()>,
    /// The number of pages in the log when a checkpoint was due last.
    last: i64,
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
        let (due, dues) = sync_channel(1);
        let task = Task { connection, turn, reserve, seen: 0, again: None };
        let run = move || {
            task.run(&dues);
            drop(end);
        };
        let spawned = thread::Builder::new().name("checkpoints".to_owned()).spawn(run);
        spawned.map_err(|source| OpenError::File { path: file.to_owned(), source })?;
        Ok(Self { due, last: 0 })
    }

    /// A transaction was committed on this connection.
    pub(super) fn committed(&mut self, connection: &Connection) {
        // If the log cannot be read now, the next commit tells how far it has grown.
        let Ok((_, log, _)) = pragma(connection, STATE) else { return };
        if log < self.last {
            // It has started over.
            self.last = 0;
        }
        if log - self.last >= DUE_PAGES {
            self.last = log;
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
    /// The number of pages in the log when it was looked at last.
    seen: i64,
    /// The time to empty the log again even if nothing was written since the last checkpoint.
    again: Option<Instant>,
}

impl Task {
    fn run(mut self, due: &Receiver<()>) {
        loop {
            match due.recv_timeout(IDLE) {
                Ok(()) => self.checkpoint(false),
                Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        // The last connection to close empties the log.
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(%error, "a database connection did not close cleanly");
        }
    }

    /// Empties the log if nothing was written for a while; otherwise, a checkpoint may be due after the writes of
    /// another process.
    fn look(&mut self) {
        let Ok((_, log, copied)) = pragma(&self.connection, STATE) else { return };
        if log != std::mem::replace(&mut self.seen, log) {
            self.again = None;
            if log - copied >= DUE_PAGES {
                self.checkpoint(false);
            }
        } else if log > 0 && self.again.is_none_or(|at| at <= Instant::now()) {
            self.checkpoint(true);
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
        let (_, log, _) = pragma(&self.connection, PASSIVE)?;
        if idle {
            return self.start_over(EMPTY);
        }
        if log > LONG_LOG_PAGES {
            // Copies what was written during the first pass, so that next to nothing is left for the moment in which
            // others wait.
            pragma(&self.connection, PASSIVE)?;
            self.start_over(RESTART)?;
        }
        Ok(false)
    }

    /// Starts the log over while the writer waits, unless a reader holds back many pages. Returns whether that was done.
    fn start_over(&self, sql: &str) -> Result<bool, StoreError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, log, copied) = pragma(&self.connection, PASSIVE)?;
        if log - copied > FEW_PAGES {
            return Ok(false);
        }
        let (is_blocked, ..) = pragma(&self.connection, sql)?;
        // The checkpoint may have made room.
        self.reserve.fill();
        Ok(!is_blocked)
    }

    /// The database file has no room for the content of the log. The log takes at least as much space, and returns it.
    fn checkpoint_on_a_full_disk(&self) -> Result<bool, StoreError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let _room = self.reserve.lend();
        let (is_blocked, ..) = pragma(&self.connection, EMPTY)?;
        Ok(!is_blocked)
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
                seen: 0,
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
