//! What an operator asks of the store.

use super::Answer;

/// Looking after a server.
pub trait Operations {
    /// How much there is. Counts every row, so it takes a while on a large database.
    fn stats(&self) -> Answer<'_, Stats>;
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
