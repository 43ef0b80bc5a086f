//! What PostgreSQL says in its own way, for SQL that is otherwise shared.

use crate::store::{AccountId, StoreError};

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

/// Deletes those of the oldest messages of an inbox that are acknowledged and were stored before a time.
pub(super) const DELETE_OLDEST_ACKNOWLEDGED: &str = concat!(
    "DELETE FROM messages WHERE created_at < $3 \
        AND seq <= (SELECT acknowledged FROM inboxes WHERE account = $1) AND ",
    oldest!()
);

/// Deletes the oldest requests of a key in an inbox, so many at most.
pub(super) const DELETE_REQUESTS_OF: &str = "DELETE FROM messages WHERE inbox = $1 AND seq IN ( \
    SELECT seq FROM requests WHERE inbox = $1 AND sender = $3 ORDER BY seq LIMIT $2)";

/// Deletes the oldest acknowledged requests of an inbox that were stored before a time, so many at most.
pub(super) const DELETE_OLD_REQUESTS: &str = "DELETE FROM messages WHERE inbox = $1 AND seq IN ( \
    SELECT seq FROM requests WHERE inbox = $1 AND created_at < $3 \
        AND seq <= (SELECT acknowledged FROM inboxes WHERE account = $1) ORDER BY seq LIMIT $2)";

/// The requests of a key are known from now on.
pub(super) const MAKE_KNOWN: &str = "UPDATE messages SET origin = 0 WHERE inbox = $1 AND seq IN ( \
    SELECT seq FROM requests WHERE inbox = $1 AND sender = $2 AND NOT blocked)";

/// Notes how far an inbox is acknowledged.
pub(super) const ACKNOWLEDGE: &str = "UPDATE inboxes SET acknowledged = $2, waiting = waiting \
        - (SELECT count(*) FROM messages WHERE inbox = $1 AND seq > acknowledged AND seq <= $2) \
    WHERE account = $1 AND acknowledged < $2";

/// What an inbox holds.
pub(super) const INBOX_STATUS: &str = "SELECT last_seq, acknowledged, keep_days, inboxes.messages, inboxes.bytes, waiting, \
        coalesce(share.messages, 0), coalesce(share.bytes, 0) \
    FROM inboxes LEFT JOIN request_shares AS share ON share.inbox = account AND share.part = '' \
    WHERE account = $1";

/// Locks the counter of an inbox until the transaction ends: before anything else of the inbox is touched, as the writers of
/// messages do, so that no two wait for each other.
pub(super) async fn settle(connection: &mut Connection, inbox: AccountId) -> Result<(), StoreError> {
    const LOCK: &str = "SELECT account FROM inboxes WHERE account = $1 FOR NO KEY UPDATE";
    sqlx::query(LOCK).bind(inbox.0).execute(connection).await?;
    Ok(())
}
