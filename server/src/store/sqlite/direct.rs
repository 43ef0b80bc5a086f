//! Connections that the message path uses on its own threads, without a thread switch per statement: a switch costs
//! more than most statements do.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{BUSY_TIMEOUT, failure};
use crate::store::{OpenError, StoreError};

/// The number of prepared statements cached per connection: more than the message path uses.
const STATEMENTS: usize = 32;

/// The page cache of a connection in KiB, in SQLite's notation. The system caches all of the pages as well.
pub(super) const CACHE: i64 = -128;
/// The same for the connection of the message path: it rewrites the ends of its tables constantly, and each message
/// looks up its hash in an index that takes some 2 MiB for 100,000 messages.
const MESSAGE_CACHE: i64 = -3072;

/// A connection that may write to a file in WAL mode. It never checkpoints automatically, because that would stall a
/// commit.
pub(super) fn for_writing(file: &Path) -> Result<Connection, OpenError> {
    let connection = open(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "cache_size", MESSAGE_CACHE)?;
    // The temporary data of a statement, for sorting or undoing, is small, and would otherwise go to a file.
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
