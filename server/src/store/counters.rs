//! The last sequence number of an inbox, what the inbox holds and what each part of its requests holds, at the current
//! point in a transaction. In SQLite these are the counters in the tables plus the messages of the tail; in PostgreSQL
//! the caller has locked the inbox, and writes the counters to the tables.

use std::collections::HashMap;

use super::append::{HashedMessage, parts};
use super::connection::{Connection, values};
use super::types::At;
use super::usage::{Held, Part, Quota, Source, Usage};
use super::{InboxId, StoreError};

/// See the module.
#[derive(Default)]
pub(super) struct Counters {
    inboxes: HashMap<InboxId, Counter>,
    shares: HashMap<(InboxId, Part), Held>,
}

/// The counters of an inbox.
#[derive(Clone, Copy)]
struct Counter {
    last_seq: u64,
    acknowledged: u64,
    usage: Usage,
    /// The epoch of a group's log.
    epoch: Option<u64>,
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

    /// Writes the counters to the tables.
    pub(super) fn write(&self, connection: &mut Connection<'_>, inbox: InboxId) -> Result<(), StoreError> {
        const INBOX: &str = "UPDATE inboxes SET last_seq = $2, messages = $3, bytes = $4, waiting = $5 \
            WHERE account = $1";
        const SHARE: &str = "INSERT INTO request_shares (inbox, part, messages, bytes) VALUES ($1, $2, $3, $4) \
            ON CONFLICT (inbox, part) DO UPDATE SET messages = excluded.messages, bytes = excluded.bytes";
        let Counter { last_seq, usage: Usage { held, waiting }, .. } = self.counter;
        connection.execute(INBOX, values![inbox, last_seq, held.messages, held.bytes, waiting])?;
        for (part, held) in &self.shares {
            connection.execute(SHARE, values![inbox, part.name(), held.messages, held.bytes])?;
        }
        Ok(())
    }
}

/// A request whose deletion makes room for a newer one.
struct Oldest {
    seq: u64,
    bytes: u64,
    source: Source,
}

impl Counters {
    /// The counters of the inbox after this message.
    ///
    /// # Errors
    /// [`StoreError::InboxFull`] when the inbox has no room for it, [`StoreError::NoSuchAccount`] when there is none,
    /// [`StoreError::StaleEpoch`] when the log is in another epoch than the message.
    pub(super) fn next(
        &self,
        connection: &mut Connection<'_>,
        message: &HashedMessage,
    ) -> Result<Next, StoreError> {
        let (inbox, bytes) = (message.inbox, message.bytes());
        let counter = self.counter(connection, inbox)?;
        let epoch = epoch_after(&counter, message.at.as_ref())?;
        let usage = counter.usage.with(bytes);
        if !message.quota.is_none_or(|quota| usage.fits(quota)) {
            return Err(StoreError::InboxFull);
        }
        let shares = parts(message).map(|part| Ok((part, self.share(connection, inbox, part)?.with(bytes))));
        Ok(Next {
            counter: Counter { last_seq: counter.last_seq + 1, usage, epoch, ..counter },
            shares: shares.collect::<Result<_, StoreError>>()?,
        })
    }

    /// Stores the result of [`Counters::next`], once the message is inserted.
    pub(super) fn set(&mut self, inbox: InboxId, Next { counter, shares }: Next) {
        self.inboxes.insert(inbox, counter);
        self.shares.extend(shares.into_iter().map(|(part, held)| ((inbox, part), held)));
    }

    /// Forgets the counters of other inboxes.
    pub(super) fn retain(&mut self, is_kept: impl Fn(InboxId) -> bool) {
        self.inboxes.retain(|inbox, _| is_kept(*inbox));
        self.shares.retain(|(inbox, _), _| is_kept(*inbox));
    }

    /// Makes room for a request in every part of the share that it belongs to, by deleting the oldest requests there
    /// that the owner has acknowledged.
    ///
    /// # Errors
    /// [`StoreError::InboxFull`] when the remaining requests there are not acknowledged.
    pub(super) fn make_room(
        &mut self,
        connection: &mut Connection<'_>,
        message: &HashedMessage,
        quota: Quota,
    ) -> Result<(), StoreError> {
        let (inbox, bytes) = (message.inbox, message.bytes());
        for part in parts(message) {
            let limit = quota.of(part);
            if !Held::default().with(bytes).is_within(limit) {
                return Err(StoreError::InboxFull);
            }
            while !self.share(connection, inbox, part)?.with(bytes).is_within(limit) {
                let acknowledged = self.counter(connection, inbox)?.acknowledged;
                let oldest = oldest_acknowledged(connection, inbox, acknowledged, part)?;
                self.delete(connection, inbox, &oldest.ok_or(StoreError::InboxFull)?)?;
            }
        }
        Ok(())
    }

