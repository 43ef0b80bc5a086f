//! SQLite's dialect, for SQL that is otherwise shared.

use super::unplaced::SETTLE;
use crate::store::{AccountId, StoreError};

macro_rules! oldest {
    () => {
        "id IN (SELECT message FROM ( \
            SELECT seq, message FROM message_places WHERE inbox = $1 \
            UNION ALL SELECT seq, message FROM requests WHERE inbox = $1 AND blocked \
            UNION ALL SELECT seq, id FROM messages \
            WHERE inbox = $1 AND id > (SELECT up_to FROM placed_messages) ORDER BY seq LIMIT $2))"
    };
}

/// A connection, inside the caller's transaction.
pub(super) type Connection = sqlx::sqlite::SqliteConnection;

/// There is only one writer, so no lock is needed.
pub(super) const LOG_SIZE_FOR_UPDATE: &str = "SELECT size FROM log_state";

/// The hashes at the positions in a JSON array, in its order.
pub(super) const HASHES_IN_ORDER: &str =
    "SELECT hash FROM json_each($1) AS wanted JOIN log_nodes ON position = wanted.value ORDER BY wanted.key";

/// Deletes the oldest messages of an inbox, up to a limit.
pub(super) const DELETE_OLDEST: &str = concat!("DELETE FROM messages WHERE ", oldest!());

/// Of those, deletes the ones that were stored before a time.
pub(super) const DELETE_OLDEST_BEFORE: &str =
    concat!("DELETE FROM messages WHERE created_at < $3 AND ", oldest!());

/// Of those, deletes the ones that are acknowledged and were stored before a time.
pub(super) const DELETE_OLDEST_ACKNOWLEDGED: &str = concat!(
    "DELETE FROM messages WHERE created_at < $3 \
        AND seq <= (SELECT acknowledged FROM inboxes WHERE account = $1) AND ",
    oldest!()
);

/// Deletes the oldest requests of a key in an inbox, up to a limit.
pub(super) const DELETE_REQUESTS_OF: &str = "DELETE FROM messages WHERE id IN ( \
    SELECT message FROM requests WHERE inbox = $1 AND sender = $3 ORDER BY seq LIMIT $2)";

/// Deletes the oldest acknowledged requests of an inbox that were stored before a time, up to a limit.
pub(super) const DELETE_OLD_REQUESTS: &str = "DELETE FROM messages WHERE id IN ( \
    SELECT message FROM requests WHERE inbox = $1 AND created_at < $3 \
        AND seq <= (SELECT acknowledged FROM inboxes WHERE account = $1) ORDER BY seq LIMIT $2)";

/// Turns the requests of a key into known messages.
pub(super) const MAKE_KNOWN: &str = "UPDATE messages SET origin = 0, sender = NULL, network = NULL WHERE id IN ( \
    SELECT message FROM requests WHERE inbox = $1 AND sender = $2 AND NOT blocked)";

/// Records the acknowledged number of an inbox. Unplaced messages were settled before.
pub(super) const ACKNOWLEDGE: &str = "UPDATE inboxes SET acknowledged = $2, waiting = waiting \
        - (SELECT count(*) FROM message_places WHERE inbox = $1 AND seq > acknowledged AND seq <= $2) \
        - (SELECT count(*) FROM requests WHERE inbox = $1 AND seq > acknowledged AND seq <= $2 AND blocked) \
    WHERE account = $1 AND acknowledged < $2";

/// What an inbox holds: the contents of the tables, plus the newest messages, which the tables do not include yet.
pub(super) const INBOX_STATUS: &str = "WITH new AS ( \
        SELECT coalesce(max(seq), 0) AS seq, count(*) AS messages, coalesce(sum(length), 0) AS bytes, \
            coalesce(sum(origin > 0), 0) AS requests, coalesce(sum(iif(origin > 0, length, 0)), 0) AS request_bytes \
        FROM (SELECT seq, origin, coalesce(unpacked_length, length(envelope)) AS length FROM messages \
            WHERE id > (SELECT up_to FROM placed_messages) AND inbox = $1)) \
    SELECT max(last_seq, new.seq), acknowledged, keep_days, \
        inboxes.messages + new.messages, inboxes.bytes + new.bytes, waiting + new.messages, \
        coalesce(share.messages, 0) + new.requests, coalesce(share.bytes, 0) + new.request_bytes \
    FROM inboxes CROSS JOIN new LEFT JOIN request_shares AS share ON share.inbox = account AND share.part = x'' \
    WHERE account = $1";

/// Places and counts the newest messages, so that the tables describe the whole inbox. The message writer detects the
/// change.
pub(super) async fn settle(connection: &mut Connection, _: AccountId) -> Result<(), StoreError> {
    for sql in SETTLE {
        sqlx::query(sql).execute(&mut *connection).await?;
    }
    Ok(())
}

/// When the oldest message of each inbox was stored. Unplaced messages are newer than all others.
pub(super) const OLDEST_OF_EACH: &str = "WITH unplaced AS MATERIALIZED ( \
        SELECT inbox, min(id) AS message FROM messages \
        WHERE id > (SELECT up_to FROM placed_messages) GROUP BY inbox) \
    SELECT account, (SELECT created_at FROM messages WHERE id = coalesce( \
        (SELECT message FROM (SELECT * FROM ( \
            SELECT seq, message FROM message_places WHERE inbox = account ORDER BY seq LIMIT 1) \
            UNION ALL SELECT * FROM (SELECT seq, message FROM requests WHERE inbox = account ORDER BY seq LIMIT 1)) \
            ORDER BY seq LIMIT 1), \
        (SELECT message FROM unplaced WHERE inbox = account))) \
    FROM inboxes WHERE account > $1 ORDER BY account LIMIT $2";
