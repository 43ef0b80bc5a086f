//! The tail: the newest messages, which are in the table `messages` only.
//!
//! A row of an index, and the counters of an inbox, lie on a page of their own each. To write them with every message
//! would cost a transaction several pages per message. So the writer adds [`PORTION`] messages to the indexes and to the
//! counters at once, those whose id is greater than `indexed.up_to`. Until then, this module knows them: the writer
//! finds retries and counters here, and readers find the places of messages in [`Places`]. After a crash, or when
//! another process has changed the database, the tail is indexed from the table.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use kez_core::api::Receipt;
use kez_core::time::Timestamp;
use rusqlite::Connection as Sqlite;

use crate::store::append::{HashedMessage, find, insert};
use crate::store::connection::Connection;
use crate::store::counters::Counters;
use crate::store::{AccountId, Appended, StoreError};

/// The number of messages after which the tail is indexed.
const PORTION: usize = 1024;

/// What the requests of the tail add to the parts of their shares.
const COUNT_REQUESTS: &str = "WITH new AS ( \
        SELECT inbox, sender, network, length(envelope) AS bytes FROM messages \
        WHERE id > (SELECT up_to FROM indexed) AND origin > 0) \
    INSERT INTO request_shares (inbox, part, messages, bytes) \
    SELECT inbox, part, count(*), sum(bytes) FROM ( \
        SELECT inbox, x'' AS part, bytes FROM new \
        UNION ALL SELECT inbox, x'00', bytes FROM new WHERE substr(network, 1, 1) = x'01' \
        UNION ALL SELECT inbox, network, bytes FROM new \
        UNION ALL SELECT inbox, sender, bytes FROM new) \
    WHERE true GROUP BY inbox, part \
    ON CONFLICT (inbox, part) DO UPDATE SET messages = messages + excluded.messages, bytes = bytes + excluded.bytes";
/// Two messages with the same place result from a damaged disk: the first one keeps it, and the writer goes on.
const PLACES: &str = "INSERT OR IGNORE INTO message_places SELECT inbox, seq, id FROM messages \
    WHERE id > (SELECT up_to FROM indexed) AND origin <> 2 ORDER BY inbox, seq";
const REQUESTS: &str = "INSERT OR IGNORE INTO requests \
    SELECT inbox, seq, id, sender, network, length(envelope), created_at, origin = 2 FROM messages \
    WHERE id > (SELECT up_to FROM indexed) AND origin > 0 ORDER BY inbox, seq";
/// The number of a message that was deleted in the meantime is already in the table.
const COUNT: &str = "UPDATE inboxes SET last_seq = max(last_seq, new_seq), \
        messages = messages + new_messages, bytes = bytes + new_bytes, waiting = waiting + new_messages \
    FROM (SELECT inbox, max(seq) AS new_seq, count(*) AS new_messages, sum(length(envelope)) AS new_bytes \
        FROM messages WHERE id > (SELECT up_to FROM indexed) GROUP BY inbox) \
    WHERE account = inbox";
const HASHES: &str = "INSERT OR IGNORE INTO message_hashes SELECT inbox, substr(hash, 1, 8) AS start, id FROM messages \
    WHERE id > (SELECT up_to FROM indexed) ORDER BY inbox, start, id";
const DONE: &str = "UPDATE indexed SET up_to = max(up_to, coalesce((SELECT max(id) FROM messages), 0))";

/// What the writer knows of the tail.
pub(super) struct Tail {
    places: Arc<Places>,
    known: Option<Known>,
}

/// The state as of the current point in the transaction.
pub(super) struct Known {
    /// The counters of inboxes with messages in the tail.
    counters: Counters,
    messages: HashMap<(AccountId, Receipt), (u64, Timestamp)>,
    /// The messages that this transaction has added, for [`Places`].
    new: Vec<New>,
    /// Whether this transaction has indexed the earlier ones.
    is_indexed: bool,
    next_id: i64,
    /// SQLite's counter of commits by other connections (<https://www.sqlite.org/pragma.html#pragma_data_version>).
    version: i64,
}

