//! The tail: the newest messages, which are in the table `messages` only.
//!
//! Each row of an index, and the counters of each inbox, usually lie on different pages. Writing them with every message
//! would add several pages per message to a transaction. So the writer indexes and counts messages in rounds of
//! [`ROUND`], in the order of their inboxes: then neighbours share pages. Each transaction indexes as many messages of
//! the round as it has jobs, so senders do not wait for a whole round.
//!
//! Until a message is indexed, memory stands in for the index: the writer finds retries and counters here, and readers
//! find the places of messages in [`Places`]. The whole tail is indexed at once before a deletion or an acknowledgement,
//! and, from the table (the view `tail` of the schema), after a crash and when SQLite reports a change from outside: by
//! another process, or because the log was emptied.

use std::collections::HashMap;
use std::sync::Arc;
use std::vec;

use kez_core::time::Timestamp;
use rusqlite::{Connection as Sqlite, params};

use super::places::{Changes, New, Place, Places};
use crate::store::append::{HashedMessage, find, insert};
use crate::store::connection::Connection;
use crate::store::counters::Counters;
use crate::store::{Appended, InboxId, StoreError};

/// The number of messages that are indexed in one round.
const ROUND: usize = 3072;
/// The origin of a message whose recipient has accepted the sender.
const KNOWN: i64 = 0;
/// The origin of a message whose recipient has blocked the sender: it is not delivered.
const BLOCKED: i64 = 2;

/// Only a damaged disk gives two messages the same place: the first one keeps it, and the writer goes on.
const PLACE: &str = "INSERT OR IGNORE INTO message_places (inbox, seq, message) VALUES (?1, ?2, ?3)";
const HASH: &str = "INSERT OR IGNORE INTO message_hashes (inbox, start, message) VALUES (?1, ?2, ?3)";
const REQUEST: &str = "INSERT OR IGNORE INTO requests \
    SELECT inbox, seq, id, sender, network, length(envelope), created_at, origin = 2 FROM messages \
    WHERE id = ?1 AND typeof(sender) = 'blob' AND typeof(network) = 'blob' AND typeof(created_at) = 'integer'";
/// Counts a request in each of its parts: all requests, unsigned ones, those of its network, those of its key.
const SHARES: &str = "WITH new AS (SELECT inbox, sender, network, length(envelope) AS bytes FROM messages WHERE id = ?1) \
    INSERT INTO request_shares (inbox, part, messages, bytes) \
    SELECT inbox, part, 1, bytes FROM ( \
        SELECT inbox, x'' AS part, bytes FROM new \
        UNION ALL SELECT inbox, x'00', bytes FROM new WHERE substr(network, 1, 1) = x'01' \
        UNION ALL SELECT inbox, network, bytes FROM new \
        UNION ALL SELECT inbox, sender, bytes FROM new) \
    WHERE true \
    ON CONFLICT (inbox, part) DO UPDATE SET messages = messages + excluded.messages, bytes = bytes + excluded.bytes";
const COUNT: &str = "UPDATE inboxes SET last_seq = max(last_seq, ?2), messages = messages + ?3, bytes = bytes + ?4, \
    waiting = waiting + ?3 WHERE account = ?1";
const PROGRESS: &str = "UPDATE indexed SET up_to = ?1, round_to = ?2, round_inbox = ?3, round_seq = ?4";

/// What the writer knows of the tail.
pub(super) struct Tail {
    places: Arc<Places>,
    state: Option<State>,
}

/// The state as of the current point in the transaction.
pub(super) struct State {
    /// The counters of inboxes with messages in the tail.
    counters: Counters,
    messages: HashMap<(InboxId, [u8; 32]), (u64, Timestamp)>,
    round: Round,
    /// The messages after the round, in the order of their ids.
    later: Vec<Row>,
    /// What this transaction has changed, for [`Places`].
    changes: Changes,
    next_id: i64,
    /// SQLite's counter of commits by other connections (<https://www.sqlite.org/pragma.html#pragma_data_version>).
    version: i64,
}

/// The messages that are being indexed.
struct Round {
    /// All messages up to this id are indexed, whatever their inbox.
    up_to: i64,
    /// The last id of the round.
    last: i64,
    /// The messages of the round that are not indexed yet, in the order of their inboxes and numbers.
    rows: vec::IntoIter<Row>,
}

