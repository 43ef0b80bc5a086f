//! The newest messages, which are only in their own table yet, and how they are placed and counted.
//!
//! A place is (inbox, number), at a random position in its table; so is the counter of an inbox. Writing each one alone
//! would cost every transaction a page. So the writer places and counts some thousand messages at once, those whose id
//! is greater than `placed_messages.up_to`. Until then readers also use [`super::recent`], and the writer keeps the
//! counters of these inboxes in memory.

use std::mem;

use rusqlite::{Connection, params};

use super::counters::Counters;
use super::recent::{New, Place};
use crate::store::usage::Origin;
use crate::store::{AccountId, StoreError};

/// The approximate limit of unplaced messages.
const PORTION: usize = 1024;

/// Places every unplaced message that is delivered to readers ... Two messages with the same place result from a
/// damaged disk: the first one keeps it, and the writer goes on.
const PLACE: &str = "INSERT OR IGNORE INTO message_places SELECT inbox, seq, id FROM messages \
    WHERE id > (SELECT up_to FROM placed_messages) AND origin <> 2 ORDER BY inbox, seq";
/// ... and adds the requests among them to the table of requests.
const PLACE_REQUESTS: &str = "INSERT OR IGNORE INTO requests \
    (inbox, seq, message, sender, network, bytes, created_at, blocked) \
    SELECT inbox, seq, id, coalesce(sender, x'03'), coalesce(network, x'010000'), \
        coalesce(unpacked_length, length(envelope)), created_at, origin = 2 FROM messages \
    WHERE id > (SELECT up_to FROM placed_messages) AND origin > 0 ORDER BY inbox, seq";
/// Counts the uncounted messages. The number of a message that was deleted in the meantime is already in the table.
const COUNT: &str = "UPDATE inboxes SET last_seq = max(last_seq, new_seq), \
    messages = messages + new_messages, bytes = bytes + new_bytes, waiting = waiting + new_messages \
    FROM (SELECT inbox, max(seq) AS new_seq, count(*) AS new_messages, \
        sum(coalesce(unpacked_length, length(envelope))) AS new_bytes \
        FROM messages WHERE id > (SELECT up_to FROM placed_messages) GROUP BY inbox) \
    WHERE account = inbox";
/// The same for the parts of the requests' share.
const COUNT_REQUESTS: &str = "WITH new AS ( \
        SELECT inbox, coalesce(sender, x'03') AS sender, coalesce(network, x'010000') AS network, \
            coalesce(unpacked_length, length(envelope)) AS bytes FROM messages \
        WHERE id > (SELECT up_to FROM placed_messages) AND origin > 0) \
    INSERT INTO request_shares (inbox, part, messages, bytes) \
    SELECT inbox, part, count(*), sum(bytes) FROM ( \
        SELECT inbox, x'' AS part, bytes FROM new \
        UNION ALL SELECT inbox, x'00', bytes FROM new WHERE substr(network, 1, 1) = x'01' \
        UNION ALL SELECT inbox, network, bytes FROM new \
        UNION ALL SELECT inbox, sender, bytes FROM new) \
    WHERE true GROUP BY inbox, part \
    ON CONFLICT (inbox, part) DO UPDATE SET messages = messages + excluded.messages, bytes = bytes + excluded.bytes";
/// Marks them as placed and counted.
const DONE: &str =
    "UPDATE placed_messages SET up_to = max(up_to, coalesce((SELECT max(id) FROM messages), 0))";

/// The statements that place and count all unplaced messages from the data in the database, in this order.
pub(super) const SETTLE: [&str; 5] = [COUNT_REQUESTS, PLACE, PLACE_REQUESTS, COUNT, DONE];

/// The unplaced messages, as of the current point in the transaction.
#[derive(Default)]
pub(super) struct Unplaced {
    waiting: Vec<New>,
    /// Whether any of them is a request.
    with_requests: bool,
    /// The messages that this transaction added.
    new: Vec<New>,
    /// Whether it has placed the earlier messages.
    placed: bool,
}

impl Unplaced {
    /// Adds an inserted message.
    pub(super) fn push(&mut self, inbox: AccountId, place: Place, origin: Origin) {
        let new = New { inbox, place, is_delivered: origin.is_delivered() };
        self.waiting.push(new);
        self.new.push(new);
        self.with_requests |= origin.source().is_some();
    }

    /// Whether there are enough of them.
    pub(super) fn is_due(&self) -> bool {
        self.waiting.len() >= PORTION
    }

    /// Places and counts them all, as part of the caller's transaction, from the counters in memory: no other
    /// connection has changed the database since the first of them was added.
    pub(super) fn place(&mut self, connection: &Connection, counters: &Counters) -> Result<(), StoreError> {
        const PLACE_ONE: &str = "INSERT INTO message_places (inbox, seq, message) VALUES (?1, ?2, ?3)";
        let mut insert = connection.prepare_cached(PLACE_ONE)?;
        let mut waiting = mem::take(&mut self.waiting);
        waiting.sort_unstable();
        for New { inbox, place: (seq, id), .. } in waiting.iter().filter(|new| new.is_delivered) {
            insert.execute(params![inbox.0, seq.cast_signed(), id])?;
        }
        if mem::take(&mut self.with_requests) {
            connection.prepare_cached(PLACE_REQUESTS)?.execute([])?;
        }
        let mut inboxes: Vec<_> = waiting.into_iter().map(|new| new.inbox).collect();
        inboxes.dedup();
        counters.write(connection, &inboxes)?;
        connection.prepare_cached(DONE)?.execute([])?;
        self.done();
        Ok(())
    }

    /// The same from the data in the database, because others have changed it, or nothing is in memory.
    pub(super) fn place_as_stored(&mut self, connection: &Connection) -> Result<(), StoreError> {
        for sql in SETTLE {
            connection.prepare_cached(sql)?.execute([])?;
        }
        self.waiting.clear();
        self.with_requests = false;
        self.done();
        Ok(())
    }

    fn done(&mut self) {
        self.placed = true;
        self.new.clear();
    }

    /// The transaction was committed. Returns whether it placed the earlier messages, and which messages it leaves
    /// unplaced.
    pub(super) fn committed(&mut self) -> (bool, impl Iterator<Item = New>) {
        (mem::take(&mut self.placed), self.new.drain(..))
    }
}
