//! The last sequence number of each inbox, what the inbox holds and what each part of its requests holds, as last
//! committed by the message writer.
//!
//! The tables are updated later ([`super::unplaced`]): before that, nothing here may be dropped.

use std::collections::{BTreeMap, HashMap};

use kez_core::identity::Primary;
use rusqlite::{Connection, OptionalExtension, params};

use super::append::PreparedMessage;
use crate::store::row::unsigned;
use crate::store::usage::{Held, Part, Quota, Source, Usage};
use crate::store::{AccountId, StoreError};

/// The number of inboxes, and of parts, whose counters are kept in memory.
const MOST: usize = 65_536;

/// See the module.
#[derive(Default)]
pub(super) struct Counters {
    inboxes: HashMap<AccountId, Counter>,
    /// In the same order as in the table.
    shares: BTreeMap<(AccountId, Part), Held>,
}

/// The counters of an inbox.
#[derive(Clone, Copy)]
struct Counter {
    last_seq: u64,
    acknowledged: u64,
    usage: Usage,
}

/// The counters of an inbox after one more message.
pub(super) struct Next {
    counter: Counter,
    shares: Vec<(Part, Held)>,
}

impl Next {
    /// The message's number.
    pub(super) const fn seq(&self) -> u64 {
        self.counter.last_seq
    }
}

/// A request whose deletion makes room for a newer one.
struct Oldest {
    seq: u64,
    message: i64,
    bytes: u64,
    parts: Vec<Part>,
}

impl Counters {
    /// Drops all counters; they are read from the tables again when needed.
    pub(super) fn forget(&mut self) {
        self.inboxes.clear();
        self.shares.clear();
    }

    /// Drops the counters when there are too many.
    pub(super) fn limit(&mut self) {
        if self.inboxes.len().max(self.shares.len()) > MOST {
            self.forget();
        }
    }

    /// The counters of the inbox after this message.
    ///
    /// # Errors
    /// [`StoreError::InboxFull`] when the inbox has no room for it, [`StoreError::NoSuchAccount`] when there is none.
    pub(super) fn next(
        &self,
        connection: &Connection,
        message: &PreparedMessage,
    ) -> Result<Next, StoreError> {
        let (inbox, bytes) = (message.inbox, message.length as u64);
        let counter = self.counter(connection, inbox)?;
        let usage = counter.usage.with(bytes);
        if !message.quota.is_none_or(|quota| usage.fits(quota)) {
            return Err(StoreError::InboxFull);
        }
        let shares = parts(message).map(|part| Ok((part, self.share(connection, inbox, part)?.with(bytes))));
        Ok(Next {
            counter: Counter { last_seq: counter.last_seq + 1, usage, ..counter },
            shares: shares.collect::<Result<_, StoreError>>()?,
        })
    }

    /// Stores the result of [`Counters::next`], once the message is inserted.
    pub(super) fn set(&mut self, inbox: AccountId, Next { counter, shares }: Next) {
        self.inboxes.insert(inbox, counter);
        self.shares.extend(shares.into_iter().map(|(part, held)| ((inbox, part), held)));
    }

    /// Makes room for a request in every part of the share that it belongs to, by deleting the oldest requests there
    /// that the owner has acknowledged. Returns whether any was deleted.
    ///
    /// # Errors
    /// [`StoreError::InboxFull`] when the remaining requests there are not acknowledged.
    pub(super) fn make_room(
        &mut self,
        connection: &Connection,
        message: &PreparedMessage,
        quota: Quota,
    ) -> Result<bool, StoreError> {
        let (inbox, bytes, mut deleted) = (message.inbox, message.length as u64, false);
        for part in parts(message) {
            let limit = quota.of(part);
            if !Held::default().with(bytes).is_within(limit) {
                return Err(StoreError::InboxFull);
            }
            while !self.share(connection, inbox, part)?.with(bytes).is_within(limit) {
                let acknowledged = self.counter(connection, inbox)?.acknowledged;
                let oldest = oldest_acknowledged(connection, inbox, acknowledged, part)?;
                self.delete(connection, inbox, oldest.ok_or(StoreError::InboxFull)?)?;
                deleted = true;
            }
        }
        Ok(deleted)
    }

    /// Deletes a request, from the tables and from these counters.
    fn delete(
        &mut self,
        connection: &Connection,
        inbox: AccountId,
        oldest: Oldest,
    ) -> Result<(), StoreError> {
        // The counters must be loaded before the tables are lowered.
        let counter = self.counter(connection, inbox)?;
        let shares: Vec<_> = oldest
            .parts
            .iter()
            .map(|part| Ok((*part, self.share(connection, inbox, *part)?)))
            .collect::<Result<_, StoreError>>()?;
        connection.prepare_cached("DELETE FROM messages WHERE id = ?1")?.execute([oldest.message])?;
        tracing::debug!(
            inbox = inbox.0,
            seq = oldest.seq,
            "an acknowledged request made room for a newer one"
        );
        self.inboxes.insert(inbox, Counter { usage: counter.usage.without(oldest.bytes), ..counter });
        for (part, held) in shares {
            self.shares.insert((inbox, part), held.without(oldest.bytes));
        }
        Ok(())
    }

    fn counter(&self, connection: &Connection, inbox: AccountId) -> Result<Counter, StoreError> {
        self.inboxes.get(&inbox).copied().map_or_else(|| read(connection, inbox), Ok)
    }

    fn share(&self, connection: &Connection, inbox: AccountId, part: Part) -> Result<Held, StoreError> {
        self.shares.get(&(inbox, part)).copied().map_or_else(|| read_share(connection, inbox, part), Ok)
    }

