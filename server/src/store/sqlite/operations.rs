//! [`Operations`] on SQLite.

use futures::FutureExt;
use sqlx::sqlite::SqliteConnection;

use super::SqliteStore;
use crate::store::operations::{Operations, Stats};
use crate::store::row::unsigned;
use crate::store::{Answer, StoreError};

impl Operations for SqliteStore {
    fn stats(&self) -> Answer<'_, Stats> {
        self.readers.read(|connection| stats(connection).boxed()).boxed()
    }
}

async fn stats(connection: &mut SqliteConnection) -> Result<Stats, StoreError> {
    const SQL: &str = "SELECT (SELECT count(*) FROM accounts), count(*), coalesce(sum(length(envelope)), 0) \
                       FROM messages";
    let (handles, messages, bytes) = sqlx::query_as(SQL).fetch_one(connection).await?;
    Ok(Stats { handles: unsigned(handles)?, messages: unsigned(messages)?, bytes: unsigned(bytes)? })
}
