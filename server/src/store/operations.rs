//! The operator's queries.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use kez_core::handle::Handle;

use super::row::unsigned;
use super::{Answer, StoreError};

/// Records a setting once; for both engines.
pub(super) const FIX_SETTING: &str =
    "INSERT INTO fixed_settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
/// The recorded value of a setting; for both engines.
pub(super) const FIXED_SETTING: &str = "SELECT value FROM fixed_settings WHERE name = $1";

/// The part of a store for monitoring and administration.
pub trait Operations {
    /// The totals. Counts every row, so it takes a while on a large database.
    fn stats(&self) -> Answer<'_, Stats>;

    /// What each account stores, largest first. Counts every message, so it takes a while on a large database.
    fn usage_by_account(&self) -> Answer<'_, Vec<AccountUsage>>;

    /// Records a setting that must never change for this database, unless it is already recorded. Returns the recorded
    /// value.
    fn fix_setting(&self, name: &'static str, value: String) -> Answer<'_, String>;

    /// The recorded value of such a setting, if there is one.
    fn fixed_setting(&self, name: &'static str) -> Answer<'_, Option<String>>;

    /// The size of the store, determined quickly.
    fn extent(&self) -> Answer<'_, Extent>;

    /// The state of the writers.
    fn vitals(&self) -> Vitals;

    /// The number of envelopes that this process has read and left out, because they were damaged on disk.
    fn damaged(&self) -> Counter;
}

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

impl AccountUsage {
    /// From a row of the database.
    pub(super) fn of((handle, messages, bytes): (String, i64, i64)) -> Result<Self, StoreError> {
        let handle = handle.parse().map_err(|_| StoreError::Corrupt("handle"))?;
        Ok(Self { handle, messages: unsigned(messages)?, bytes: unsigned(bytes)? })
    }
}

/// The size of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The number of accounts; each has one handle.
    pub handles: u64,
    /// The size of the database in bytes, with indexes and free pages.
    pub database_bytes: u64,
}

/// The state of the writers in this process.
#[derive(Clone, Debug)]
pub struct Vitals {
    /// The number of writes that wait for their transaction.
    pub queued: u64,
    /// The duration of durable commits, in seconds.
    pub commits: Histogram,
}

/// The totals of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// The number of accounts; each has one handle.
    pub handles: u64,
    /// The number of stored messages.
    pub messages: u64,
    /// Bytes of the stored envelopes.
    pub bytes: u64,
}
