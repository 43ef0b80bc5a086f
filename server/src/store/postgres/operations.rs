//! [`Operations`] on PostgreSQL.

use futures::FutureExt;
use prometheus_client::metrics::counter::Counter;
use sqlx::postgres::PgConnection;

use super::PostgresStore;
use crate::store::operations::{AccountUsage, Extent, FIX_SETTING, FIXED_SETTING, Operations, Stats, Vitals};
use crate::store::row::unsigned;
use crate::store::{Answer, StoreError};

impl Operations for PostgresStore {
    fn stats(&self) -> Answer<'_, Stats> {
        self.pool.read(|connection| stats(connection).boxed()).boxed()
    }

    fn usage_by_account(&self) -> Answer<'_, Vec<AccountUsage>> {
        self.pool.read(|connection| usage_by_account(connection).boxed()).boxed()
    }

    fn fix_setting(&self, name: &'static str, value: String) -> Answer<'_, String> {
        self.pool.write(move |connection| fix_setting(connection, name, value).boxed()).boxed()
    }

    fn fixed_setting(&self, name: &'static str) -> Answer<'_, Option<String>> {
        self.pool.read(move |connection| fixed_setting(connection, name).boxed()).boxed()
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

async fn fixed_setting(
    connection: &mut PgConnection,
    name: &'static str,
) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar(FIXED_SETTING).bind(name).fetch_optional(connection).await?)
}

async fn fix_setting(
    connection: &mut PgConnection,
    name: &'static str,
    value: String,
) -> Result<String, StoreError> {
    sqlx::query(FIX_SETTING).bind(name).bind(value).execute(&mut *connection).await?;
    Ok(sqlx::query_scalar(FIXED_SETTING).bind(name).fetch_one(connection).await?)
}

async fn extent(connection: &mut PgConnection) -> Result<Extent, StoreError> {
    const SQL: &str = "SELECT (SELECT count(*) FROM accounts), pg_database_size(current_database())";
    let (handles, bytes) = sqlx::query_as(SQL).fetch_one(connection).await?;
    Ok(Extent { handles: unsigned(handles)?, database_bytes: unsigned(bytes)? })
}

async fn usage_by_account(connection: &mut PgConnection) -> Result<Vec<AccountUsage>, StoreError> {
    const SQL: &str = "SELECT a.handle, count(m.envelope), coalesce(sum(octet_length(m.envelope)), 0)::bigint AS bytes \
                       FROM accounts a LEFT JOIN messages m ON m.inbox = a.id GROUP BY a.id, a.handle \
                       ORDER BY bytes DESC, a.handle";
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(SQL).fetch_all(connection).await?;
    rows.into_iter().map(AccountUsage::of).collect()
}

async fn stats(connection: &mut PgConnection) -> Result<Stats, StoreError> {
    const SQL: &str = "SELECT (SELECT count(*) FROM accounts), count(*), \
                       coalesce(sum(octet_length(envelope)), 0)::bigint FROM messages";
    let (handles, messages, bytes) = sqlx::query_as(SQL).fetch_one(connection).await?;
    Ok(Stats { handles: unsigned(handles)?, messages: unsigned(messages)?, bytes: unsigned(bytes)? })
}
