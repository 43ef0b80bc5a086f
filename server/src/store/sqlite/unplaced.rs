//! The newest messages, which stand in no table but their own, and how they get their places and are counted.
//!
//! A place is (inbox, number), and lies anywhere in its table; so does the counter of an inbox. Each by itself would cost
//! every transaction a page. So the writer places and counts some thousand messages at once, those whose id is greater
//! than `placed_messages.up_to`. Until then readers look into [`super::recent`] too, and the writer knows the counters of
//! these inboxes by heart.

use std::mem;

use rusqlite::{Connection, params};

use super::counters::Counters;
use super::recent::Place;
use crate::store::{AccountId, StoreError};

/// How many messages wait at most, roughly.
const PORTION: usize = 1024;

/// The unplaced messages, as far as the transaction under way has come.
#[derive(Default)]
pub(super) struct Unplaced {
    waiting: Vec<(AccountId, Place)>,
    /// Those of them that the transaction brought.
    new: Vec<(AccountId, Place)>,
    /// Whether it has placed what was waiting before these.
    placed: bool,
}

impl Unplaced {
    /// Takes up a message that was inserted.
    pub(super) fn push(&mut self, inbox: AccountId, place: Place) {
        self.waiting.push((inbox, place));
        self.new.push((inbox, place));
    }

    /// Whether enough have gathered.
    pub(super) fn is_due(&self) -> bool {
        self.waiting.len() >= PORTION
    }

    /// Places and counts them all, as a part of the caller's transaction, by what is known of them: nobody else has changed
    /// the database since the first of them came.
    pub(super) fn place(&mut self, connection: &Connection, counters: &Counters) -> Result<(), StoreError> {
        const PLACE: &str = "INSERT INTO message_places (inbox, seq, message) VALUES (?1, ?2, ?3)";
        let mut insert = connection.prepare_cached(PLACE)?;
        let mut waiting = mem::take(&mut self.waiting);
        waiting.sort_unstable();
        for (inbox, (seq, id)) in &waiting {
            insert.execute(params![inbox.0, seq.cast_signed(), id])?;
        }
        let mut inboxes: Vec<_> = waiting.into_iter().map(|(inbox, _)| inbox).collect();
        inboxes.dedup();
        counters.write(connection, &inboxes)?;
        self.done(connection)
    }

    /// The same by what the database says: others have changed it, or nothing is known.
    pub(super) fn place_as_stored(&mut self, connection: &Connection) -> Result<(), StoreError> {
        // Two messages in one place are the work of a damaged disk: the first one keeps it, and the writer goes on.
        const PLACE: &str = "INSERT OR IGNORE INTO message_places SELECT inbox, seq, id FROM messages \
            WHERE id > (SELECT up_to FROM placed_messages) ORDER BY inbox, seq";
        // The number of one that was deleted meanwhile stands in the table already.
        const COUNT: &str = "UPDATE inboxes SET last_seq = max(last_seq, new_seq), \
            messages = messages + new_messages, bytes = bytes + new_bytes, \
            from_others = from_others + new_from_others, others_bytes = others_bytes + new_others_bytes \
            FROM (SELECT inbox, max(seq) AS new_seq, count(*) AS new_messages, sum(length) AS new_bytes, \
                sum(origin > 0) AS new_from_others, sum(iif(origin > 0, length, 0)) AS new_others_bytes \
                FROM (SELECT *, coalesce(unpacked_length, length(envelope)) AS length FROM messages) \
                WHERE id > (SELECT up_to FROM placed_messages) GROUP BY inbox) \
            WHERE account = inbox";
        for sql in [PLACE, COUNT] {
            connection.prepare_cached(sql)?.execute([])?;
        }
        self.waiting.clear();
        self.done(connection)
    }

    fn done(&mut self, connection: &Connection) -> Result<(), StoreError> {
        const SQL: &str =
            "UPDATE placed_messages SET up_to = max(up_to, coalesce((SELECT max(id) FROM messages), 0))";
        connection.prepare_cached(SQL)?.execute([])?;
        self.placed = true;
        self.new.clear();
        Ok(())
    }

    /// The transaction was committed. Says whether it has placed what there was before, and what it leaves unplaced.
    pub(super) fn committed(&mut self) -> (bool, impl Iterator<Item = (AccountId, Place)>) {
        (mem::take(&mut self.placed), self.new.drain(..))
    }
}
