//! The server's persistent data, in terms of the product. Each database implements [`Store`] in a folder of its own and
//! keeps its SQL there; one test story (`tests/server/store.rs`) runs against all of them.

mod bindings;
pub mod chains;
pub mod database;
mod expected;
mod failure;
pub mod inboxes;
pub mod invites;
mod migrations;
pub mod moderation;
mod moderation_sql;
mod open;
pub mod operations;
mod page;
pub mod people;
pub mod postgres;
pub mod reports;
pub mod rotation;
mod row;
pub mod sqlite;
pub mod usage;

use std::sync::Arc;

use axum::body::Bytes;
use futures::future::BoxFuture;
use inboxes::Inboxes;
use invites::Invites;
use kez_core::api::Receipt;
use kez_core::caller_auth::Nonce;
use kez_core::handle::Handle;
use kez_core::identity::Primary;
use kez_core::invite::InviteHash;
use kez_core::time::Timestamp;
use moderation::Moderation;
use operations::Operations;
use people::People;
use usage::{Origin, Quota};

pub use bindings::{BindOutcome, Binding, Bindings, Bound, MAX_EVER, MAX_LIVE, NewBinding};
pub use chains::Chains;
pub use expected::Expected;
pub use open::{OpenError, open, open_read_only, pending_migrations};
pub use reports::Reports;
pub use rotation::Rotations;

/// The asynchronous result of a store method.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// The one source of truth of a server. Everything that a method acknowledges is durable.
pub trait Store:
    Bindings
    + Chains
    + Inboxes
    + Invites
    + Moderation
    + Operations
    + People
    + Reports
    + Rotations
    + Send
    + Sync
    + 'static
{
    /// Assigns a handle to a key, if both are new.
    fn claim_handle(&self, claim: Claim) -> Answer<'_, ClaimOutcome>;

    /// The account that holds the handle, unless it is banned.
    fn lookup<'a>(&'a self, handle: &'a Handle) -> Answer<'a, Option<Account>>;

    /// The account that the key holds, unless it is banned.
    fn lookup_primary<'a>(&'a self, primary: &'a Primary) -> Answer<'a, Option<Account>>;

    /// Appends an envelope to an inbox, unless the inbox already has the same bytes. The sequence numbers of an inbox
    /// rise in the order in which its rows become visible, and are never reused.
    fn append(&self, message: NewMessage) -> Answer<'_, Appended>;

    /// The items after a cursor in ascending order: at most `limit.items`, and no more once they reach `limit.bytes`.
    /// An envelope that was damaged on disk is left out.
    fn page_after(&self, inbox: AccountId, since: u64, limit: PageLimit) -> Answer<'_, Vec<StoredMessage>>;

    /// Records that a caller used a nonce; `false` when it was used before. The record may be dropped
    /// [`kez_core::caller_auth::NONCE_LIFETIME_SECONDS`] later, but not when the caller's account is deleted.
    fn use_nonce(&self, caller: CallerKey, nonce: Nonce, now: Timestamp) -> Answer<'_, bool>;

    /// The same for a caller who is about to append a message: the record becomes durable with that message at the
    /// latest.
    fn note_nonce(&self, caller: CallerKey, nonce: Nonce, now: Timestamp) -> Answer<'_, bool> {
        self.use_nonce(caller, nonce, now)
    }

    /// Announces a message that will be appended soon, if its signature is valid, so that messages that arrive together
    /// are stored together.
    fn expect(&self) -> Expected {
        Expected::NOBODY_WAITS
    }

    /// Whether other servers change the same database, so that cached data may be out of date.
    fn is_shared(&self) -> bool;

    /// The key for proofs of work, chosen when the database was created: the same on every node.
    fn work_key(&self) -> Answer<'_, [u8; 32]>;

    /// 16 hexadecimal digits, chosen when the database was created.
    fn epoch(&self) -> &str;

    /// Whether the store can read and could write: for `GET /v1/readyz`.
    fn check(&self) -> Answer<'_, ()>;

    /// Stores the queued writes and closes the database. Later calls return [`StoreError::Closed`].
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// Identifies an account within its store, for as long as the store lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub i64);

/// Identifies a caller's key among the nonces: its first eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallerKey([u8; 8]);

impl CallerKey {
    /// The id of a key.
    pub fn of(key: &Primary) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = *key.as_bytes();
        Self([a, b, c, d, e, f, g, h])
    }

    /// The id with these bytes.
    pub(crate) const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The eight bytes.
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

/// A handle and the key that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id in the store.
    pub id: AccountId,
    /// The handle.
    pub handle: Handle,
    /// The key.
    pub primary: Primary,
    /// The first key of its sigchain. It differs from `primary` once the account has rotated its key.
    pub root: Primary,
    /// The signed registration, in canonical JSON.
    pub registration: String,
    /// When the server accepted it.
    pub registered_at: Timestamp,
}

/// A registration that passed every check except whether handle and key are free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The requested handle.
    pub handle: Handle,
    /// The key that will hold it.
    pub primary: Primary,
    /// The signed registration, in canonical JSON.
    pub registration: String,
    /// The invitation to use up, if one is required.
    pub invite: Option<InviteHash>,
    /// The server's time.
    pub now: Timestamp,
}

/// The result of a [`Claim`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimOutcome {
    /// The account exists, by this claim or an earlier identical one.
    Stands(Account),
    /// Another account holds the handle.
    HandleTaken,
    /// The key holds another handle.
    PrimaryTaken,
    /// The handle is reserved.
    HandleReserved,
    /// The invitation is not valid.
    InviteRefused,
}

/// An envelope for an inbox.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// The recipient's inbox.
    pub inbox: AccountId,
    /// The unchanged bytes of the envelope.
    pub envelope: Bytes,
    /// Where it comes from.
    pub origin: Origin,
    /// The limits of the inbox; `None` for no limits.
    pub quota: Option<Quota>,
    /// The server's time.
    pub now: Timestamp,
}

/// The position of a stored envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its sequence number in the inbox, which is not revealed to the sender.
    pub seq: u64,
    /// The hash of its bytes.
    pub receipt: Receipt,
    /// When it was first stored.
    pub created_at: Timestamp,
    /// Whether this call stored it; otherwise it was already there.
    pub fresh: bool,
}

/// The limits of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimit {
    /// Items.
    pub items: u64,
    /// Bytes of envelopes. The first item always fits.
    pub bytes: usize,
}

/// An item of an inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its sequence number in the inbox.
    pub seq: u64,
    /// When it was stored.
    pub created_at: Timestamp,
    /// The unchanged bytes of the envelope.
    pub envelope: Vec<u8>,
}

/// Why a store operation failed. Nothing was stored then, unless stated otherwise.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The queue of writes is full.
    #[error("too many writes are waiting")]
    Busy,
    /// Another process holds the database.
    #[error("the database is locked")]
    Locked,
    /// The database server cannot be reached, or the connection was lost. A write in progress may or may not have been
    /// committed; every write may be repeated.
    #[error("the database cannot be reached: {0}")]
    Unreachable(Arc<str>),
    /// The account of the recipient or the sender no longer exists.
    #[error("there is no such account")]
    NoSuchAccount,
    /// The inbox, or the share of it for this sender, is full.
    #[error("the inbox is full")]
    InboxFull,
    /// The disk is full.
    #[error("the disk is full")]
    Full,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// Another database failure.
    #[error("{0}")]
    Database(Arc<str>),
    /// A row holds data that this server never writes.
    #[error("the database holds a malformed {0}")]
    Corrupt(&'static str),
}
