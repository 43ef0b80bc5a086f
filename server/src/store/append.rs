//! Appends an envelope to its inbox, as part of the caller's transaction.

use axum::body::Bytes;
use kez_core::api::Receipt;
use kez_core::time::Timestamp;

use super::connection::{Connection, Value, values};
use super::groups::epoch;
use super::types::{At, GroupNumber};
use super::usage::{Origin, Quota, Source};
use super::{InboxId, NewMessage, StoreError};

/// A message and the hash of its bytes.
#[derive(Clone, Debug)]
pub(super) struct HashedMessage {
    pub(super) inbox: InboxId,
    pub(super) at: Option<At>,
    pub(super) origin: Origin,
    pub(super) quota: Option<Quota>,
    pub(super) envelope: Bytes,
    pub(super) now: Timestamp,
    pub(super) receipt: Receipt,
}

impl From<NewMessage> for HashedMessage {
    fn from(NewMessage { at, inbox, envelope, origin, quota, now }: NewMessage) -> Self {
        let receipt = Receipt::of(&envelope);
        Self { inbox, at, origin, quota, envelope, now, receipt }
    }
}

impl HashedMessage {
    /// The bytes of the envelope.
    pub(super) fn bytes(&self) -> u64 {
        self.envelope.len() as u64
    }

    /// The first eight bytes of the hash: short enough for an index, and long enough to identify one row.
    fn start(&self) -> Value {
        self.receipt.as_bytes()[..8].into()
    }
}

/// The position of these bytes among the messages of the inbox that are indexed.
pub(super) fn find(
    connection: &mut Connection<'_>,
    message: &HashedMessage,
) -> Result<Option<(u64, Timestamp)>, StoreError> {
    const SQLITE: &str = "SELECT messages.seq, messages.created_at FROM message_hashes AS known \
        CROSS JOIN messages ON messages.id = known.message AND messages.inbox = known.inbox \
        WHERE known.inbox = $1 AND known.start = $2 AND messages.hash = $3";
    const POSTGRES: &str = "SELECT seq, created_at FROM messages \
        WHERE inbox = $1 AND substring(hash FROM 1 FOR 8) = $2 AND hash = $3";
    let sql = connection.either(SQLITE, POSTGRES);
    connection.row(sql, &[message.inbox.into(), message.start(), (&message.receipt).into()])
}

/// Inserts a message with this number, and what an item of a group brings besides: both or nothing. In SQLite the message
/// has this id, and belongs to the tail.
pub(super) fn insert(
    connection: &mut Connection<'_>,
    id: i64,
    seq: u64,
    message: &HashedMessage,
) -> Result<(), StoreError> {
    let Some(at @ (At::Commit { .. } | At::Leave(_) | At::Request(_))) = &message.at else {
        return insert_message(connection, id, seq, message);
    };
    let group = GroupNumber::of_log(message.inbox).ok_or(StoreError::NoSuchAccount)?;
    connection.execute("SAVEPOINT item", &[])?;
    let inserted = insert_message(connection, id, seq, message)
        .and_then(|()| epoch::apply(connection, group, seq, message.now, at));
    // After some failures SQLite has rolled everything back, and PostgreSQL does at the end of the transaction.
    if inserted.is_err() && connection.execute("ROLLBACK TO item", &[]).is_err() {
        return inserted;
    }
    connection.execute("RELEASE item", &[])?;
    inserted
}

fn insert_message(
    connection: &mut Connection<'_>,
    id: i64,
    seq: u64,
    message: &HashedMessage,
) -> Result<(), StoreError> {
    const SQLITE: &str = "INSERT INTO messages (inbox, seq, created_at, origin, hash, envelope, sender, network, id) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    const POSTGRES: &str = "INSERT INTO messages (inbox, seq, created_at, origin, hash, envelope) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    const REQUEST: &str = "INSERT INTO requests (inbox, seq, sender, network, bytes, created_at, blocked) \
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let HashedMessage { inbox, origin, envelope, now, receipt, .. } = message;
    let [sender, network] = match origin.source() {
        Some(source) => [source.key_part(), source.network_part()].map(|part| part.name().into()),
        None => [Value::Null, Value::Null],
    };
    let mut values = vec![
        (*inbox).into(),
        seq.into(),
        (*now).into(),
        origin.number().into(),
        receipt.into(),
        envelope[..].into(),
    ];
    if let Connection::Sqlite(_) = connection {
        values.extend([sender, network, id.into()]);
        return connection.execute(SQLITE, &values).map(drop);
    }
    connection.execute(POSTGRES, &values)?;
    if origin.source().is_some() {
        let blocked = i64::from(!origin.is_delivered());
        connection.execute(REQUEST, values![*inbox, seq, sender, network, message.bytes(), *now, blocked])?;
    }
    Ok(())
}

/// The parts of the requests' share that a message belongs to.
pub(super) fn parts(message: &HashedMessage) -> impl Iterator<Item = super::usage::Part> {
    message.origin.source().into_iter().flat_map(Source::parts)
}
