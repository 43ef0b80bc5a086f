//! The hashes of the newest messages, until they are written in a large, sorted portion.
//!
//! A hash belongs at a random position in its table, so writing each one alone would cost a page. In a portion of
//! thousands, one page takes many of them. Until then they are kept in memory here. After a start they are read from
//! the messages themselves, all of which have a greater id than `hashed_messages.up_to`. A portion is written in
//! slices, one per transaction, so that no caller waits for all of it. After a crash, a slice that was already written
//! is written again, which changes nothing.

use std::collections::BTreeSet;

use rusqlite::Connection;

use crate::store::{AccountId, StoreError};

/// The number of hashes in a portion.
const PORTION: usize = 8192;

/// The number of hashes to write with a transaction of this many messages: more than it adds, so that portions finish,
/// but not so many that other writes wait for them.
const fn slice(messages: usize) -> usize {
    8 * messages + 32
}

/// An inbox, the start of a hash, and the id of the message.
type Entry = (AccountId, i64, i64);

/// See the module.
pub(super) struct Tail {
    next_id: i64,
    /// The next portion.
    gathered: BTreeSet<Entry>,
    /// The rest of the portion that is being written.
    leaving: BTreeSet<Entry>,
    /// The greatest id in that portion.
    leaving_up_to: i64,
    /// Messages up to this id may have been deleted since they were added.
    doubtful_up_to: i64,
}

impl Tail {
    pub(super) fn load(connection: &Connection) -> Result<Self, StoreError> {
        const STATE: &str = "SELECT hashed.up_to, \
            max(hashed.up_to, placed.up_to, coalesce((SELECT max(id) FROM messages), 0)) \
            FROM hashed_messages AS hashed CROSS JOIN placed_messages AS placed";
        const TAIL: &str = "SELECT inbox, hash_start, id FROM messages WHERE id > ?1";
        let (up_to, last_id) =
            connection.query_row(STATE, [], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?;
        let mut tail = connection.prepare(TAIL)?;
        let rows = tail.query_map([up_to], |row| Ok((AccountId(row.get(0)?), row.get(1)?, row.get(2)?)))?;
        Ok(Self {
            next_id: last_id + 1,
            gathered: rows.collect::<Result<_, _>>()?,
            leaving: BTreeSet::new(),
            leaving_up_to: up_to,
            doubtful_up_to: up_to,
        })
    }

    /// Other connections have changed the database, and may have deleted any of these messages.
    pub(super) fn doubt(&mut self) {
        self.doubtful_up_to = self.next_id - 1;
    }

    /// An id that no message has or has had since the start.
    pub(super) fn next_id(&mut self) -> i64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// Adds an inserted message.
    pub(super) fn push(&mut self, inbox: AccountId, hash_start: i64, id: i64) {
        self.gathered.insert((inbox, hash_start, id));
    }

    /// The ids of messages in an inbox whose hashes start like this, among those held here.
    pub(super) fn find(&self, inbox: AccountId, hash_start: i64) -> impl Iterator<Item = i64> {
        let alike = (inbox, hash_start, i64::MIN)..=(inbox, hash_start, i64::MAX);
        self.gathered.range(alike.clone()).chain(self.leaving.range(alike)).map(|(_, _, id)| *id)
    }

    /// Writes the hashes that are due, as part of the caller's transaction, which stores this many messages. If the
    /// transaction is not committed, this tail must be dropped.
    pub(super) fn write_due(&mut self, connection: &Connection, messages: usize) -> Result<(), StoreError> {
        if self.leaving.is_empty() && self.gathered.len() >= PORTION {
            self.leaving = std::mem::take(&mut self.gathered);
            self.leaving_up_to = self.next_id - 1;
        }
        if !self.leaving.is_empty() {
            self.write_slice(connection, slice(messages))?;
        }
        Ok(())
    }

    fn write_slice(&mut self, connection: &Connection, count: usize) -> Result<(), StoreError> {
        const HASH: &str =
            "INSERT OR IGNORE INTO message_hashes (inbox, hash_start, message) VALUES (?1, ?2, ?3)";
        // A deleted message has no hash to find it by.
        const HASH_OF: &str = "INSERT OR IGNORE INTO message_hashes (inbox, hash_start, message) \
            SELECT inbox, hash_start, id FROM messages WHERE id = ?1";
        const DONE: &str = "UPDATE hashed_messages SET up_to = ?1";
        let (mut write, mut write_if_stored) =
            (connection.prepare_cached(HASH)?, connection.prepare_cached(HASH_OF)?);
        for _ in 0..count {
            let Some((inbox, hash_start, id)) = self.leaving.pop_first() else { break };
            if id > self.doubtful_up_to {
                write.execute([inbox.0, hash_start, id])?;
            } else {
                write_if_stored.execute([id])?;
            }
        }
        if self.leaving.is_empty() {
            connection.prepare_cached(DONE)?.execute([self.leaving_up_to])?;
        }
        Ok(())
    }
}
