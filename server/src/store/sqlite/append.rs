//! Appends an envelope to its inbox, as part of the caller's transaction.

use kez_core::api::Receipt;
use kez_core::time::Timestamp;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::memory::Known;
use super::packing::Packed;
use super::tail::Tail;
use crate::store::row::{time, unsigned};
use crate::store::usage::{Origin, Quota};
use crate::store::{AccountId, Appended, NewMessage, StoreError};

/// A message ready for writing, without the original bytes.
pub(super) struct PreparedMessage {
    pub(super) inbox: AccountId,
    pub(super) origin: Origin,
    pub(super) quota: Option<Quota>,
    now: Timestamp,
    /// The bytes of the envelope.
    pub(super) length: usize,
    /// Their SHA-256.
    receipt: Receipt,
    pub(super) packed: Packed,
}

impl PreparedMessage {
    pub(super) fn new(NewMessage { inbox, envelope, origin, quota, now }: NewMessage) -> Self {
        let (length, receipt) = (envelope.len(), Receipt::of(&envelope));
        Self { inbox, origin, quota, now, length, receipt, packed: Packed::new(envelope) }
    }

    /// The first eight bytes of the hash as a number: short enough for an index, and long enough to identify one row.
    fn hash_start(&self) -> i64 {
        let [a, b, c, d, e, f, g, h, ..] = *self.receipt.as_bytes();
        i64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

/// Appends messages one by one, with statements prepared once for all of them.
pub(super) struct Appending<'c> {
    connection: &'c Connection,
    find: CachedStatement<'c>,
    insert: CachedStatement<'c>,
}

impl<'c> Appending<'c> {
    pub(super) fn prepare(connection: &'c Connection) -> Result<Self, StoreError> {
        const FIND: &str = "SELECT messages.seq, messages.created_at FROM message_hashes AS known \
            CROSS JOIN messages ON messages.id = known.message AND messages.inbox = known.inbox \
            WHERE known.inbox = ?1 AND known.hash_start = ?2 AND messages.hash = ?3";
        const INSERT: &str = "INSERT INTO messages \
            (id, inbox, seq, created_at, hash_start, origin, hash, envelope, unpacked_length, sender, network) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        let (find, insert) = (connection.prepare_cached(FIND)?, connection.prepare_cached(INSERT)?);
        Ok(Self { connection, find, insert })
    }

    /// Assigns a number to a message and stores it, or finds its existing number. On failure, acknowledged requests may
    /// already have been deleted to make room; nothing else has changed.
    pub(super) fn append(
        &mut self,
        known: &mut Known,
        message: &PreparedMessage,
    ) -> Result<Appended, StoreError> {
        if let Some(stands) = self.find_standing(&known.tail, message)? {
            return Ok(stands);
        }
        let PreparedMessage { inbox, now, .. } = *message;
        if let Some(quota) = message.quota
            && known.counters.make_room(self.connection, message, quota)?
        {
            known.tail.doubt();
        }
        let next = known.counters.next(self.connection, message)?;
        let (seq, id) = (next.seq(), known.tail.next_id());
        self.insert(message, id, seq)?;
        known.tail.push(inbox, message.hash_start(), id);
        known.unplaced.push(inbox, (seq, id), message.origin);
        known.counters.set(inbox, next);
        Ok(Appended { seq, receipt: message.receipt, created_at: now, fresh: true })
    }

    /// The existing position of these bytes in the inbox. The tail covers this transaction and the latest ones; the
    /// table covers the rest.
    fn find_standing(
        &mut self,
        tail: &Tail,
        message: &PreparedMessage,
    ) -> Result<Option<Appended>, StoreError> {
        const IN_TAIL: &str =
            "SELECT seq, created_at FROM messages WHERE id = ?1 AND inbox = ?2 AND hash = ?3";
        let (AccountId(inbox), start) = (message.inbox, message.hash_start());
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        for id in tail.find(message.inbox, start) {
            let mut find = self.connection.prepare_cached(IN_TAIL)?;
            if let Some(stands) =
                find.query_row(params![id, inbox, message.receipt.as_bytes()], row).optional()?
            {
                return standing(message.receipt, stands).map(Some);
            }
        }
        let stands =
            self.find.query_row(params![inbox, start, message.receipt.as_bytes()], row).optional()?;
        stands.map(|stands| standing(message.receipt, stands)).transpose()
    }

    fn insert(&mut self, message: &PreparedMessage, id: i64, seq: u64) -> Result<(), StoreError> {
        let source = message.origin.source();
        self.insert.execute(params![
            id,
            message.inbox.0,
            seq.cast_signed(),
            message.now.unix().cast_signed(),
            message.hash_start(),
            message.origin.number(),
            message.receipt.as_bytes(),
            &message.packed.bytes[..],
            message.packed.unpacked_length,
            source.map(|source| source.key_part().name()),
            source.map(|source| source.network_part().name()),
        ])?;
        Ok(())
    }
}

fn standing(receipt: Receipt, (seq, created_at): (i64, i64)) -> Result<Appended, StoreError> {
    Ok(Appended { seq: unsigned(seq)?, receipt, created_at: time(created_at)?, fresh: false })
}