/// A message of the tail. The numbers are those of the table, where a damaged disk may have put anything.
#[derive(Clone, Copy)]
struct Row {
    inbox: InboxId,
    seq: i64,
    id: i64,
    hash: [u8; 32],
    bytes: i64,
    origin: i64,
}

impl Tail {
    /// Starts with nothing loaded; readers use `places`.
    pub(super) const fn new(places: Arc<Places>) -> Self {
        Self { places, state: None }
    }

    /// Begins a transaction. Loads the state and indexes the tail, if there is no state or another process has changed the
    /// database.
    pub(super) fn begin(&mut self, connection: &Sqlite) -> Result<(), StoreError> {
        let version = connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if self.state.as_ref().is_none_or(|state| state.version != version) {
            self.state = Some(State::load(connection, version)?);
        }
        Ok(())
    }

    /// The state during a transaction.
    pub(super) fn state(&mut self) -> Result<&mut State, StoreError> {
        self.state.as_mut().ok_or(StoreError::Corrupt("state of the tail"))
    }

    /// Indexes up to `count` messages in a transaction of the caller's, and returns whether there are more. The state is
    /// loaded anew afterwards. Until then [`Places`] still lists indexed messages, which readers find in the tables first.
    pub(super) fn index_some(&mut self, connection: &Sqlite, count: usize) -> Result<bool, StoreError> {
        self.state = None;
        let mut state = State::read(connection, 0)?;
        if state.round.rows.len() == 0 {
            state.begin_round();
        }
        state.index(connection, count)?;
        Ok(state.round.rows.len() + state.later.len() > 0)
    }

    /// The transaction was committed: updates the readers' places.
    pub(super) fn committed(&mut self) {
        if let Some(state) = &mut self.state {
            self.places.apply(&mut state.changes);
        }
    }

    /// The transaction was not committed, so the state is ahead of the database.
    pub(super) fn forget(&mut self) {
        self.state = None;
    }
}

impl State {
    fn load(connection: &Sqlite, version: i64) -> Result<Self, StoreError> {
        let mut state = Self::read(connection, version)?;
        // Without its counters, which are those of the tables and of the tail, no number can be assigned.
        state.index_all(connection)?;
        Ok(state)
    }

