//! What an operator asks of the store.

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

/// Looking after a server.
pub trait Operations {
    /// How much there is. Counts every row, so it takes a while on a large database.
    fn stats(&self) -> Answer<'_, Stats>;

    /// What each account stores, the largest first. Counts every message, so it takes a while on a large database.
    fn usage_by_account(&self) -> Answer<'_, Vec<AccountUsage>>;

    /// Records a setting that must never change for this database, unless it is recorded already. Gives the recorded value.
    fn fix_setting(&self, name: &'static str, value: String) -> Answer<'_, String>;

    /// The recorded value of such a setting, where there is one.
    fn fixed_setting(&self, name: &'static str) -> Answer<'_, Option<String>>;

    /// How large it is, quickly.
    fn extent(&self) -> Answer<'_, Extent>;

    /// How the writers are doing.
    fn vitals(&self) -> Vitals;

    /// Envelopes that this process read and left out, because the disk has changed them.
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

/// How large a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Accounts, each with its handle.
    pub handles: u64,
    /// Bytes of the database, with indexes and free pages.
    pub database_bytes: u64,
}

/// How the writers of this process are doing.
#[derive(Clone, Debug)]
pub struct Vitals {
    /// Writes that wait for their transaction.
    pub queued: u64,
    /// How long durable commits took, in seconds.
    pub commits: Histogram,
}

/// How much there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Accounts, each with its handle.
    pub handles: u64,
    /// Stored messages.
    pub messages: u64,
    /// Bytes of the stored envelopes.
    pub bytes: u64,
}
