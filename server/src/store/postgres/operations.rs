//! [`Operations`] on PostgreSQL.

use futures::FutureExt;
use prometheus_client::metrics::counter::Counter;
use sqlx::postgres::PgConnection;

use super::PostgresStore;
use crate::store::operations::{Extent, Operations, Stats, Vitals};
use crate::store::row::unsigned;
use crate::store::{Answer, StoreError};

impl Operations for PostgresStore {
    fn stats(&self) -> Answer<'_, Stats> {
        self.pool.read(|connection| stats(connection).boxed()).boxed()
    }

    fn extent(&self) -> Answer<'_, Extent> {
        self.pool.read(|connection| extent(connection).boxed()).boxed()
    }

    fn vitals(&self) -> Vitals {
        self.lanes.vitals()
    }

    fn damaged(&self) -> Counter {
        self.damaged.clone()
    }
}

async fn extent(connection: &mut PgConnection) -> Result<Extent, StoreError> {
    const SQL: &str = "SELECT (SELECT count(*) FROM accounts), pg_database_size(current_database())";
    let (handles, bytes) = sqlx::query_as(SQL).fetch_one(connection).await?;
    Ok(Extent { handles: unsigned(handles)?, database_bytes: unsigned(bytes)? })
}

async fn stats(connection: &mut PgConnection) -> Result<Stats, StoreError> {
    const SQL: &str = "SELECT (SELECT count(*) FROM accounts), count(*), \
                       coalesce(sum(octet_length(envelope)), 0)::bigint FROM messages";
    let (handles, messages, bytes) = sqlx::query_as(SQL).fetch_one(connection).await?;
    Ok(Stats { handles: unsigned(handles)?, messages: unsigned(messages)?, bytes: unsigned(bytes)? })
}
