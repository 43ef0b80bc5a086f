//! Opens the file, with the settings of each use.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// How long a statement waits for another process's lock.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The page size of a new file. A file keeps its page size until it is backed up and restored.
pub(super) const PAGE_BYTES: u32 = 4096;
/// The number of prepared statements cached per connection: more than there are.
const STATEMENTS: usize = 128;
/// The page cache of a connection that reads, in KiB in SQLite's notation. The system caches all of the pages as well.
const READER_CACHE: i64 = -128;
/// The same for the writer, which looks up a hash and the counters of an inbox for each message.
const WRITER_CACHE: i64 = -3072;

/// A connection in WAL mode that writes. It never checkpoints automatically, because that would stall a commit.
pub(super) fn for_writing(file: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open(file)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", WRITER_CACHE)?;
    // The temporary data of a statement, for sorting or undoing, is small, and would otherwise go to a file.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}

/// A connection that only reads.
pub(in crate::store) fn for_reading(file: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "cache_size", READER_CACHE)?;
    Ok(connection)
}
