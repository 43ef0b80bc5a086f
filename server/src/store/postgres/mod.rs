//! The store on PostgreSQL, for several nodes at once: each operation is a transaction on one of a bounded number of
//! connections, which reconnect automatically. The database shares its `fsync` among concurrent commits.

pub(super) mod deadline;
mod nonces;
mod page;
mod pool;
mod schema;

use sqlx::postgres::PgConnectOptions;

use super::append::{HashedMessage, find, insert};
use super::connection::Connection;
use super::counters::Counters;
use super::page::Page;
use super::types::UsedNonce;
use super::{Appended, NewMessage, OpenError, StoreError};
use nonces::Nonces;
use pool::Pool;

pub(super) use schema::{connect, create};
pub use schema::{pending_migrations, renew_epoch};

/// An open database.
pub(super) struct Postgres {
    pub(super) pool: Pool,
    nonces: Nonces,
}

impl Postgres {
    /// Connects and brings the schema up to date. At most `connections` are open at any time. Also returns the epoch.
    pub(super) async fn open(
        options: &PgConnectOptions,
        connections: u32,
    ) -> Result<(Self, String), OpenError> {
        let options = options.clone().application_name(schema::APPLICATION);
        let epoch = schema::bring_up_to_date(&options).await?;
        let pool = Pool::open(options, connections).await?;
        Ok((Self { pool, nonces: Nonces::default() }, epoch))
    }

    /// When the connection was lost, as all are when the database restarts, the message is tried once more: if it was
    /// stored after all, it is found.
    pub(super) async fn append(&self, message: NewMessage) -> Result<Appended, StoreError> {
        let message = HashedMessage::from(message);
        let again = message.clone();
        match self.pool.write(move |connection| append(connection, &message)).await {
            Err(StoreError::Unreachable(_)) => {
                self.pool.write(move |connection| append(connection, &again)).await
            }
            appended => appended,
        }
    }

    pub(super) async fn fill(&self, mut page: Page) -> Result<Page, StoreError> {
        let read = move |connection: &mut Connection<'_>| {
            page::fill(connection, &mut page)?;
            Ok(page)
        };
        self.pool.read(read).await
    }

    pub(super) async fn use_nonce(&self, used: UsedNonce) -> Result<bool, StoreError> {
        let forget = self.nonces.are_old_ones_due(used.now);
        let (is_new, more) =
            self.pool.write(move |connection| nonces::record(connection, used, forget)).await?;
        if more {
            self.nonces.there_are_more(used.now);
        }
        Ok(is_new)
    }
}

/// Appends a message. The inbox's counters stay locked until the commit. So a reader that sees a number also sees every
/// lower number of that inbox, and a retry on another node finds what the first attempt stored.
fn append(connection: &mut Connection<'_>, message: &HashedMessage) -> Result<Appended, StoreError> {
    let HashedMessage { inbox, receipt, now, .. } = *message;
    connection.lock_inbox(inbox)?;
    if let Some((seq, created_at)) = find(connection, message)? {
        return Ok(Appended { seq, receipt, created_at, fresh: false });
    }
    let mut counters = Counters::default();
    if let Some(quota) = message.quota {
        counters.make_room(connection, message, quota)?;
    }
    let next = counters.next(connection, message)?;
    insert(connection, 0, next.seq(), message)?;
    next.write(connection, inbox)?;
    Ok(Appended { seq: next.seq(), receipt, created_at: now, fresh: true })
}
