//! Appending a batch of envelopes with one statement of each kind, however many there are.
//!
//! The rows' numbers travel as one JSON array and their bytes as one blob that SQLite cuts up: a statement a row costs
//! more than all the rest of a message.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write as _;

use axum::body::Bytes;
use sha2::{Digest, Sha256};
use sqlx::sqlite::SqliteConnection;

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

/// Stores the messages that do not stand in their inboxes yet, inside the transaction that the caller has begun, and
/// says for each where it stands, in order.
pub(super) async fn append_all(
    connection: &mut SqliteConnection,
    counters: &mut Counters,
    messages: &[HashedMessage],
) -> Result<Vec<Result<Appended, StoreError>>, StoreError> {
    if counters.0.len() > COUNTERS {
        counters.forget();
    }
    let mut standing = find_standing(connection, messages).await?;
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
        rows.push(message, stored.seq);
        // The same bytes once more in this batch are a retry like any other.
        standing.insert((inbox, message.hash), Appended { fresh: false, ..stored });
        appended.push(Ok(stored));
    }
    rows.insert(connection).await?;
    Ok(appended)
}

/// Which of the messages stand in their inboxes already.
async fn find_standing(
    connection: &mut SqliteConnection,
    messages: &[HashedMessage],
) -> Result<HashMap<(AccountId, Hash), Appended>, StoreError> {
    const SQL: &str = "SELECT wanted.key, seq, created_at \
        FROM json_each(?1) AS wanted CROSS JOIN messages \
        ON inbox = wanted.value ->> 0 AND hash_start = wanted.value ->> 1 \
        WHERE hash = substr(?2, wanted.key * 32 + 1, 32)";
    let (mut wanted, mut hashes) = (JsonRows::default(), Vec::with_capacity(messages.len() * 32));
    for message in messages {
        wanted.push(&[message.message.inbox.0, message.hash_start()]);
        hashes.extend_from_slice(&message.hash);
    }
    let rows: Vec<(i64, i64, i64)> =
        sqlx::query_as(SQL).bind(wanted.finish()).bind(hashes).fetch_all(connection).await?;
    let mut standing = HashMap::new();
    for (place, seq, created_at) in rows {
        let message = usize::try_from(place).ok().and_then(|place| messages.get(place));
        let message = message.ok_or(StoreError::Corrupt("place in a batch"))?;
        let stands = Appended { seq: unsigned(seq)?, created_at: time(created_at)?, fresh: false };
        standing.insert((message.message.inbox, message.hash), stands);
    }
    Ok(standing)
}

/// The rows of one `INSERT`.
#[derive(Default)]
struct Rows {
    numbers: JsonRows,
    hashes: Vec<u8>,
    envelopes: Vec<u8>,
    inboxes: HashMap<AccountId, Counter>,
}

impl Rows {
    fn push(&mut self, message: &HashedMessage, seq: u64) {
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
        ]);
        self.hashes.extend_from_slice(&message.hash);
        self.envelopes.extend_from_slice(envelope);
        let usage = self.added_to(*inbox).plus(Usage::of(*origin, envelope));
        self.inboxes.insert(*inbox, Counter { last_seq: seq, usage });
    }

    fn added_to(&self, inbox: AccountId) -> Usage {
        self.inboxes.get(&inbox).map_or_else(Usage::default, |counter| counter.usage)
    }

    async fn insert(self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        const MESSAGES: &str = "INSERT INTO messages (inbox, seq, created_at, hash_start, origin, hash, envelope) \
            SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 6, \
                   substr(?2, key * 32 + 1, 32), substr(?3, value ->> 4, value ->> 5) \
            FROM json_each(?1)";
        const COUNTERS: &str = "UPDATE inboxes SET last_seq = new.value ->> 1, \
                messages = messages + (new.value ->> 2), bytes = bytes + (new.value ->> 3), \
                from_others = from_others + (new.value ->> 4), others_bytes = others_bytes + (new.value ->> 5) \
            FROM json_each(?1) AS new WHERE account = new.value ->> 0";
        if self.inboxes.is_empty() {
            return Ok(());
        }
        sqlx::query(MESSAGES)
            .bind(self.numbers.finish())
            .bind(self.hashes)
            .bind(self.envelopes)
            .execute(&mut *connection)
            .await?;
        let mut counters = JsonRows::default();
        for (inbox, Counter { last_seq, usage }) in self.inboxes {
            let numbers = [last_seq, usage.messages, usage.bytes, usage.from_others, usage.others_bytes];
            let [last_seq, messages, bytes, from_others, others_bytes] = numbers.map(u64::cast_signed);
            counters.push(&[inbox.0, last_seq, messages, bytes, from_others, others_bytes]);
        }
        sqlx::query(COUNTERS).bind(counters.finish()).execute(connection).await?;
        Ok(())
    }
}

/// A JSON array of arrays of integers, as it is written.
#[derive(Default)]
struct JsonRows(String);

impl JsonRows {
    fn push(&mut self, numbers: &[i64]) {
        for (place, number) in numbers.iter().enumerate() {
            self.0.push_str(match (place, self.0.is_empty()) {
                (0, true) => "[[",
                (0, false) => ",[",
                _ => ",",
            });
            // Writing to a String does not fail.
            let _ = write!(self.0, "{number}");
        }
        self.0.push(']');
    }

    fn finish(mut self) -> String {
        self.0.push(']');
        self.0
    }
}
