//! Sigchains, and the log of their heads that grows with them.

use kez_core::identity::{Primary, Seed};
use kez_core::log::entry::LogEntry;
use kez_core::sigchain::Hash;
use kez_core::time::Timestamp;

use super::Answer;

/// The part of a store that keeps sigchains. Its rows are never changed or deleted.
pub trait Chains {
    /// Appends a link to its chain, and its leaf to the log, in one transaction, if the chain still ends where the link
    /// says.
    fn append_link(&self, link: NewLink) -> Answer<'_, LinkOutcome>;

    /// The links after a position, in order, until they reach `bytes`; `None` when there is no such chain.
    fn links_after<'a>(&'a self, root: &'a Primary, since: u64, bytes: usize) -> Answer<'a, Option<Links>>;

    /// The end of a chain; `None` when there is no such chain.
    fn chain_head<'a>(&'a self, root: &'a Primary) -> Answer<'a, Option<ChainHead>>;

    /// The number of leaves in the log.
    fn log_size(&self) -> Answer<'_, u64>;

    /// The hashes of the log's tree at these positions, in this order.
    fn log_hashes(&self, positions: Vec<u64>) -> Answer<'_, Vec<Hash>>;

    /// The entries of the log from a position on, in order.
    fn log_entries(&self, first: u64, count: u64) -> Answer<'_, Vec<LogEntry>>;

    /// The seed of the log's key: the stored one, or else this fresh one, which is then stored.
    fn log_seed(&self, fresh: Seed) -> Answer<'_, Seed>;
}

/// A link that passed every check except whether the chain still ends where it did.
#[derive(Clone, Debug)]
pub struct NewLink {
    /// The first primary of the chain.
    pub root: Primary,
    /// Its position in the chain.
    pub seqno: u64,
    /// The hash of the chain's last link; `None` for the first link.
    pub prev: Option<Hash>,
    /// The hash of the link.
    pub hash: Hash,
    /// The link in canonical JSON.
    pub json: String,
    /// The server's time.
    pub now: Timestamp,
    /// The number of links that a chain may gain within 24 hours; `None` for no limit.
    pub per_day: Option<u64>,
}

/// The result of a [`NewLink`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkOutcome {
    /// It is now the last link of its chain.
    Appended,
    /// The chain already has this link.
    Stands,
    /// The chain ends elsewhere; `None` when there is no chain yet.
    Conflict(Option<ChainHead>),
    /// The chain has reached its daily limit of links; after this many seconds it may gain one again.
    TooMany(u64),
}

/// The end of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// The number of links.
    pub seqno: u64,
    /// The hash of the last link.
    pub hash: Hash,
    /// The index of its leaf in the log.
    pub log_index: u64,
}

/// A piece of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    /// The end of the whole chain.
    pub head: ChainHead,
    /// The links in canonical JSON.
    pub links: Vec<String>,
}
