//! An owner's settings for an inbox, and the deletion of messages: docs/SPEC.md, sections 6 and 14.
//!
//! The messages of an inbox are found by `message_places` and `requests` in SQLite, and by `messages` itself in
//! PostgreSQL; this is the only difference between the statements of a pair.

use kez_core::api::KeepDays;
use kez_core::identity::Primary;
use kez_core::time::Timestamp;

use super::connection::{Connection, FromRow, Value, values};
use super::moderation::PORTION;
use super::usage::{Held, Part, Usage};
use super::{AccountId, InboxId, Store, StoreError};

/// The $2 oldest messages of the inbox $1. Those from blocked senders are in `requests` only.
macro_rules! sqlite_oldest {
    () => {
        "id IN (SELECT message FROM ( \
            SELECT seq, message FROM message_places WHERE inbox = $1 \
            UNION ALL SELECT seq, message FROM requests WHERE inbox = $1 AND blocked = 1 ORDER BY seq LIMIT $2))"
    };
}
macro_rules! postgres_oldest {
    () => {
        "inbox = $1 AND seq IN (SELECT seq FROM messages WHERE inbox = $1 ORDER BY seq LIMIT $2)"
    };
}

/// What an inbox holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The highest assigned number.
    pub last: u64,
    /// The number up to which the owner has stored every message.
    pub acknowledged: u64,
    /// How long acknowledged messages stay; for ever without a number.
    pub keep: Option<KeepDays>,
    /// All messages.
    pub usage: Usage,
    /// Message requests, blocked ones included.
    pub requests: Held,
}

/// The result of an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledged {
    /// It counts, or a higher one already does.
    Stands(Status),
    /// The inbox has not assigned this number yet.
    NotGivenOut,
}

impl Store {
    /// What an inbox holds.
    ///
    /// # Errors
    /// [`StoreError::NoSuchAccount`], or a failure of the database.
    pub async fn inbox_status(&self, inbox: InboxId) -> Result<Status, StoreError> {
        self.read(move |connection| status(connection, inbox)).await
    }

    /// Records that the owner has stored every message up to a number. A lower number than the recorded one changes
    /// nothing.
    ///
    /// # Errors
    /// [`StoreError::NoSuchAccount`], or a failure of the database.
    pub async fn acknowledge(&self, inbox: InboxId, seq: u64) -> Result<Acknowledged, StoreError> {
        let status = self.inbox_status(inbox).await?;
        if seq > status.last {
            return Ok(Acknowledged::NotGivenOut);
        }
        if seq <= status.acknowledged {
            return Ok(Acknowledged::Stands(status));
        }
        let acknowledged = self.change_messages(move |connection| acknowledge(connection, inbox, seq)).await;
        acknowledged.map(Acknowledged::Stands)
    }

