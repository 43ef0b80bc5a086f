//! PostgreSQL's dialect, for SQL that is otherwise shared.

use crate::store::{AccountId, StoreError};

macro_rules! oldest {
    () => {
        "inbox = $1 AND seq IN (SELECT seq FROM messages WHERE inbox = $1 ORDER BY seq LIMIT $2)"
    };
}

/// A connection, inside the caller's transaction.
pub(super) type Connection = sqlx::postgres::PgConnection;

/// The row lock serialises the writers of all nodes until the transaction ends.
pub(super) const LOG_SIZE_FOR_UPDATE: &str = "SELECT size FROM log_state FOR UPDATE";

/// The hashes at the positions in a JSON array, in its order.
pub(super) const HASHES_IN_ORDER: &str = "SELECT hash \
    FROM json_array_elements_text($1::json) WITH ORDINALITY AS wanted (node, place) \
    JOIN log_nodes ON position = wanted.node::bigint ORDER BY place";

/// Deletes the oldest messages of an inbox, up to a limit.
pub(super) const DELETE_OLDEST: &str = concat!("DELETE FROM messages WHERE ", oldest!());

/// Of those, deletes the ones that were stored before a time.
pub(super) const DELETE_OLDEST_BEFORE: &str =
    concat!("DELETE FROM messages WHERE created_at < $3 AND ", oldest!());

/// When the oldest message of each inbox was stored.
pub(super) const OLDEST_OF_EACH: &str = "SELECT account, \
    (SELECT created_at FROM messages WHERE inbox = account ORDER BY seq LIMIT 1) \
    FROM inboxes WHERE account > $1 ORDER BY account LIMIT $2";

/// Of the oldest messages of an inbox, deletes the ones that are acknowledged and were stored before a time.
pub(super) const DELETE_OLDEST_ACKNOWLEDGED: &str = concat!(
    "DELETE FROM messages WHERE created_at < $3 \
        AND seq <= (SELECT acknowledged FROM inboxes WHERE account = $1) AND ",
    oldest!()
);

/// Deletes the oldest requests of a key in an inbox, up to a limit.
pub(super) const DELETE_REQUESTS_OF: &str = "DELETE FROM messages WHERE inbox = $1 AND seq IN ( \
    SELECT seq FROM requests WHERE inbox = $1 AND sender = $3 ORDER BY seq LIMIT $2)";

/// Deletes the oldest acknowledged requests of an inbox that were stored before a time, up to a limit.
pub(super) const DELETE_OLD_REQUESTS: &str = "DELETE FROM messages WHERE inbox = $1 AND seq IN ( \
    SELECT seq FROM requests WHERE inbox = $1 AND created_at < $3 \
        AND seq <= (SELECT acknowledged FROM inboxes WHERE account = $1) ORDER BY seq LIMIT $2)";

/// Turns the requests of a key into known messages.
pub(super) const MAKE_KNOWN: &str = "UPDATE messages SET origin = 0 WHERE inbox = $1 AND seq IN ( \
    SELECT seq FROM requests WHERE inbox = $1 AND sender = $2 AND NOT blocked)";

/// Records the acknowledged number of an inbox.
pub(super) const ACKNOWLEDGE: &str = "UPDATE inboxes SET acknowledged = $2, waiting = waiting \
        - (SELECT count(*) FROM messages WHERE inbox = $1 AND seq > acknowledged AND seq <= $2) \
    WHERE account = $1 AND acknowledged < $2";

/// What an inbox holds.
pub(super) const INBOX_STATUS: &str = "SELECT last_seq, acknowledged, keep_days, inboxes.messages, inboxes.bytes, waiting, \
        coalesce(share.messages, 0), coalesce(share.bytes, 0) \
    FROM inboxes LEFT JOIN request_shares AS share ON share.inbox = account AND share.part = '' \
    WHERE account = $1";

/// Locks the counter of an inbox until the transaction ends. This comes before all other access to the inbox, as in the
/// message writers, so that no deadlock can occur.
pub(super) async fn settle(connection: &mut Connection, inbox: AccountId) -> Result<(), StoreError> {
    const LOCK: &str = "SELECT account FROM inboxes WHERE account = $1 FOR NO KEY UPDATE";
    sqlx::query(LOCK).bind(inbox.0).execute(connection).await?;
    Ok(())
}
