//! What SQLite says in its own way, for SQL that is otherwise shared.

macro_rules! oldest {
    () => {
        "id IN (SELECT message FROM ( \
            SELECT seq, message FROM message_places WHERE inbox = $1 \
            UNION ALL SELECT seq, id FROM messages \
            WHERE inbox = $1 AND id > (SELECT up_to FROM placed_messages) ORDER BY seq LIMIT $2))"
    };
}

/// A connection, inside the transaction of the caller.
pub(super) type Connection = sqlx::sqlite::SqliteConnection;

/// There is one writer, so nobody else has a turn.
pub(super) const LOG_SIZE_FOR_UPDATE: &str = "SELECT size FROM log_state";

/// The hashes at places in a JSON array, in its order.
pub(super) const HASHES_IN_ORDER: &str =
    "SELECT hash FROM json_each($1) AS wanted JOIN log_nodes ON position = wanted.value ORDER BY wanted.key";

/// Deletes the oldest messages of an inbox, so many at most.
pub(super) const DELETE_OLDEST: &str = concat!("DELETE FROM messages WHERE ", oldest!());

/// The same for those of them that were stored before a time.
pub(super) const DELETE_OLDEST_BEFORE: &str =
    concat!("DELETE FROM messages WHERE created_at < $3 AND ", oldest!());

/// When the oldest message of each inbox was stored. Those that have no place yet are younger than all others.
pub(super) const OLDEST_OF_EACH: &str = "WITH unplaced AS MATERIALIZED ( \
        SELECT inbox, min(id) AS message FROM messages \
        WHERE id > (SELECT up_to FROM placed_messages) GROUP BY inbox) \
    SELECT account, (SELECT created_at FROM messages WHERE id = coalesce( \
        (SELECT message FROM message_places WHERE inbox = account ORDER BY seq LIMIT 1), \
        (SELECT message FROM unplaced WHERE inbox = account))) \
    FROM inboxes WHERE account > $1 ORDER BY account LIMIT $2";