    /// Sets how long acknowledged messages stay; for ever without a number.
    pub async fn keep_for(&self, inbox: InboxId, days: Option<KeepDays>) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE inboxes SET keep_days = $2 WHERE account = $1";
        let days = days.map(|days| u64::from(days.days()));
        self.change_messages(move |connection| connection.execute(SQL, values![inbox, days])).await.map(drop)
    }

    /// Deletes the oldest requests of a key, at most [`PORTION`]. Returns the number of deleted requests.
    pub async fn delete_requests(&self, inbox: InboxId, sender: Primary) -> Result<u64, StoreError> {
        const SQLITE: &str = "DELETE FROM messages WHERE id IN ( \
            SELECT message FROM requests WHERE inbox = $1 AND sender = $3 ORDER BY seq LIMIT $2)";
        const POSTGRES: &str = "DELETE FROM messages WHERE inbox = $1 AND seq IN ( \
            SELECT seq FROM requests WHERE inbox = $1 AND sender = $3 ORDER BY seq LIMIT $2)";
        let sender = Part::Key(Some(sender)).name();
        self.change_messages(move |connection| {
            connection.lock_inbox(inbox)?;
            let sql = connection.either(SQLITE, POSTGRES);
            connection.execute(sql, values![inbox, PORTION, sender.as_slice()])
        })
        .await
    }

    /// Of the [`PORTION`] oldest messages of an inbox, deletes those that were stored before a time. Returns the number
    /// of deleted messages.
    pub async fn forget_messages(&self, inbox: InboxId, before: Timestamp) -> Result<u64, StoreError> {
        const SQLITE: &str = concat!("DELETE FROM messages WHERE created_at < $3 AND ", sqlite_oldest!());
        const POSTGRES: &str = concat!("DELETE FROM messages WHERE created_at < $3 AND ", postgres_oldest!());
        self.delete_before(SQLITE, POSTGRES, inbox, before).await
    }

    /// Of the [`PORTION`] oldest messages of an inbox, deletes those that are acknowledged and were stored before a
    /// time. Returns the number of deleted messages.
    pub async fn forget_acknowledged(&self, inbox: InboxId, before: Timestamp) -> Result<u64, StoreError> {
        const SQLITE: &str = concat!(
            "DELETE FROM messages WHERE created_at < $3 \
                AND seq <= (SELECT acknowledged FROM inboxes WHERE account = $1) AND ",
            sqlite_oldest!()
        );
        const POSTGRES: &str = concat!(
            "DELETE FROM messages WHERE created_at < $3 \
                AND seq <= (SELECT acknowledged FROM inboxes WHERE account = $1) AND ",
            postgres_oldest!()
        );
        self.delete_before(SQLITE, POSTGRES, inbox, before).await
    }

    /// Deletes the oldest requests of an inbox that are acknowledged and were stored before a time, at most [`PORTION`].
    /// Returns the number of deleted requests.
    pub async fn forget_requests(&self, inbox: InboxId, before: Timestamp) -> Result<u64, StoreError> {
        const SQLITE: &str = "DELETE FROM messages WHERE id IN ( \
            SELECT message FROM requests WHERE inbox = $1 AND created_at < $3 \
                AND seq <= (SELECT acknowledged FROM inboxes WHERE account = $1) ORDER BY seq LIMIT $2)";
        const POSTGRES: &str = "DELETE FROM messages WHERE inbox = $1 AND seq IN ( \
            SELECT seq FROM requests WHERE inbox = $1 AND created_at < $3 \
                AND seq <= (SELECT acknowledged FROM inboxes WHERE account = $1) ORDER BY seq LIMIT $2)";
        self.delete_before(SQLITE, POSTGRES, inbox, before).await
    }

    async fn delete_before(
        &self,
        sqlite: &'static str,
        postgres: &'static str,
        inbox: InboxId,
        before: Timestamp,
    ) -> Result<u64, StoreError> {
        self.change_messages(move |connection| {
            connection.lock_inbox(inbox)?;
            let sql = connection.either(sqlite, postgres);
            connection.execute(sql, values![inbox, PORTION, before])
        })
        .await
    }

    /// Inboxes whose owners have limited how long messages stay, in order: at most `limit` after an inbox.
    pub async fn limited_inboxes(
        &self,
        after: InboxId,
        limit: u64,
    ) -> Result<Vec<(InboxId, KeepDays)>, StoreError> {
        const SQL: &str = "SELECT account, keep_days FROM inboxes \
            WHERE account > $1 AND keep_days IS NOT NULL ORDER BY account LIMIT $2";
        self.read(move |connection| connection.rows(SQL, values![after, limit])).await
    }

    /// Inboxes with acknowledged requests from before a time, in order: at most `limit` after an inbox.
    pub async fn inboxes_with_requests(
        &self,
        before: Timestamp,
        after: InboxId,
        limit: u64,
    ) -> Result<Vec<InboxId>, StoreError> {
        const SQL: &str = "SELECT DISTINCT inbox FROM requests JOIN inboxes ON account = inbox \
            WHERE created_at < $1 AND inbox > $2 AND seq <= acknowledged ORDER BY inbox LIMIT $3";
        self.read(move |connection| connection.rows(SQL, values![before, after, limit])).await
    }

    /// Inboxes in order, each with the time of its oldest message: at most `limit` after an inbox. Empty inboxes have no
    /// time.
    pub async fn oldest_messages(
        &self,
        after: InboxId,
        limit: u64,
    ) -> Result<Vec<(InboxId, Option<Timestamp>)>, StoreError> {
        // The messages of the tail are newer than all others.
        const SQLITE: &str = "WITH newest AS MATERIALIZED (SELECT inbox, min(id) AS message FROM tail GROUP BY inbox) \
            SELECT account, (SELECT created_at FROM messages WHERE id = coalesce( \
                (SELECT message FROM (SELECT * FROM ( \
                    SELECT seq, message FROM message_places WHERE inbox = account ORDER BY seq LIMIT 1) \
                    UNION ALL SELECT * FROM (SELECT seq, message FROM requests WHERE inbox = account ORDER BY seq LIMIT 1)) \
                    ORDER BY seq LIMIT 1), \
                (SELECT message FROM newest WHERE inbox = account))) \
            FROM inboxes WHERE account > $1 ORDER BY account LIMIT $2";
        const POSTGRES: &str = "SELECT account, \
            (SELECT created_at FROM messages WHERE inbox = account ORDER BY seq LIMIT 1) \
            FROM inboxes WHERE account > $1 ORDER BY account LIMIT $2";
        self.read(move |connection| {
            let sql = connection.either(SQLITE, POSTGRES);
            connection.rows(sql, values![after, limit])
        })
        .await
    }
}

