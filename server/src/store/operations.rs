//! What an operator asks of the store.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use super::Answer;

/// Looking after a server.
pub trait Operations {
    /// How much there is. Counts every row, so it takes a while on a large database.
    fn stats(&self) -> Answer<'_, Stats>;

    /// How large it is, quickly.
    fn extent(&self) -> Answer<'_, Extent>;

    /// How the writers are doing.
    fn vitals(&self) -> Vitals;

    /// Envelopes that this process read and left out, because the disk has changed them.
    fn damaged(&self) -> Counter;
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
