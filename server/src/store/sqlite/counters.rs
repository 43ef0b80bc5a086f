//! The last sequence number of each inbox and what the inbox holds, as the writer of messages committed it.
//!
//! Features delete messages meanwhile, so an inbox that looks full is looked at again; and so the table's numbers are
//! added to, never overwritten.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use crate::store::row::unsigned;
use crate::store::usage::Usage;
use crate::store::{AccountId, NewMessage, StoreError};

/// How many inboxes' counters are kept in memory.
const MOST: usize = 65_536;

/// See the module.
#[derive(Default)]
pub(super) struct Counters {
    known: HashMap<AccountId, Counter>,
    /// What the transaction under way has added to each inbox.
    added: HashMap<AccountId, Usage>,
}

/// What is known of an inbox.
#[derive(Clone, Copy)]
pub(super) struct Counter {
    pub(super) last_seq: u64,
    usage: Usage,
    /// The message that this counter counts in last.
    one: Usage,
}

impl Counters {
    /// Reads them again from the database when they are needed next.
    pub(super) fn forget(&mut self) {
        self.known.clear();
        self.added.clear();
    }

    /// What the inbox's counter is once a message is counted in, with the message's number; [`StoreError::InboxFull`] when
    /// the inbox has no room for it.
    pub(super) fn next(&self, connection: &Connection, message: &NewMessage) -> Result<Counter, StoreError> {
        let NewMessage { inbox, envelope, origin, quota, .. } = message;
        let one = Usage::of(*origin, envelope);
        let read = || self.read(connection, *inbox);
        let fits = |counter: &Counter| quota.is_none_or(|quota| counter.usage.plus(one).fits(*origin, quota));
        let mut counter = self.known.get(inbox).copied().map_or_else(read, Ok)?;
        if !fits(&counter) {
            counter = Counter { last_seq: counter.last_seq, ..read()? };
        }
        if !fits(&counter) {
            return Err(StoreError::InboxFull);
        }
        Ok(Counter { last_seq: counter.last_seq + 1, usage: counter.usage.plus(one), one })
    }

    /// Takes up what [`Counters::next`] gave, once the message is inserted.
    pub(super) fn set(&mut self, inbox: AccountId, next: Counter) {
        self.known.insert(inbox, next);
        let added = self.added.entry(inbox).or_default();
        *added = added.plus(next.one);
    }

    /// Writes down what the transaction has added.
    pub(super) fn write(&mut self, connection: &Connection) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE inboxes SET last_seq = ?2, messages = messages + ?3, bytes = bytes + ?4, \
            from_others = from_others + ?5, others_bytes = others_bytes + ?6 WHERE account = ?1";
        let mut update = connection.prepare_cached(SQL)?;
        for (inbox, added) in self.added.drain() {
            let Some(Counter { last_seq, .. }) = self.known.get(&inbox) else { continue };
            let Usage { messages, bytes, from_others, others_bytes } = added;
            let [last_seq, messages, bytes, from_others, others_bytes] =
                [*last_seq, messages, bytes, from_others, others_bytes].map(u64::cast_signed);
            update.execute(params![inbox.0, last_seq, messages, bytes, from_others, others_bytes])?;
        }
        if self.known.len() > MOST {
            self.known.clear();
        }
        Ok(())
    }

    fn read(&self, connection: &Connection, inbox: AccountId) -> Result<Counter, StoreError> {
        const SQL: &str =
            "SELECT last_seq, messages, bytes, from_others, others_bytes FROM inboxes WHERE account = ?1";
        let numbers: [i64; 5] = connection.prepare_cached(SQL)?.query_row([inbox.0], |row| {
            Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?])
        })?;
        let [last_seq, messages, bytes, from_others, others_bytes] = numbers;
        let stored = Usage {
            messages: unsigned(messages)?,
            bytes: unsigned(bytes)?,
            from_others: unsigned(from_others)?,
            others_bytes: unsigned(others_bytes)?,
        };
        let added = self.added.get(&inbox).copied().unwrap_or_default();
        Ok(Counter { last_seq: unsigned(last_seq)?, usage: stored.plus(added), one: Usage::default() })
    }
}
