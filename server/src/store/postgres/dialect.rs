//! What PostgreSQL says in its own way, for SQL that is otherwise shared.

macro_rules! oldest {
    () => {
        "inbox = $1 AND seq IN (SELECT seq FROM messages WHERE inbox = $1 ORDER BY seq LIMIT $2)"
    };
}

/// A connection, inside the transaction of the caller.
pub(super) type Connection = sqlx::postgres::PgConnection;

/// The row's lock gives one writer of all nodes its turn until its transaction ends.
pub(super) const LOG_SIZE_FOR_UPDATE: &str = "SELECT size FROM log_state FOR UPDATE";

/// The hashes at places in a JSON array, in its order.
pub(super) const HASHES_IN_ORDER: &str = "SELECT hash \
    FROM json_array_elements_text($1::json) WITH ORDINALITY AS wanted (node, place) \
    JOIN log_nodes ON position = wanted.node::bigint ORDER BY place";

/// Deletes the oldest messages of an inbox, so many at most.
pub(super) const DELETE_OLDEST: &str = concat!("DELETE FROM messages WHERE ", oldest!());

/// The same for those of them that were stored before a time.
pub(super) const DELETE_OLDEST_BEFORE: &str =
    concat!("DELETE FROM messages WHERE created_at < $3 AND ", oldest!());

/// When the oldest message of each inbox was stored.
pub(super) const OLDEST_OF_EACH: &str = "SELECT account, \
    (SELECT created_at FROM messages WHERE inbox = account ORDER BY seq LIMIT 1) \
    FROM inboxes WHERE account > $1 ORDER BY account LIMIT $2";
