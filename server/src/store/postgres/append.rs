//! Appends a batch of envelopes with one statement of each kind, whatever the number of envelopes.

use std::collections::{BTreeSet, HashMap};

use kez_core::api::Receipt;
use sqlx::postgres::PgConnection;

use super::shares::Shares;
use crate::store::row::{time, unsigned};
use crate::store::usage::{Held, Usage};
use crate::store::{AccountId, Appended, NewMessage, StoreError};

/// An envelope and the SHA-256 of its bytes.
pub(super) struct HashedMessage {
    pub(super) message: NewMessage,
    receipt: Receipt,
}

impl HashedMessage {
    pub(super) fn new(message: NewMessage) -> Self {
        let receipt = Receipt::of(&message.envelope);
        Self { message, receipt }
    }

    /// The length of the envelope in bytes.
    pub(super) fn len(&self) -> usize {
        self.message.envelope.len()
    }

    /// The first eight bytes of the hash as a number: short enough for an index, and long enough to identify one row.
    fn hash_start(&self) -> i64 {
        let [a, b, c, d, e, f, g, h, ..] = *self.receipt.as_bytes();
        i64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

/// Stores the messages that are not in their inboxes yet, inside the caller's transaction, and returns the position of
/// each one, in order.
///
/// The inboxes' counters stay locked until the commit. So a reader that sees a number also sees every lower number of
/// that inbox, and a retry on another node finds what the first attempt stored.
pub(super) async fn append_all(
    connection: &mut PgConnection,
    messages: &[&HashedMessage],
) -> Result<Vec<Result<Appended, StoreError>>, StoreError> {
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    let mut counters = lock_counters(connection, messages).await?;
    let mut shares = Shares::read(connection, messages).await?;
    let mut standing = find_standing(connection, messages).await?;
    let mut outcomes = Vec::with_capacity(messages.len());
    let mut rows = Rows::default();
    for message in messages {
        let NewMessage { inbox, origin, quota, now, .. } = message.message;
        if let Some(&stands) = standing.get(&(inbox, message.receipt)) {
            outcomes.push(Ok(stands));
            continue;
        }
        let Some(counter) = counters.get_mut(&inbox) else {
            outcomes.push(Err(StoreError::NoSuchAccount));
            continue;
        };
        let has_room = match quota {
            Some(quota) => shares.make_room(connection, message, quota, counter).await?,
            None => true,
        };
        let bytes = message.len() as u64;
        let usage = counter.usage.with(bytes);
        if !has_room || quota.is_some_and(|quota| !usage.fits(quota)) {
            outcomes.push(Err(StoreError::InboxFull));
            continue;
        }
        *counter = Counter { last_seq: counter.last_seq + 1, usage, ..*counter };
        shares.add(inbox, origin, bytes);
        let stored =
            Appended { seq: counter.last_seq, receipt: message.receipt, created_at: now, fresh: true };
        rows.push(message, stored.seq);
        // The same bytes again in one batch count as a retry.
        standing.insert((inbox, message.receipt), Appended { fresh: false, ..stored });
        outcomes.push(Ok(stored));
    }
    rows.insert(connection, &counters).await?;
    shares.write(connection).await?;
    Ok(outcomes)
}

/// An inbox's last sequence number, its acknowledged number, and its contents.
#[derive(Clone, Copy)]
pub(super) struct Counter {
    last_seq: u64,
    pub(super) acknowledged: u64,
    pub(super) usage: Usage,
}

/// Locks the counters of all inboxes in the batch, in the same order on every node, so that no deadlock can occur.
async fn lock_counters(
    connection: &mut PgConnection,
    messages: &[&HashedMessage],
) -> Result<HashMap<AccountId, Counter>, StoreError> {
    const SQL: &str = "SELECT account, last_seq, acknowledged, messages, bytes, waiting FROM inboxes WHERE account = ANY($1) \
                       ORDER BY account FOR NO KEY UPDATE";
    let inboxes: Vec<i64> = messages.iter().map(|message| message.message.inbox.0).collect();
    let rows: Vec<(i64, i64, i64, i64, i64, i64)> =
        sqlx::query_as(SQL).bind(inboxes).fetch_all(connection).await?;
    let counter = |(account, last_seq, acknowledged, messages, bytes, waiting)| {
        let held = Held { messages: unsigned(messages)?, bytes: unsigned(bytes)? };
        let usage = Usage { held, waiting: unsigned(waiting)? };
        let (last_seq, acknowledged) = (unsigned(last_seq)?, unsigned(acknowledged)?);
        Ok((AccountId(account), Counter { last_seq, acknowledged, usage }))
    };
    rows.into_iter().map(counter).collect()
}

/// Which of the messages are already in their inboxes.
async fn find_standing(
    connection: &mut PgConnection,
    messages: &[&HashedMessage],
) -> Result<HashMap<(AccountId, Receipt), Appended>, StoreError> {
    // LATERAL with LIMIT forces an index lookup per row, whatever the statistics say.
    const SQL: &str = "SELECT wanted.place, standing.seq, standing.created_at \
        FROM UNNEST($1::bigint[], $2::bigint[], $3::bytea[]) WITH ORDINALITY \
            AS wanted (inbox, hash_start, hash, place) \
        CROSS JOIN LATERAL (SELECT seq, created_at FROM messages WHERE inbox = wanted.inbox \
            AND hash_start = wanted.hash_start AND hash = wanted.hash LIMIT 1) AS standing";
    let inboxes: Vec<i64> = messages.iter().map(|message| message.message.inbox.0).collect();
    let starts: Vec<i64> = messages.iter().map(|message| message.hash_start()).collect();
    let hashes: Vec<&[u8]> = messages.iter().map(|message| message.receipt.as_bytes().as_slice()).collect();
    let rows: Vec<(i64, i64, i64)> =
        sqlx::query_as(SQL).bind(inboxes).bind(starts).bind(hashes).fetch_all(connection).await?;
    let mut standing = HashMap::new();
    for (place, seq, created_at) in rows {
        // Ordinality counts from one.
        let message = usize::try_from(place - 1).ok().and_then(|place| messages.get(place));
        let message = message.ok_or(StoreError::Corrupt("place in a batch"))?;
        let (seq, created_at, receipt) = (unsigned(seq)?, time(created_at)?, message.receipt);
        standing
            .insert((message.message.inbox, receipt), Appended { seq, receipt, created_at, fresh: false });
    }
    Ok(standing)
}

/// The rows of one `INSERT`, column by column.
#[derive(Default)]
struct Rows<'a> {
    inboxes: Vec<i64>,
    seqs: Vec<i64>,
    times: Vec<i64>,
    hash_starts: Vec<i64>,
    hashes: Vec<&'a [u8]>,
    envelopes: Vec<&'a [u8]>,
    origins: Vec<i64>,
    changed: BTreeSet<AccountId>,
    requests: Requests,
}

/// The rows of [`Rows`] that are requests, for the table of requests.
#[derive(Default)]
struct Requests {
    inboxes: Vec<i64>,
    seqs: Vec<i64>,
    senders: Vec<Vec<u8>>,
    networks: Vec<Vec<u8>>,
    bytes: Vec<i64>,
    times: Vec<i64>,
    blocked: Vec<bool>,
}

impl Requests {
    fn push(&mut self, message: &NewMessage, seq: u64) {
        let Some(source) = message.origin.source() else { return };
        self.inboxes.push(message.inbox.0);
        self.seqs.push(seq.cast_signed());
        self.senders.push(source.key_part().name());
        self.networks.push(source.network_part().name());
        self.bytes.push((message.envelope.len() as u64).cast_signed());
        self.times.push(message.now.unix().cast_signed());
        self.blocked.push(!message.origin.is_delivered());
    }

