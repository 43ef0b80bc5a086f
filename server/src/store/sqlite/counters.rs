//! The last sequence number of each inbox and what the inbox holds, as the writer of messages committed it.
//!
//! The table of inboxes learns of it later ([`super::unplaced`]): before that, nothing here may be forgotten.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::append::PreparedMessage;
use crate::store::row::unsigned;
use crate::store::usage::Usage;
use crate::store::{AccountId, StoreError};

/// How many inboxes' counters are kept in memory.
const MOST: usize = 65_536;

/// See the module.
#[derive(Default)]
pub(super) struct Counters(HashMap<AccountId, Counter>);

/// What is known of an inbox.
#[derive(Clone, Copy)]
pub(super) struct Counter {
    pub(super) last_seq: u64,
    usage: Usage,
}

impl Counters {
    /// Reads them again from the table when they are needed next.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    /// Forgets them when they are too many.
    pub(super) fn limit(&mut self) {
        if self.0.len() > MOST {
            self.forget();
        }
    }

    /// What the inbox's counter is once a message is counted in, with the message's number.
    ///
    /// # Errors
    /// [`StoreError::InboxFull`] when the inbox has no room for it, [`StoreError::NoSuchAccount`] when there is none.
    pub(super) fn next(
        &self,
        connection: &Connection,
        message: &PreparedMessage,
    ) -> Result<Counter, StoreError> {
        let PreparedMessage { inbox, length, origin, quota, .. } = message;
        let Counter { last_seq, usage } =
            self.0.get(inbox).copied().map_or_else(|| read(connection, *inbox), Ok)?;
        let usage = usage.plus(Usage::of(*origin, *length));
        if quota.is_none_or(|quota| usage.fits(*origin, quota)) {
            Ok(Counter { last_seq: last_seq + 1, usage })
        } else {
            Err(StoreError::InboxFull)
        }
    }

    /// Takes up what [`Counters::next`] gave, once the message is inserted.
    pub(super) fn set(&mut self, inbox: AccountId, next: Counter) {
        self.0.insert(inbox, next);
    }

    /// Writes down what is known of these inboxes, which nobody else has changed meanwhile.
    pub(super) fn write(&self, connection: &Connection, inboxes: &[AccountId]) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE inboxes SET last_seq = ?2, messages = ?3, bytes = ?4, \
            from_others = ?5, others_bytes = ?6 WHERE account = ?1";
        let mut update = connection.prepare_cached(SQL)?;
        for inbox in inboxes {
            let Some(Counter { last_seq, usage }) = self.0.get(inbox) else { continue };
            let Usage { messages, bytes, from_others, others_bytes } = *usage;
            let [last_seq, messages, bytes, from_others, others_bytes] =
                [*last_seq, messages, bytes, from_others, others_bytes].map(u64::cast_signed);
            update.execute(params![inbox.0, last_seq, messages, bytes, from_others, others_bytes])?;
        }
        Ok(())
    }
}

fn read(connection: &Connection, inbox: AccountId) -> Result<Counter, StoreError> {
    const SQL: &str =
        "SELECT last_seq, messages, bytes, from_others, others_bytes FROM inboxes WHERE account = ?1";
    let numbers: Option<[i64; 5]> = connection
        .prepare_cached(SQL)?
        .query_row([inbox.0], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?]))
        .optional()?;
    let [last_seq, messages, bytes, from_others, others_bytes] = numbers.ok_or(StoreError::NoSuchAccount)?;
    let usage = Usage {
        messages: unsigned(messages)?,
        bytes: unsigned(bytes)?,
        from_others: unsigned(from_others)?,
        others_bytes: unsigned(others_bytes)?,
    };
    Ok(Counter { last_seq: unsigned(last_seq)?, usage })
}
