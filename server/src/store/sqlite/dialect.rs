//! What SQLite says in its own way, for SQL that is otherwise shared.

/// A connection, inside the transaction of the caller.
pub(super) type Connection = sqlx::sqlite::SqliteConnection;

/// There is one writer, so nobody else has a turn.
pub(super) const LOG_SIZE_FOR_UPDATE: &str = "SELECT size FROM log_state";

/// The hashes at places in a JSON array, in its order.
pub(super) const HASHES_IN_ORDER: &str =
    "SELECT hash FROM json_each($1) AS wanted JOIN log_nodes ON position = wanted.value ORDER BY wanted.key";
