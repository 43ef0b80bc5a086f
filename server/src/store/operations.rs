//! The operator's queries.

use kez_core::handle::Handle;
use prometheus_client::metrics::counter::Counter;

use super::connection::{records, values};
use super::{Engine, Store, StoreError};

pub use super::types::Vitals;

/// What an account stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountUsage {
    /// Its handle.
    pub handle: Handle,
    /// Stored messages.
    pub messages: u64,
    /// Bytes of their envelopes.
    pub bytes: u64,
}

/// The size of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The number of accounts; each has one handle.
    pub handles: u64,
    /// The number of groups.
    pub groups: u64,
    /// The size of the database in bytes, with indexes and free pages.
    pub database_bytes: u64,
}

/// The totals of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// The number of accounts; each has one handle.
    pub handles: u64,
    /// The number of groups.
    pub groups: u64,
    /// The number of stored messages, with the items of groups.
    pub messages: u64,
    /// Bytes of their envelopes.
    pub bytes: u64,
}

impl Store {
    /// The totals. Counts every row, so it takes a while on a large database.
    pub async fn stats(&self) -> Result<Stats, StoreError> {
        const SQL: &str = "SELECT (SELECT count(*) FROM accounts), (SELECT count(*) FROM groups), count(*), \
            CAST(coalesce(sum(length(envelope)), 0) AS BIGINT) FROM messages";
        self.read(|connection| connection.only_row(SQL, &[])).await
    }

    /// What each account stores, largest first. Counts every message, so it takes a while on a large database.
    pub async fn usage_by_account(&self) -> Result<Vec<AccountUsage>, StoreError> {
        const SQL: &str = "SELECT handle, count(envelope), CAST(coalesce(sum(length(envelope)), 0) AS BIGINT) AS bytes \
            FROM accounts LEFT JOIN messages ON inbox = accounts.id GROUP BY accounts.id, handle \
            ORDER BY bytes DESC, handle";
        self.read(|connection| connection.rows(SQL, &[])).await
    }

    /// Records a setting that must never change for this database, unless it is already recorded. Returns the recorded
    /// value.
    pub async fn fix_setting(&self, name: &'static str, value: String) -> Result<String, StoreError> {
        const FIX: &str =
            "INSERT INTO fixed_settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
        self.write(move |connection| {
            connection.execute(FIX, values![name, value.as_str()])?;
            connection.only_row(FIXED, values![name])
        })
        .await
    }

    /// The recorded value of such a setting, if there is one.
    pub async fn fixed_setting(&self, name: &'static str) -> Result<Option<String>, StoreError> {
        self.read(move |connection| connection.row(FIXED, values![name])).await
    }

    /// The key for proofs of work, chosen when the database was created: the same on every node.
    pub async fn work_key(&self) -> Result<[u8; 32], StoreError> {
        const SQL: &str = "SELECT work_key FROM meta";
        let key: Vec<u8> = self.read(|connection| connection.only_row(SQL, &[])).await?;
        key.try_into().map_err(|_| StoreError::Corrupt("key for proofs of work"))
    }

    /// The size of the store, determined quickly.
    pub async fn extent(&self) -> Result<Extent, StoreError> {
        const SQLITE: &str = "SELECT (SELECT count(*) FROM accounts), (SELECT count(*) FROM groups), page_count * page_size \
            FROM pragma_page_count(), pragma_page_size()";
        const POSTGRES: &str = "SELECT (SELECT count(*) FROM accounts), (SELECT count(*) FROM groups), \
            pg_database_size(current_database())";
        self.read(|connection| connection.only_row(connection.either(SQLITE, POSTGRES), &[])).await
    }

    /// The state of the writers.
    pub fn vitals(&self) -> Vitals {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.vitals(),
            Engine::Postgres(postgres) => postgres.pool.vitals(),
        }
    }

    /// The number of envelopes that this process has read and left out, because they were damaged on disk.
    pub fn damaged(&self) -> Counter {
        self.damaged.clone()
    }
}

const FIXED: &str = "SELECT value FROM fixed_settings WHERE name = $1";

records! {
    AccountUsage { handle, messages, bytes }
    Extent { handles, groups, database_bytes }
    Stats { handles, groups, messages, bytes }
}