    /// Deletes a request, from the tables and from these counters.
    fn delete(
        &mut self,
        connection: &mut Connection<'_>,
        inbox: InboxId,
        oldest: &Oldest,
    ) -> Result<(), StoreError> {
        const SQLITE: &str = "DELETE FROM messages \
            WHERE id = (SELECT message FROM requests WHERE inbox = $1 AND seq = $2)";
        const POSTGRES: &str = "DELETE FROM messages WHERE inbox = $1 AND seq = $2";
        // The counters must be loaded before the tables are lowered, and change only once they are.
        let counter = self.counter(connection, inbox)?;
        let shares: Vec<_> = oldest
            .source
            .parts()
            .map(|part| Ok(((inbox, part), self.share(connection, inbox, part)?.without(oldest.bytes))))
            .collect::<Result<_, StoreError>>()?;
        let sql = connection.either(SQLITE, POSTGRES);
        if connection.execute(sql, values![inbox, oldest.seq])? != 1 {
            return Err(StoreError::Corrupt("request without a message"));
        }
        self.shares.extend(shares);
        self.inboxes.insert(inbox, Counter { usage: counter.usage.without(oldest.bytes), ..counter });
        let (inbox, seq) = (inbox.0, oldest.seq);
        tracing::debug!(inbox, seq, "an acknowledged request made room for a newer one");
        Ok(())
    }

    fn counter(&self, connection: &mut Connection<'_>, inbox: InboxId) -> Result<Counter, StoreError> {
        const SQL: &str =
            "SELECT last_seq, acknowledged, messages, bytes, waiting, epoch FROM inboxes WHERE account = $1";
        if let Some(counter) = self.inboxes.get(&inbox) {
            return Ok(*counter);
        }
        let (last_seq, acknowledged, messages, bytes, waiting, epoch) =
            connection.row(SQL, values![inbox])?.ok_or(StoreError::NoSuchAccount)?;
        Ok(Counter {
            last_seq,
            acknowledged,
            usage: Usage { held: Held { messages, bytes }, waiting },
            epoch,
        })
    }

    fn share(&self, connection: &mut Connection<'_>, inbox: InboxId, part: Part) -> Result<Held, StoreError> {
        const SQL: &str = "SELECT messages, bytes FROM request_shares WHERE inbox = $1 AND part = $2";
        if let Some(held) = self.shares.get(&(inbox, part)) {
            return Ok(*held);
        }
        let held: Option<(u64, u64)> = connection.row(SQL, values![inbox, part.name()])?;
        Ok(held.map_or_else(Held::default, |(messages, bytes)| Held { messages, bytes }))
    }
}

/// The epoch of a log after an item.
fn epoch_after(counter: &Counter, at: Option<&At>) -> Result<Option<u64>, StoreError> {
    let Some(at) = at else { return Ok(counter.epoch) };
    match counter.epoch {
        Some(epoch) if at.epoch().is_none_or(|made| made == epoch) => Ok(Some(at.after(epoch))),
        epoch => Err(StoreError::StaleEpoch { epoch: epoch.unwrap_or(0), head: counter.last_seq }),
    }
}

/// The oldest acknowledged request of a part. Acknowledged messages are indexed: an acknowledgement indexes them first.
fn oldest_acknowledged(
    connection: &mut Connection<'_>,
    inbox: InboxId,
    acknowledged: u64,
    part: Part,
) -> Result<Option<Oldest>, StoreError> {
    const ALL: &str = "SELECT seq, bytes, sender, network FROM requests \
        WHERE inbox = $1 AND seq <= $2 ORDER BY seq LIMIT 1";
    const UNSIGNED: &str = "SELECT seq, bytes, sender, network FROM requests \
        WHERE inbox = $1 AND seq <= $2 AND substr(network, 1, 1) = $3 ORDER BY seq LIMIT 1";
    const OF_NETWORK: &str = "SELECT seq, bytes, sender, network FROM requests \
        WHERE inbox = $1 AND seq <= $2 AND network = $3 ORDER BY seq LIMIT 1";
    const OF_KEY: &str = "SELECT seq, bytes, sender, network FROM requests \
        WHERE inbox = $1 AND seq <= $2 AND sender = $3 ORDER BY seq LIMIT 1";
    let oldest: Option<(u64, u64, Vec<u8>, Vec<u8>)> = match part {
        Part::All => connection.row(ALL, values![inbox, acknowledged])?,
        Part::Unsigned => connection.row(UNSIGNED, values![inbox, acknowledged, vec![1]])?,
        Part::Network { .. } => connection.row(OF_NETWORK, values![inbox, acknowledged, part.name()])?,
        Part::Key(_) => connection.row(OF_KEY, values![inbox, acknowledged, part.name()])?,
    };
    let Some((seq, bytes, sender, network)) = oldest else { return Ok(None) };
    let source = Source::from_parts(&sender, &network).ok_or(StoreError::Corrupt("request"))?;
    Ok(Some(Oldest { seq, bytes, source }))
}