    async fn insert(self, connection: &mut PgConnection) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO requests (inbox, seq, sender, network, bytes, created_at, blocked) \
            SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bigint[], \
                $7::boolean[])";
        if self.inboxes.is_empty() {
            return Ok(());
        }
        sqlx::query(SQL)
            .bind(self.inboxes)
            .bind(self.seqs)
            .bind(self.senders)
            .bind(self.networks)
            .bind(self.bytes)
            .bind(self.times)
            .bind(self.blocked)
            .execute(connection)
            .await?;
        Ok(())
    }
}

impl<'a> Rows<'a> {
    fn push(&mut self, message: &'a HashedMessage, seq: u64) {
        let NewMessage { inbox, envelope, origin, now, .. } = &message.message;
        self.inboxes.push(inbox.0);
        self.seqs.push(seq.cast_signed());
        self.times.push(now.unix().cast_signed());
        self.hash_starts.push(message.hash_start());
        self.hashes.push(message.receipt.as_bytes());
        self.envelopes.push(envelope);
        self.origins.push(origin.number());
        self.requests.push(&message.message, seq);
        self.changed.insert(*inbox);
    }

    async fn insert(
        self,
        connection: &mut PgConnection,
        counters: &HashMap<AccountId, Counter>,
    ) -> Result<(), StoreError> {
        const SQL: &str = "WITH counted AS ( \
                UPDATE inboxes SET last_seq = new.last_seq, messages = new.messages, bytes = new.bytes, \
                    waiting = new.waiting \
                FROM UNNEST($8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[]) \
                    AS new (account, last_seq, messages, bytes, waiting) \
                WHERE inboxes.account = new.account) \
            INSERT INTO messages (inbox, seq, created_at, hash_start, hash, envelope, origin) \
            SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bytea[], \
                $7::bigint[])";
        if self.changed.is_empty() {
            return Ok(());
        }
        let mut new: [Vec<i64>; 5] = Default::default();
        for (account, Counter { last_seq, usage, .. }) in
            counters.iter().filter(|(account, _)| self.changed.contains(account))
        {
            let Held { messages, bytes } = usage.held;
            let numbers = [*last_seq, messages, bytes, usage.waiting].map(u64::cast_signed);
            for (column, number) in new.iter_mut().zip(std::iter::once(account.0).chain(numbers)) {
                column.push(number);
            }
        }
        let [accounts, last_seqs, messages, bytes, waiting] = new;
        sqlx::query(SQL)
            .bind(self.inboxes)
            .bind(self.seqs)
            .bind(self.times)
            .bind(self.hash_starts)
            .bind(self.hashes)
            .bind(self.envelopes)
            .bind(self.origins)
            .bind(accounts)
            .bind(last_seqs)
            .bind(messages)
            .bind(bytes)
            .bind(waiting)
            .execute(&mut *connection)
            .await?;
        self.requests.insert(connection).await
    }
}
