//! What the server keeps, in the words of the product. Each database implements [`Store`] in a folder of its own and
//! keeps its SQL there; one story (`tests/server/store.rs`) runs against all of them.

mod bindings;
pub mod chains;
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

/// The answer of a store, which may take a while.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// The one source of truth of a server. Whatever a method acknowledges is durable.
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
    /// Gives a handle to a key, when both are new.
    fn claim_handle(&self, claim: Claim) -> Answer<'_, ClaimOutcome>;

    /// The account that holds the handle, unless it is banned.
    fn lookup<'a>(&'a self, handle: &'a Handle) -> Answer<'a, Option<Account>>;

    /// The account that the key holds, unless it is banned.
    fn lookup_primary<'a>(&'a self, primary: &'a Primary) -> Answer<'a, Option<Account>>;

    /// Puts an envelope at the end of an inbox, unless the same bytes stand there already. Sequence numbers of one
    /// inbox rise in the order in which its rows become visible, and are never used twice.
    fn append(&self, message: NewMessage) -> Answer<'_, Appended>;

    /// The items after a cursor in rising order: at most `limit.items`, and no more once they reach `limit.bytes`. An
    /// envelope that the disk has changed is left out.
    fn page_after(&self, inbox: AccountId, since: u64, limit: PageLimit) -> Answer<'_, Vec<StoredMessage>>;

    /// Records that a caller used a nonce; `false` when it was used before. It may be forgotten
    /// [`kez_core::caller_auth::NONCE_LIFETIME_SECONDS`] later, and not when the caller's account is deleted.
    fn use_nonce(&self, caller: CallerKey, nonce: Nonce, now: Timestamp) -> Answer<'_, bool>;

    /// The same for a caller who is about to append a message: the record is durable when the message is, at the latest.
    fn note_nonce(&self, caller: CallerKey, nonce: Nonce, now: Timestamp) -> Answer<'_, bool> {
        self.use_nonce(caller, nonce, now)
    }

    /// Tells that a message will be appended in a moment, if a signature holds which is being checked: so that what comes
    /// together is stored together.
    fn expect(&self) -> Expected {
        Expected::NOBODY_WAITS
    }

    /// Whether other servers change the same database, so that what one of them remembers may be out of date.
    fn is_shared(&self) -> bool;

    /// The key for proofs of work: the same on every node, chosen when the database was created.
    fn work_key(&self) -> Answer<'_, [u8; 32]>;

    /// 16 hexadecimal digits, chosen when the database was created.
    fn epoch(&self) -> &str;

    /// Whether the store reads and could write: for `GET /v1/readyz`.
    fn check(&self) -> Answer<'_, ()>;

    /// Stores what is queued and lets go of the database. Later calls answer [`StoreError::Closed`].
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// Names an account within its store, for as long as the store lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub i64);

/// Names the key of a caller among the nonces: its first eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallerKey([u8; 8]);

impl CallerKey {
    /// The name of a key.
    pub fn of(key: &Primary) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = *key.as_bytes();
        Self([a, b, c, d, e, f, g, h])
    }

    /// The key whose first bytes these are.
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
    /// Its name in the store.
    pub id: AccountId,
    /// The handle.
    pub handle: Handle,
    /// The key.
    pub primary: Primary,
    /// The first key of its sigchain, which is another one once the account has changed keys.
    pub root: Primary,
    /// The signed registration, in canonical JSON.
    pub registration: String,
    /// When the server accepted it.
    pub registered_at: Timestamp,
}

/// A registration that passed every check but whether handle and key are free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The handle wanted.
    pub handle: Handle,
    /// The key that shall hold it.
    pub primary: Primary,
    /// The signed registration, in canonical JSON.
    pub registration: String,
    /// The invitation to use up, where one is needed.
    pub invite: Option<InviteHash>,
    /// The server's time.
    pub now: Timestamp,
}

/// What became of a [`Claim`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimOutcome {
    /// It stands, now or since an earlier identical claim.
    Stands(Account),
    /// Somebody holds the handle.
    HandleTaken,
    /// The key holds another handle.
    PrimaryTaken,
    /// The handle is kept back.
    HandleReserved,
    /// The invitation does not count.
    InviteRefused,
}

/// An envelope for an inbox.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Whose inbox.
    pub inbox: AccountId,
    /// The envelope's bytes as they came.
    pub envelope: Bytes,
    /// Where it comes from.
    pub origin: Origin,
    /// How much the inbox may hold; nothing limits it without one.
    pub quota: Option<Quota>,
    /// The server's time.
    pub now: Timestamp,
}

/// Where an envelope stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its place in the inbox, which its sender is not told.
    pub seq: u64,
    /// The hash of its bytes.
    pub receipt: Receipt,
    /// When it was stored first.
    pub created_at: Timestamp,
    /// Whether this call stored it; otherwise it stood there already.
    pub fresh: bool,
}

/// How much a page holds at most.
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
    /// Its place in the inbox.
    pub seq: u64,
    /// When it was stored.
    pub created_at: Timestamp,
    /// The envelope's bytes as they came.
    pub envelope: Vec<u8>,
}

/// Why a store did not do what it was asked. Nothing was stored then, unless it says otherwise.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The queue of writes is full.
    #[error("too many writes are waiting")]
    Busy,
    /// Another process holds the database.
    #[error("the database is locked")]
    Locked,
    /// The database server cannot be reached, or has broken off. Whether a write that was under way took place is not
    /// known; all of them may be repeated.
    #[error("the database cannot be reached: {0}")]
    Unreachable(Arc<str>),
    /// The account that it is for, or from, is not there any more.
    #[error("there is no such account")]
    NoSuchAccount,
    /// The inbox, or the part of it that is open to this sender, has no room left.
    #[error("the inbox is full")]
    InboxFull,
    /// There is no room left.
    #[error("the disk is full")]
    Full,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// The database failed in another way.
    #[error("{0}")]
    Database(Arc<str>),
    /// A row holds what this server never writes.
    #[error("the database holds a malformed {0}")]
    Corrupt(&'static str),
}