/// Deletes the [`PORTION`] oldest messages of an inbox. Returns the number of deleted messages.
pub(super) fn delete_oldest(connection: &mut Connection<'_>, inbox: InboxId) -> Result<u64, StoreError> {
    const SQLITE: &str = concat!("DELETE FROM messages WHERE ", sqlite_oldest!());
    const POSTGRES: &str = concat!("DELETE FROM messages WHERE ", postgres_oldest!());
    let sql = connection.either(SQLITE, POSTGRES);
    connection.execute(sql, values![inbox, PORTION])
}

/// The counters, plus the messages of the tail. The `+` keeps SQLite from building an index of all messages for this.
const STATUS_SQLITE: &str = "WITH newest AS ( \
        SELECT coalesce(max(seq), 0) AS seq, count(*) AS messages, coalesce(sum(length), 0) AS bytes, \
            coalesce(sum(origin > 0), 0) AS requests, \
            coalesce(sum(iif(origin > 0, length, 0)), 0) AS request_bytes \
        FROM (SELECT seq, origin, length(envelope) AS length FROM tail WHERE +inbox = $1)) \
    SELECT max(last_seq, newest.seq), acknowledged, keep_days, \
        inboxes.messages + newest.messages, inboxes.bytes + newest.bytes, waiting + newest.messages, \
        coalesce(share.messages, 0) + newest.requests, coalesce(share.bytes, 0) + newest.request_bytes \
    FROM inboxes CROSS JOIN newest LEFT JOIN request_shares AS share ON share.inbox = account AND share.part = x'' \
    WHERE account = $1";

fn status(connection: &mut Connection<'_>, inbox: InboxId) -> Result<Status, StoreError> {
    const POSTGRES: &str = "SELECT last_seq, acknowledged, keep_days, inboxes.messages, inboxes.bytes, waiting, \
            coalesce(share.messages, 0), coalesce(share.bytes, 0) \
        FROM inboxes LEFT JOIN request_shares AS share ON share.inbox = account AND share.part = '' \
        WHERE account = $1";
    let sql = connection.either(STATUS_SQLITE, POSTGRES);
    connection.row(sql, values![inbox])?.ok_or(StoreError::NoSuchAccount)
}

