//! Sigchains, and the log of their heads that grows with them.

use kez_core::identity::{Primary, Seed};
use kez_core::log::entry::LogEntry;
use kez_core::sigchain::Hash;
use kez_core::time::Timestamp;

use super::Answer;

/// The part of a store that keeps sigchains. Nothing in it is ever changed or deleted.
pub trait Chains {
    /// Puts a link at the end of its chain, and its leaf at the end of the log, in one transaction, if the chain still
    /// ends where the link says.
    fn append_link(&self, link: NewLink) -> Answer<'_, LinkOutcome>;

    /// The links after a place, in order, until they reach `bytes`; none when there is no such chain.
    fn links_after<'a>(&'a self, root: &'a Primary, since: u64, bytes: usize) -> Answer<'a, Option<Links>>;

    /// Where a chain ends; none when there is no such chain.
    fn chain_head<'a>(&'a self, root: &'a Primary) -> Answer<'a, Option<ChainHead>>;

    /// How many leaves the log has.
    fn log_size(&self) -> Answer<'_, u64>;

    /// The hashes of the log's tree at these places, in this order.
    fn log_hashes(&self, positions: Vec<u64>) -> Answer<'_, Vec<Hash>>;

    /// Entries of the log from a place on, in order.
    fn log_entries(&self, first: u64, count: u64) -> Answer<'_, Vec<LogEntry>>;

    /// The seed of the log's key: the one that is kept, or this fresh one, which is kept from now on.
    fn log_seed(&self, fresh: Seed) -> Answer<'_, Seed>;
}

/// A link that passed every check but whether the chain still ends where it did.
#[derive(Clone, Debug)]
pub struct NewLink {
    /// The first primary of the chain.
    pub root: Primary,
    /// The place it wants.
    pub seqno: u64,
    /// The hash that the chain ends with; none for the first link.
    pub prev: Option<Hash>,
    /// The hash of the link.
    pub hash: Hash,
    /// The link in canonical JSON.
    pub json: String,
    /// The server's time.
    pub now: Timestamp,
    /// How many links a chain may gain within 24 hours; none for no limit.
    pub per_day: Option<u64>,
}

/// What became of a [`NewLink`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkOutcome {
    /// It stands at the end of its chain now.
    Appended,
    /// The same link stood there already.
    Stands,
    /// The chain ends elsewhere; none when there is no chain yet.
    Conflict(Option<ChainHead>),
    /// The chain has gained enough links for a day; after so many seconds it may gain one again.
    TooMany(u64),
}

/// Where a chain ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// How many links it has.
    pub seqno: u64,
    /// The hash of the last one.
    pub hash: Hash,
    /// The leaf of the last one in the log.
    pub log_index: u64,
}

/// A piece of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    /// Where the whole chain ends.
    pub head: ChainHead,
    /// The links in canonical JSON.
    pub links: Vec<String>,
}
