//! The newest messages, which stand in no table but their own, and how they get their places and are counted.
//!
//! A place is (inbox, number), and lies anywhere in its table; so does the counter of an inbox. Each by itself would cost
//! every transaction a page. So the writer places and counts some thousand messages at once, those whose id is greater
//! than `placed_messages.up_to`. Until then readers look into [`super::recent`] too, and the writer knows the counters of
//! these inboxes by heart.

use std::mem;

use rusqlite::{Connection, params};

use super::counters::Counters;
use super::recent::{New, Place};
use crate::store::usage::Origin;
use crate::store::{AccountId, StoreError};

/// How many messages wait at most, roughly.
const PORTION: usize = 1024;

/// Everything unplaced that readers get is placed ... Two messages in one place are the work of a damaged disk: the first one
/// keeps it, and the writer goes on.
const PLACE: &str = "INSERT OR IGNORE INTO message_places SELECT inbox, seq, id FROM messages \
    WHERE id > (SELECT up_to FROM placed_messages) AND origin <> 2 ORDER BY inbox, seq";
/// ... and what is a request becomes one.
const PLACE_REQUESTS: &str = "INSERT OR IGNORE INTO requests \
    (inbox, seq, message, sender, network, bytes, created_at, blocked) \
    SELECT inbox, seq, id, coalesce(sender, x'03'), coalesce(network, x'010000'), \
        coalesce(unpacked_length, length(envelope)), created_at, origin = 2 FROM messages \
    WHERE id > (SELECT up_to FROM placed_messages) AND origin > 0 ORDER BY inbox, seq";
/// Counts what is not counted yet. The number of one that was deleted meanwhile is in the table already.
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
/// From now on they are placed and counted.
const DONE: &str =
    "UPDATE placed_messages SET up_to = max(up_to, coalesce((SELECT max(id) FROM messages), 0))";

/// What places and counts all unplaced messages by what the database says, in this order.
pub(super) const SETTLE: [&str; 5] = [COUNT_REQUESTS, PLACE, PLACE_REQUESTS, COUNT, DONE];

/// The unplaced messages, as far as the transaction under way has come.
#[derive(Default)]
pub(super) struct Unplaced {
    waiting: Vec<New>,
    /// Whether there are requests among them.
    with_requests: bool,
    /// Those of them that the transaction brought.
    new: Vec<New>,
    /// Whether it has placed what was waiting before these.
    placed: bool,
}

impl Unplaced {
    /// Takes up a message that was inserted.
    pub(super) fn push(&mut self, inbox: AccountId, place: Place, origin: Origin) {
        let new = New { inbox, place, is_delivered: origin.is_delivered() };
        self.waiting.push(new);
        self.new.push(new);
        self.with_requests |= origin.source().is_some();
    }

    /// Whether enough have gathered.
    pub(super) fn is_due(&self) -> bool {
        self.waiting.len() >= PORTION
    }

    /// Places and counts them all, as a part of the caller's transaction, by what is known of them: nobody else has changed
    /// the database since the first of them came.
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

    /// The same by what the database says: others have changed it, or nothing is known.
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

    /// The transaction was committed. Says whether it has placed what there was before, and what it leaves unplaced.
    pub(super) fn committed(&mut self) -> (bool, impl Iterator<Item = New>) {
        (mem::take(&mut self.placed), self.new.drain(..))
    }
}
