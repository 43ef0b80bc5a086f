//! Connections that the message path uses on its own threads, without a trip to another one for each statement: a trip
//! costs more than most statements do.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{BUSY_TIMEOUT, failure};
use crate::store::{OpenError, StoreError};

/// How many prepared statements a connection keeps: more than the message path has.
const STATEMENTS: usize = 32;

/// KiB of pages that a connection keeps for itself, as SQLite writes it. The system keeps them all once more.
pub(super) const CACHE: i64 = -128;
/// The same for that of the message path: the ends of its tables are written again and again, and each message looks for its
/// hash in an index that takes some 2 MiB for 100,000 messages.
const MESSAGE_CACHE: i64 = -3072;

/// A connection that may write to a file that is in WAL mode. It never checkpoints by itself: that would stall a commit.
pub(super) fn for_writing(file: &Path) -> Result<Connection, OpenError> {
    let connection = open(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "cache_size", MESSAGE_CACHE)?;
    // What a statement keeps in order to sort or to undo is small, and would go to a file.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn for_reading(file: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = open(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.pragma_update(None, "cache_size", CACHE)?;
    Ok(connection)
}

fn open(file: &Path, flags: OpenFlags) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let meaning = error.sqlite_error().and_then(|error| failure::meaning(error.extended_code));
        meaning.unwrap_or_else(|| Self::Database(error.to_string().into()))
    }
}
