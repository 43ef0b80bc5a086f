//! [`Operations`] on SQLite.

use futures::FutureExt;
use prometheus_client::metrics::counter::Counter;
use sqlx::sqlite::SqliteConnection;

use super::SqliteStore;
use crate::store::operations::{Extent, Operations, Stats, Vitals};
use crate::store::row::unsigned;
use crate::store::{Answer, StoreError};

impl Operations for SqliteStore {
    fn stats(&self) -> Answer<'_, Stats> {
        self.readers.read(|connection| stats(connection).boxed()).boxed()
    }

    fn extent(&self) -> Answer<'_, Extent> {
        self.readers.read(|connection| extent(connection).boxed()).boxed()
    }

    fn vitals(&self) -> Vitals {
        self.writer.vitals()
    }

    fn damaged(&self) -> Counter {
        self.quick.damaged.clone()
    }
}

async fn extent(connection: &mut SqliteConnection) -> Result<Extent, StoreError> {
    const SQL: &str = "SELECT (SELECT count(*) FROM accounts), page_count * page_size \
                       FROM pragma_page_count(), pragma_page_size()";
    let (handles, bytes) = sqlx::query_as(SQL).fetch_one(connection).await?;
    Ok(Extent { handles: unsigned(handles)?, database_bytes: unsigned(bytes)? })
}

async fn stats(connection: &mut SqliteConnection) -> Result<Stats, StoreError> {
    const SQL: &str = "SELECT (SELECT count(*) FROM accounts), count(*), \
        coalesce(sum(coalesce(unpacked_length, length(envelope))), 0) FROM messages";
    let (handles, messages, bytes) = sqlx::query_as(SQL).fetch_one(connection).await?;
    Ok(Stats { handles: unsigned(handles)?, messages: unsigned(messages)?, bytes: unsigned(bytes)? })
}
