//! Appending a batch of envelopes with one statement of each kind, however many there are.
//!
//! The rows' numbers travel as one JSON array and their bytes as one blob that SQLite cuts up: a statement a row costs
//! more than all the rest of a message.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use axum::body::Bytes;
use sha2::{Digest, Sha256};
use sqlx::sqlite::SqliteConnection;

use super::json_rows::JsonRows;
use super::tail::Tail;
use crate::store::row::{time, unsigned};
use crate::store::usage::Usage;
use crate::store::{AccountId, Appended, NewMessage, StoreError};

/// How many inboxes' counters are kept in memory.
const COUNTERS: usize = 65_536;

type Hash = [u8; 32];

/// An envelope and the SHA-256 of its bytes.
pub(super) struct HashedMessage {
    message: NewMessage,
    hash: Hash,
}

impl HashedMessage {
    pub(super) fn new(message: NewMessage) -> Self {
        let hash = Sha256::digest(&message.envelope).into();
        Self { message, hash }
    }

    pub(super) fn envelope(&self) -> &Bytes {
        &self.message.envelope
    }

    /// The first eight bytes of the hash as a number: short enough for an index, long enough to find one row.
    fn hash_start(&self) -> i64 {
        let [a, b, c, d, e, f, g, h, ..] = self.hash;
        i64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

/// The last sequence number of each inbox and what the inbox holds, as this writer committed it. Messages may be deleted
/// meanwhile, so an inbox that looks full is looked at again.
#[derive(Default)]
pub(super) struct Counters(HashMap<AccountId, Counter>);

#[derive(Clone, Copy)]
struct Counter {
    last_seq: u64,
    usage: Usage,
}

impl Counters {
    /// Reads them again from the database when they are needed next.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    /// Counts a message in and gives it its number. Unless the inbox has no room for it; `added` is what the
    /// transaction has added to the inbox before.
    async fn next(
        &mut self,
        connection: &mut SqliteConnection,
        message: &NewMessage,
        added: Usage,
    ) -> Result<Result<u64, StoreError>, StoreError> {
        let NewMessage { inbox, envelope, origin, quota, .. } = message;
        let counter = match self.0.entry(*inbox) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(Counter::read(connection, *inbox).await?),
        };
        let one = Usage::of(*origin, envelope);
        let fits = |counter: &Counter| quota.is_none_or(|quota| counter.usage.plus(one).fits(*origin, quota));
        if !fits(counter) {
            counter.usage = Counter::read(connection, *inbox).await?.usage.plus(added);
        }
        if !fits(counter) {
            return Ok(Err(StoreError::InboxFull));
        }
        counter.usage = counter.usage.plus(one);
        counter.last_seq += 1;
        Ok(Ok(counter.last_seq))
    }
}

impl Counter {
    async fn read(connection: &mut SqliteConnection, inbox: AccountId) -> Result<Self, StoreError> {
        const SQL: &str =
            "SELECT last_seq, messages, bytes, from_others, others_bytes FROM inboxes WHERE account = ?1";
        let row = sqlx::query_as(SQL).bind(inbox.0).fetch_one(connection).await?;
        let (last_seq, messages, bytes, from_others, others_bytes) = row;
        let usage = Usage {
            messages: unsigned(messages)?,
            bytes: unsigned(bytes)?,
            from_others: unsigned(from_others)?,
            others_bytes: unsigned(others_bytes)?,
        };
        Ok(Self { last_seq: unsigned(last_seq)?, usage })
    }
}

macro_rules! find {
    () => {
        "SELECT wanted.key, messages.seq, messages.created_at FROM json_each(?1) AS wanted \
         CROSS JOIN message_hashes AS known \
            ON known.inbox = wanted.value ->> 0 AND known.hash_start = wanted.value ->> 1 \
         CROSS JOIN messages ON messages.id = known.message AND messages.inbox = known.inbox \
         WHERE messages.hash = substr(?2, wanted.key * 32 + 1, 32) \
         UNION ALL \
         SELECT wanted.value ->> 0, messages.seq, messages.created_at FROM json_each(?3) AS wanted \
         CROSS JOIN messages ON messages.id = wanted.value ->> 2 AND messages.inbox = wanted.value ->> 1 \
         WHERE messages.hash = substr(?2, (wanted.value ->> 0) * 32 + 1, 32)"
    };
}

/// Which of the messages stand in their inboxes already. The statement begins the transaction, unless that has begun.
pub(super) async fn find_standing(
    connection: &mut SqliteConnection,
    tail: &Tail,
    messages: &[HashedMessage],
    begun: bool,
) -> Result<Standing, StoreError> {
    let sql = if begun { find!() } else { concat!("BEGIN IMMEDIATE; ", find!()) };
    let (mut wanted, mut in_tail) = (JsonRows::default(), JsonRows::default());
    let mut hashes = Vec::with_capacity(messages.len() * 32);
    for (place, message) in (0_i64..).zip(messages) {
        let (inbox, start) = (message.message.inbox, message.hash_start());
        wanted.push(&[inbox.0, start]);
        hashes.extend_from_slice(&message.hash);
        tail.find(inbox, start).for_each(|id| in_tail.push(&[place, inbox.0, id]));
    }
    let rows: Vec<(i64, i64, i64)> = sqlx::query_as(sql)
        .bind(wanted.finish())
        .bind(hashes)
        .bind(in_tail.finish())
        .fetch_all(connection)
        .await?;
    let mut standing = Standing::new();
    for (place, seq, created_at) in rows {
        let message = usize::try_from(place).ok().and_then(|place| messages.get(place));
        let message = message.ok_or(StoreError::Corrupt("place in a batch"))?;
        let stands = Appended { seq: unsigned(seq)?, created_at: time(created_at)?, fresh: false };
        standing.insert((message.message.inbox, message.hash), stands);
    }
    Ok(standing)
}

/// Where the messages of a batch stand that were stored before.
pub(super) type Standing = HashMap<(AccountId, Hash), Appended>;

/// Gives each message its place, or the one that it has, and says so in order; the rows are those still to be inserted.
pub(super) async fn place(
    connection: &mut SqliteConnection,
    counters: &mut Counters,
    tail: &mut Tail,
    messages: &[HashedMessage],
    mut standing: Standing,
) -> Result<(Vec<Result<Appended, StoreError>>, Rows), StoreError> {
    if counters.0.len() > COUNTERS {
        counters.forget();
    }
    let mut appended = Vec::with_capacity(messages.len());
    let mut rows = Rows::default();
    for message in messages {
        let NewMessage { inbox, now, .. } = message.message;
        if let Some(&stands) = standing.get(&(inbox, message.hash)) {
            appended.push(Ok(stands));
            continue;
        }
        let seq = match counters.next(connection, &message.message, rows.added_to(inbox)).await? {
            Ok(seq) => seq,
            Err(refused) => {
                appended.push(Err(refused));
                continue;
            }
        };
        let stored = Appended { seq, created_at: now, fresh: true };
        rows.push(message, stored.seq, tail.next_id());
        // The same bytes once more in this batch are a retry like any other.
        standing.insert((inbox, message.hash), Appended { fresh: false, ..stored });
        appended.push(Ok(stored));
    }
    Ok((appended, rows))
}

/// The rows of one `INSERT`.
#[derive(Default)]
pub(super) struct Rows {
    numbers: JsonRows,
    hashes: Vec<u8>,
    envelopes: Vec<u8>,
    inboxes: HashMap<AccountId, Counter>,
    entries: Vec<(AccountId, i64, i64)>,
}

macro_rules! insert {
    () => {
        "INSERT INTO messages (id, inbox, seq, created_at, hash_start, origin, hash, envelope) \
         SELECT value ->> 7, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 6, \
                substr(?2, key * 32 + 1, 32), substr(?3, value ->> 4, value ->> 5) \
         FROM json_each(?1); \
         UPDATE inboxes SET last_seq = new.value ->> 1, \
            messages = messages + (new.value ->> 2), bytes = bytes + (new.value ->> 3), \
            from_others = from_others + (new.value ->> 4), others_bytes = others_bytes + (new.value ->> 5) \
         FROM json_each(?4) AS new WHERE account = new.value ->> 0"
    };
}

impl Rows {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn push(&mut self, message: &HashedMessage, seq: u64, id: i64) {
        let NewMessage { inbox, envelope, origin, now, .. } = &message.message;
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.numbers.push(&[
            inbox.0,
            seq.cast_signed(),
            now.unix().cast_signed(),
            message.hash_start(),
            number(self.envelopes.len() + 1),
            number(envelope.len()),
            *origin as i64,
            id,
        ]);
        self.hashes.extend_from_slice(&message.hash);
        self.envelopes.extend_from_slice(envelope);
        let usage = self.added_to(*inbox).plus(Usage::of(*origin, envelope));
        self.inboxes.insert(*inbox, Counter { last_seq: seq, usage });
        self.entries.push((*inbox, message.hash_start(), id));
    }

    fn added_to(&self, inbox: AccountId) -> Usage {
        self.inboxes.get(&inbox).map_or_else(Usage::default, |counter| counter.usage)
    }

    /// Inserts them, and commits with the same breath when this is all that the transaction still has to do.
    pub(super) async fn insert(
        self,
        connection: &mut SqliteConnection,
        tail: &mut Tail,
        commit: bool,
    ) -> Result<(), StoreError> {
        let sql = if commit { concat!(insert!(), "; COMMIT") } else { insert!() };
        let mut counters = JsonRows::default();
        for (inbox, Counter { last_seq, usage }) in self.inboxes {
            let numbers = [last_seq, usage.messages, usage.bytes, usage.from_others, usage.others_bytes];
            let [last_seq, messages, bytes, from_others, others_bytes] = numbers.map(u64::cast_signed);
            counters.push(&[inbox.0, last_seq, messages, bytes, from_others, others_bytes]);
        }
        sqlx::query(sql)
            .bind(self.numbers.finish())
            .bind(self.hashes)
            .bind(self.envelopes)
            .bind(counters.finish())
            .execute(connection)
            .await?;
        self.entries.into_iter().for_each(|(inbox, start, id)| tail.push(inbox, start, id));
        Ok(())
    }
}