    /// Writes the counters of these inboxes to the tables. No other connection has changed them since.
    pub(super) fn write(&self, connection: &Connection, inboxes: &[AccountId]) -> Result<(), StoreError> {
        const SQL: &str =
            "UPDATE inboxes SET last_seq = ?2, messages = ?3, bytes = ?4, waiting = ?5 WHERE account = ?1";
        let mut update = connection.prepare_cached(SQL)?;
        for inbox in inboxes {
            let Some(Counter { last_seq, usage, .. }) = self.inboxes.get(inbox) else { continue };
            let Held { messages, bytes } = usage.held;
            let [last_seq, messages, bytes, waiting] =
                [*last_seq, messages, bytes, usage.waiting].map(u64::cast_signed);
            update.execute(params![inbox.0, last_seq, messages, bytes, waiting])?;
            self.write_shares(connection, *inbox)?;
        }
        Ok(())
    }

    fn write_shares(&self, connection: &Connection, inbox: AccountId) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO request_shares (inbox, part, messages, bytes) VALUES (?1, ?2, ?3, ?4) \
            ON CONFLICT (inbox, part) DO UPDATE SET messages = excluded.messages, bytes = excluded.bytes";
        let all = (inbox, Part::All)..=(inbox, Part::Key(Some(LAST_KEY)));
        for ((_, part), Held { messages, bytes }) in self.shares.range(all) {
            let [messages, bytes] = [messages, bytes].map(|number| number.cast_signed());
            connection.prepare_cached(SQL)?.execute(params![inbox.0, part.name(), messages, bytes])?;
        }
        Ok(())
    }
}

/// The greatest key in the order of [`Part`].
const LAST_KEY: Primary = Primary::from_bytes([0xff; 32]);

/// The parts of the requests' share that a message belongs to.
fn parts(message: &PreparedMessage) -> impl Iterator<Item = Part> {
    message.origin.source().into_iter().flat_map(Source::parts)
}

fn read(connection: &Connection, inbox: AccountId) -> Result<Counter, StoreError> {
    const SQL: &str =
        "SELECT last_seq, acknowledged, messages, bytes, waiting FROM inboxes WHERE account = ?1";
    let numbers: Option<[i64; 5]> = connection
        .prepare_cached(SQL)?
        .query_row([inbox.0], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?]))
        .optional()?;
    let [last_seq, acknowledged, messages, bytes, waiting] = numbers.ok_or(StoreError::NoSuchAccount)?;
    let held = Held { messages: unsigned(messages)?, bytes: unsigned(bytes)? };
    let usage = Usage { held, waiting: unsigned(waiting)? };
    Ok(Counter { last_seq: unsigned(last_seq)?, acknowledged: unsigned(acknowledged)?, usage })
}

fn read_share(connection: &Connection, inbox: AccountId, part: Part) -> Result<Held, StoreError> {
    const SQL: &str = "SELECT messages, bytes FROM request_shares WHERE inbox = ?1 AND part = ?2";
    let held: Option<(i64, i64)> = connection
        .prepare_cached(SQL)?
        .query_row(params![inbox.0, part.name()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((messages, bytes)) = held else { return Ok(Held::default()) };
    Ok(Held { messages: unsigned(messages)?, bytes: unsigned(bytes)? })
}

/// Number, id, bytes, and the names of the parts of its key and its network.
type OldestRow = (i64, i64, i64, Vec<u8>, Vec<u8>);

/// The oldest acknowledged request of a part. Acknowledged messages are in the table: an acknowledgement places them
/// first.
fn oldest_acknowledged(
    connection: &Connection,
    inbox: AccountId,
    acknowledged: u64,
    part: Part,
) -> Result<Option<Oldest>, StoreError> {
    const ALL: &str = "SELECT seq, message, bytes, sender, network FROM requests \
        WHERE inbox = ?1 AND seq <= ?2 AND length(?3) = 0 ORDER BY seq LIMIT 1";
    const UNSIGNED: &str = "SELECT seq, message, bytes, sender, network FROM requests \
        WHERE inbox = ?1 AND seq <= ?2 AND substr(network, 1, 1) = x'01' AND length(?3) = 1 ORDER BY seq LIMIT 1";
    const OF_NETWORK: &str = "SELECT seq, message, bytes, sender, network FROM requests \
        WHERE inbox = ?1 AND seq <= ?2 AND network = ?3 ORDER BY seq LIMIT 1";
    const OF_KEY: &str = "SELECT seq, message, bytes, sender, network FROM requests \
        WHERE inbox = ?1 AND seq <= ?2 AND sender = ?3 ORDER BY seq LIMIT 1";
    let sql = match part {
        Part::All => ALL,
        Part::Unsigned => UNSIGNED,
        Part::Network { .. } => OF_NETWORK,
        Part::Key(_) => OF_KEY,
    };
    let row = |row: &rusqlite::Row<'_>| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, Vec<u8>>(3)?, row.get::<_, Vec<u8>>(4)?))
    };
    let oldest: Option<OldestRow> = connection
        .prepare_cached(sql)?
        .query_row(params![inbox.0, acknowledged.cast_signed(), part.name()], row)
        .optional()?;
    let Some((seq, message, bytes, sender, network)) = oldest else { return Ok(None) };
    let source = Source::from_parts(&sender, &network);
    let parts = source.ok_or(StoreError::Corrupt("request"))?.parts().collect();
    Ok(Some(Oldest { seq: unsigned(seq)?, message, bytes: unsigned(bytes)?, parts }))
}