impl Tail {
    /// Starts without knowledge; readers use `places`.
    pub(super) const fn new(places: Arc<Places>) -> Self {
        Self { places, known: None }
    }

    /// The state at the beginning of a transaction. If another process has changed the database, the tail is indexed
    /// first.
    pub(super) fn begin(&mut self, connection: &Sqlite) -> Result<(), StoreError> {
        let version = connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if self.known.as_ref().is_none_or(|known| known.version != version) {
            self.known = Some(Known::load(connection, version)?);
        }
        Ok(())
    }

    /// The state during a transaction.
    pub(super) fn known(&mut self) -> Result<&mut Known, StoreError> {
        self.known.as_mut().ok_or(StoreError::Corrupt("state of the tail"))
    }

    /// The transaction was committed: tells the readers.
    pub(super) fn committed(&mut self) {
        if let Some(known) = &mut self.known {
            self.places.add(std::mem::take(&mut known.is_indexed), known.new.drain(..));
        }
    }

    /// The transaction was not committed, so the state is ahead of the database.
    pub(super) fn forget(&mut self) {
        self.known = None;
    }
}

impl Known {
    fn load(connection: &Sqlite, version: i64) -> Result<Self, StoreError> {
        const NEXT: &str = "SELECT 1 + max(up_to, coalesce((SELECT max(id) FROM messages), 0)) FROM indexed";
        let next_id = connection.prepare_cached(NEXT)?.query_row([], |row| row.get(0))?;
        let (counters, messages) = (Counters::default(), HashMap::new());
        let mut known = Self { counters, messages, new: Vec::new(), is_indexed: false, next_id, version };
        known.index(connection)?;
        Ok(known)
    }

    /// Assigns a number to a message and stores it, or finds its existing number. On failure, acknowledged requests may
    /// already have been deleted to make room; nothing else has changed.
    pub(super) fn append(
        &mut self,
        connection: &Sqlite,
        message: &HashedMessage,
    ) -> Result<Appended, StoreError> {
        let HashedMessage { inbox, receipt, now, origin, .. } = *message;
        let connection = &mut Connection::Sqlite(connection);
        let standing = match self.messages.get(&(inbox, receipt)) {
            None => find(connection, message)?,
            Some(standing) => Some(*standing),
        };
        if let Some((seq, created_at)) = standing {
            return Ok(Appended { seq, receipt, created_at, fresh: false });
        }
        if let Some(quota) = message.quota {
            self.counters.make_room(connection, message, quota)?;
        }
        let next = self.counters.next(connection, message)?;
        let (seq, id) = (next.seq(), self.next_id);
        insert(connection, id, seq, message)?;
        self.next_id += 1;
        self.counters.set(inbox, next);
        self.messages.insert((inbox, receipt), (seq, now));
        self.new.push(New { inbox, place: (seq, id), is_delivered: origin.is_delivered() });
        Ok(Appended { seq, receipt, created_at: now, fresh: true })
    }

    /// Indexes the tail when it is long.
    pub(super) fn index_if_long(&mut self, connection: &Sqlite) -> Result<(), StoreError> {
        if self.messages.len() >= PORTION { self.index(connection) } else { Ok(()) }
    }

    /// Indexes the tail, so that the tables describe every message.
    pub(super) fn index(&mut self, connection: &Sqlite) -> Result<(), StoreError> {
        for sql in [COUNT_REQUESTS, PLACES, REQUESTS, COUNT, HASHES, DONE] {
            connection.prepare_cached(sql)?.execute([])?;
        }
        self.counters = Counters::default();
        self.messages.clear();
        self.new.clear();
        self.is_indexed = true;
        Ok(())
    }
}