    /// The tail as the table has it, without its counters.
    fn read(connection: &Sqlite, version: i64) -> Result<Self, StoreError> {
        const STATE: &str =
            "SELECT up_to, round_to, coalesce((SELECT max(id) FROM messages), 0) FROM indexed";
        let (up_to, round_to, newest): (_, _, i64) = connection
            .prepare_cached(STATE)?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let (round, later): (Vec<_>, _) = read(connection)?.into_iter().partition(|row| row.id <= round_to);
        Ok(Self {
            counters: Counters::default(),
            messages: HashMap::new(),
            round: Round::new(up_to, round_to, round),
            later,
            changes: Changes { is_cleared: true, ..Changes::default() },
            next_id: newest.max(round_to) + 1,
            version,
        })
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
        let hash = *receipt.as_bytes();
        let existing = match self.messages.get(&(inbox, hash)) {
            None => find(connection, message)?,
            Some(existing) => Some(*existing),
        };
        if let Some((seq, created_at)) = existing {
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
        self.messages.insert((inbox, hash), (seq, now));
        let (bytes, origin) = (message.bytes().cast_signed(), origin.number());
        let row = Row { inbox, seq: seq.cast_signed(), id, hash, bytes, origin };
        self.changes.new.extend(row.as_new());
        self.later.push(row);
        Ok(Appended { seq, receipt, created_at: now, fresh: true })
    }

    /// Indexes up to `count` messages of the round, and goes on with the next round when this one is over and the tail
    /// is long. So the tail never holds many more than a round.
    pub(super) fn advance(&mut self, connection: &Sqlite, count: usize) -> Result<(), StoreError> {
        let rest = self.round.rows.len().min(count);
        self.index(connection, rest)?;
        if self.round.rows.len() == 0 && self.later.len() >= ROUND {
            self.begin_round();
            self.index(connection, count - rest)?;
        }
        Ok(())
    }

    /// Indexes the whole tail, so that the tables describe every message.
    pub(super) fn index_all(&mut self, connection: &Sqlite) -> Result<(), StoreError> {
        self.index(connection, usize::MAX)?;
        self.begin_round();
        self.index(connection, usize::MAX)?;
        self.counters = Counters::default();
        Ok(())
    }

    /// Begins a round with all messages of the tail. The previous round must be over.
    fn begin_round(&mut self) {
        let Some(last) = self.later.last().map(|row| row.id) else { return };
        self.round = Round::new(self.round.last, last, std::mem::take(&mut self.later));
        let rows = self.round.rows.as_slice();
        self.counters.retain(|inbox| rows.binary_search_by_key(&inbox, |row| row.inbox).is_ok());
    }

    /// Indexes up to `count` messages of the round.
    fn index(&mut self, connection: &Sqlite, count: usize) -> Result<(), StoreError> {
        let rows: Vec<_> = self.round.rows.by_ref().take(count).collect();
        let Some(last) = rows.last() else { return Ok(()) };
        for of_inbox in rows.chunk_by(|one, next| one.inbox == next.inbox) {
            index_messages(connection, of_inbox)?;
            let newest = of_inbox.last().and_then(|row| Some((row.inbox, row.place()?.0)));
            self.changes.indexed.extend(newest);
        }
        for row in &rows {
            self.messages.remove(&(row.inbox, row.hash));
        }
        if self.round.rows.len() == 0 {
            self.round.up_to = self.round.last;
        }
        let Round { up_to, last: round_to, .. } = self.round;
        connection.prepare_cached(PROGRESS)?.execute(params![up_to, round_to, last.inbox.0, last.seq])?;
        Ok(())
    }
}

impl Round {
    fn new(up_to: i64, last: i64, mut rows: Vec<Row>) -> Self {
        rows.sort_unstable_by_key(|row| (row.inbox, row.seq, row.id));
        Self { up_to, last, rows: rows.into_iter() }
    }
}

impl Row {
    /// The place, unless the number is damaged. No cursor finds such a message.
    fn place(&self) -> Option<Place> {
        Some((self.seq.try_into().ok()?, self.id))
    }

    fn as_new(&self) -> Option<New> {
        let place = self.place()?;
        Some(New { inbox: self.inbox, place, is_delivered: self.origin != BLOCKED })
    }
}

/// Indexes and counts messages of one inbox, in the order of their numbers.
fn index_messages(connection: &Sqlite, rows: &[Row]) -> Result<(), StoreError> {
    let Some(newest) = rows.last() else { return Ok(()) };
    for Row { inbox, seq, id, hash, origin, .. } in rows {
        if *origin != BLOCKED {
            connection.prepare_cached(PLACE)?.execute(params![inbox.0, seq, id])?;
        }
        connection.prepare_cached(HASH)?.execute(params![inbox.0, &hash[..8], id])?;
        if *origin != KNOWN {
            let is_counted = connection.prepare_cached(REQUEST)?.execute([id])? == 1;
            if is_counted {
                connection.prepare_cached(SHARES)?.execute([id])?;
            }
        }
    }
    let bytes: i64 = rows.iter().map(|row| row.bytes).sum();
    let count = rows.len() as u64;
    connection.prepare_cached(COUNT)?.execute(params![newest.inbox.0, newest.seq, count, bytes])?;
    Ok(())
}

/// The places of the tail of a database that was just opened.
pub(super) fn places(connection: &Sqlite) -> Result<Places, rusqlite::Error> {
    let places = Places::default();
    let new = read(connection)?.iter().filter_map(Row::as_new).collect();
    places.apply(&mut Changes { new, ..Changes::default() });
    Ok(places)
}

/// The tail as the table has it, in the order of ids. A damaged value is read as 0.
fn read(connection: &Sqlite) -> Result<Vec<Row>, rusqlite::Error> {
    const SQL: &str = "SELECT inbox, seq, id, hash, length(envelope), origin FROM tail ORDER BY id";
    let mut statement = connection.prepare(SQL)?;
    let rows = statement.query_map([], |row| {
        let number = |column| row.get(column).unwrap_or_default();
        Ok(Row {
            inbox: InboxId(number(0)),
            seq: number(1),
            id: row.get(2)?,
            hash: row.get(3).unwrap_or_default(),
            bytes: number(4),
            origin: number(5),
        })
    })?;
    rows.collect()
}
