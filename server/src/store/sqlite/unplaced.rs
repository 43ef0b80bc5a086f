//! The newest messages, which stand in no table but their own, and how they get their places and are counted.
//!
//! A place is (inbox, number), and lies anywhere in its table; so does the counter of an inbox. Each by itself would cost
//! every transaction a page. So the writer places and counts some thousand messages at once, those whose id is greater
//! than `placed_messages.up_to`, by what the table of messages says. Until then readers look into [`Recent`] too, and the
//! writer knows the counters of these inboxes by heart.

use rusqlite::Connection;

use super::recent::Place;
use crate::store::{AccountId, StoreError};

/// How many messages wait at most, roughly.
const PORTION: usize = 1024;

/// The unplaced messages that the transaction under way knows of.
#[derive(Default)]
pub(super) struct Unplaced {
    /// How many there were before it.
    before: usize,
    /// Whether it has placed these.
    placed: bool,
    /// Those that it brings.
    new: Vec<(AccountId, Place)>,
}

impl Unplaced {
    /// Takes up a message that was inserted.
    pub(super) fn push(&mut self, inbox: AccountId, place: Place) {
        self.new.push((inbox, place));
    }

    /// Whether enough have gathered.
    pub(super) fn is_due(&self) -> bool {
        self.before + self.new.len() >= PORTION
    }

    /// Places and counts them all, as a part of the caller's transaction.
    pub(super) fn place(&mut self, connection: &Connection) -> Result<(), StoreError> {
        const PLACE: &str = "INSERT INTO message_places SELECT inbox, seq, id FROM messages \
            WHERE id > (SELECT up_to FROM placed_messages) ORDER BY inbox, seq";
        // One that was deleted meanwhile is not counted, and its number stands in the table already.
        const COUNT: &str = "UPDATE inboxes SET last_seq = max(last_seq, new_seq), \
            messages = messages + new_messages, bytes = bytes + new_bytes, \
            from_others = from_others + new_from_others, others_bytes = others_bytes + new_others_bytes \
            FROM (SELECT inbox, max(seq) AS new_seq, count(*) AS new_messages, sum(length(envelope)) AS new_bytes, \
                sum(origin > 0) AS new_from_others, \
                sum(iif(origin > 0, length(envelope), 0)) AS new_others_bytes \
                FROM messages WHERE id > (SELECT up_to FROM placed_messages) GROUP BY inbox) \
            WHERE account = inbox";
        const DONE: &str =
            "UPDATE placed_messages SET up_to = max(up_to, coalesce((SELECT max(id) FROM messages), 0))";
        for sql in [PLACE, COUNT, DONE] {
            connection.prepare_cached(sql)?.execute([])?;
        }
        self.before = 0;
        self.placed = true;
        self.new.clear();
        Ok(())
    }

    /// The transaction was committed. Says whether it has placed what there was before, and what it leaves unplaced.
    pub(super) fn committed(&mut self) -> (bool, impl Iterator<Item = (AccountId, Place)>) {
        self.before += self.new.len();
        (std::mem::take(&mut self.placed), self.new.drain(..))
    }
}