/// A message's number in its inbox, and its id.
pub(super) type Place = (u64, i64);

/// A stored message of the tail.
#[derive(Clone, Copy)]
struct New {
    inbox: AccountId,
    place: Place,
    is_delivered: bool,
}

/// The places of the tail's messages, for readers.
#[derive(Default)]
pub(super) struct Places(RwLock<HashMap<AccountId, Newest>>);

/// The newest messages of an inbox.
#[derive(Default)]
struct Newest {
    /// The messages delivered to readers, in the order of their numbers.
    delivered: Vec<Place>,
    /// The number of the last message, delivered or not.
    last_seq: u64,
}

impl Places {
    /// Loads the tail of a database that was just opened.
    pub(super) fn load(connection: &Sqlite) -> Result<Self, rusqlite::Error> {
        const SQL: &str = "SELECT inbox, seq, id, origin <> 2 FROM messages \
            WHERE id > (SELECT up_to FROM indexed) ORDER BY id";
        let places = Self::default();
        let mut tail = connection.prepare(SQL)?;
        let mut rows = tail.query([])?;
        while let Some(row) = rows.next()? {
            // An invalid or negative number was damaged on disk: no cursor finds it.
            if let (Ok(inbox), Ok(Ok(seq))) = (row.get(0), row.get::<_, i64>(1).map(u64::try_from)) {
                let place = (seq, row.get(2)?);
                places.add(false, [New { inbox: AccountId(inbox), place, is_delivered: row.get(3)? }]);
            }
        }
        Ok(places)
    }

    /// Adds the messages of a committed transaction, in the order of their numbers. `is_indexed` says whether the
    /// transaction indexed all earlier ones.
    fn add(&self, is_indexed: bool, new: impl IntoIterator<Item = New>) {
        let mut places = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if is_indexed {
            places.clear();
        }
        for New { inbox, place, is_delivered } in new {
            let newest = places.entry(inbox).or_default();
            newest.last_seq = newest.last_seq.max(place.0);
            if is_delivered {
                newest.delivered.push(place);
            }
        }
    }

    /// The messages of an inbox after a cursor that are delivered to readers, in the order of their numbers.
    ///
    /// Must be called before a transaction reads the tables: messages that are indexed in between are found there.
    pub(super) fn after(&self, inbox: AccountId, since: u64) -> Vec<Place> {
        let places = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(Newest { delivered, .. }) = places.get(&inbox) else { return Vec::new() };
        delivered[delivered.partition_point(|(seq, _)| *seq <= since)..].to_vec()
    }

    /// The highest number of these messages in an inbox, or 0. Must be called before reading the tables, like
    /// [`Places::after`].
    pub(super) fn last(&self, inbox: AccountId) -> u64 {
        let places = self.0.read().unwrap_or_else(PoisonError::into_inner);
        places.get(&inbox).map_or(0, |newest| newest.last_seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_after_the_cursor_and_are_dropped_once_they_are_indexed() {
        let (alice, bob) = (AccountId(1), AccountId(2));
        let new = |inbox, place| New { inbox, place, is_delivered: true };
        let places = Places::default();
        let blocked = New { is_delivered: false, ..new(alice, (9, 73)) };
        places.add(false, [new(alice, (7, 70)), new(bob, (1, 71)), new(alice, (8, 72)), blocked]);
        assert_eq!(places.after(alice, 0), [(7, 70), (8, 72)]);
        assert_eq!(places.after(alice, 7), [(8, 72)]);
        assert_eq!(places.after(alice, 8), []);
        assert_eq!(places.after(AccountId(3), 0), []);
        assert_eq!([alice, bob, AccountId(3)].map(|inbox| places.last(inbox)), [9, 1, 0]);
        places.add(true, [new(bob, (2, 74))]);
        assert_eq!(places.after(alice, 0), []);
        assert_eq!(places.after(bob, 0), [(2, 74)]);
    }
}