/// Records an acknowledgement of a number that the inbox has assigned.
fn acknowledge(connection: &mut Connection<'_>, inbox: InboxId, seq: u64) -> Result<Status, StoreError> {
    const SQLITE: &str = "UPDATE inboxes SET acknowledged = $2, waiting = waiting \
            - (SELECT count(*) FROM message_places WHERE inbox = $1 AND seq > acknowledged AND seq <= $2) \
            - (SELECT count(*) FROM requests \
                WHERE inbox = $1 AND seq > acknowledged AND seq <= $2 AND blocked = 1) \
        WHERE account = $1 AND acknowledged < $2";
    const POSTGRES: &str = "UPDATE inboxes SET acknowledged = $2, waiting = waiting \
            - (SELECT count(*) FROM messages WHERE inbox = $1 AND seq > acknowledged AND seq <= $2) \
        WHERE account = $1 AND acknowledged < $2";
    connection.lock_inbox(inbox)?;
    let sql = connection.either(SQLITE, POSTGRES);
    connection.execute(sql, values![inbox, seq])?;
    status(connection, inbox)
}

/// Turns an account's requests in an inbox into known messages, whichever of its keys sent them.
pub(super) fn accept_requests(
    connection: &mut Connection<'_>,
    inbox: InboxId,
    peer: AccountId,
) -> Result<(), StoreError> {
    const KEYS: &str = "SELECT primary_key FROM accounts WHERE id = $1 \
        UNION SELECT primary_key FROM former_keys WHERE account = $1";
    const SQLITE: &str = "UPDATE messages SET origin = 0, sender = NULL, network = NULL WHERE id IN ( \
        SELECT message FROM requests WHERE inbox = $1 AND sender = $2 AND blocked = 0)";
    const POSTGRES: &str = "UPDATE messages SET origin = 0 WHERE inbox = $1 AND seq IN ( \
        SELECT seq FROM requests WHERE inbox = $1 AND sender = $2 AND blocked = 0)";
    const FORGET: &str = "DELETE FROM requests WHERE inbox = $1 AND sender = $2 AND blocked = 0";
    connection.lock_inbox(inbox)?;
    let keys: Vec<Primary> = connection.rows(KEYS, values![peer])?;
    let make_known = connection.either(SQLITE, POSTGRES);
    for key in keys {
        let part = Part::Key(Some(key)).name();
        for sql in [make_known, FORGET] {
            connection.execute(sql, values![inbox, part.as_slice()])?;
        }
    }
    Ok(())
}

impl FromRow for Status {
    fn from_row(row: Vec<Value>) -> Result<Self, StoreError> {
        let (last, acknowledged, keep, messages, bytes, waiting, requests, request_bytes) =
            FromRow::from_row(row)?;
        Ok(Self {
            last,
            acknowledged,
            keep,
            usage: Usage { held: Held { messages, bytes }, waiting },
            requests: Held { messages: requests, bytes: request_bytes },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::STATUS_SQLITE;

    /// An automatic index would take a scan of all messages, for each acknowledgement.
    #[test]
    fn the_status_of_an_inbox_reads_the_tail_alone() {
        let database = rusqlite::Connection::open_in_memory().unwrap();
        for migration in crate::store::migrations::missing(0).unwrap() {
            database.execute_batch(migration.sqlite).unwrap();
        }
        let mut plan = database.prepare(&format!("EXPLAIN QUERY PLAN {STATUS_SQLITE}")).unwrap();
        let steps = plan.query_map([1], |row| row.get::<_, String>(3)).unwrap();
        let steps: Vec<_> = steps.map(Result::unwrap).filter(|step| step.contains(" messages")).collect();
        assert_eq!(steps, ["SEARCH messages USING INTEGER PRIMARY KEY (rowid>?)"]);
    }
}
