//! The nkeys that may receive the hints for an inbox (docs/SPEC.md, section 11).

use kez_core::identity::Primary;
use kez_core::nkey::PublicNkey;
use kez_core::time::Timestamp;

use super::{AccountId, Answer, StoreError};

/// The largest number of unexpired nkeys of one account.
pub const MAX_LIVE: u32 = 32;
/// The largest number of nkeys of one account over its lifetime: a removed one is remembered for ever, so that it never
/// returns.
pub const MAX_EVER: u32 = 1024;

/// The bindings of nkeys. Part of [`super::Store`].
pub trait Bindings: Send + Sync {
    /// Binds an nkey to an account, or gives one of the account's bindings a new expiry time.
    fn bind_nkey(&self, binding: NewBinding) -> Answer<'_, BindOutcome>;

    /// Removes a binding for good. `false` when the account never had a binding of this nkey.
    fn remove_nkey(&self, account: AccountId, nkey: PublicNkey, now: Timestamp) -> Answer<'_, bool>;

    /// The key that an nkey is bound to, if the binding was not removed and the key still holds its account.
    fn bound_nkey(&self, nkey: PublicNkey) -> Answer<'_, Option<Bound>>;

    /// Every binding that the account ever made, including removed ones, sorted by nkey.
    fn bindings_of(&self, account: AccountId) -> Answer<'_, Vec<Binding>>;
}

/// A stored binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The signed binding, in canonical JSON.
    pub binding: String,
    /// When its account removed it.
    pub removed_at: Option<Timestamp>,
}

/// A binding that passed every check except those of [`BindOutcome`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBinding {
    /// The owner of the inbox.
    pub account: AccountId,
    /// The key that signed the binding.
    pub primary: Primary,
    /// The nkey.
    pub nkey: PublicNkey,
    /// The signed binding, in canonical JSON.
    pub binding: String,
    /// The expiry time.
    pub expires_at: Timestamp,
    /// The server's time.
    pub now: Timestamp,
}

/// The result of a [`NewBinding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindOutcome {
    /// The nkey is bound.
    Bound,
    /// The nkey was removed earlier.
    Removed,
    /// The nkey belongs to another account.
    HeldByAnother,
    /// The account has [`MAX_LIVE`] other bindings, or has had [`MAX_EVER`].
    TooMany,
}

/// The key that an nkey is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The key that holds the account.
    pub primary: Primary,
    /// The expiry time of the binding, past or future.
    pub expires_at: Timestamp,
}

/// The statements shared by both engines.
pub(super) mod sql {
    /// (`nkey`) The account, and whether it has removed the nkey.
    pub(in crate::store) const HOLDER: &str =
        "SELECT account, removed_at IS NOT NULL FROM nats_bindings WHERE nkey = $1";
    /// (`account`, `now`, `nkey`) The number of other bindings that the account has had, and has now.
    pub(in crate::store) const COUNT: &str = "SELECT count(*), \
        count(*) FILTER (WHERE expires_at > $2 AND removed_at IS NULL) \
        FROM nats_bindings WHERE account = $1 AND nkey <> $3";
    /// (`nkey`, `account`, `binding`, `expires_at`, `primary_key`) Changes no row when the nkey belongs to another
    /// account, or was removed.
    pub(in crate::store) const BIND: &str = "INSERT INTO nats_bindings (nkey, account, binding, expires_at, primary_key) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (nkey) DO UPDATE SET binding = excluded.binding, expires_at = excluded.expires_at, \
            primary_key = excluded.primary_key \
            WHERE nats_bindings.account = excluded.account AND nats_bindings.removed_at IS NULL";
    /// (`nkey`, `account`, `now`)
    pub(in crate::store) const REMOVE: &str =
        "UPDATE nats_bindings SET removed_at = coalesce(removed_at, $3) WHERE nkey = $1 AND account = $2";
    /// (`account`)
    pub(in crate::store) const ALL: &str =
        "SELECT binding, removed_at FROM nats_bindings WHERE account = $1 ORDER BY nkey";
    /// (`nkey`) No row for an account that is banned, or that belongs to another key by now.
    pub(in crate::store) const FIND: &str = "SELECT accounts.primary_key, expires_at FROM nats_bindings \
        JOIN accounts ON accounts.id = account AND accounts.primary_key = nats_bindings.primary_key \
        WHERE nkey = $1 AND removed_at IS NULL \
            AND NOT EXISTS (SELECT 1 FROM bans WHERE bans.account = accounts.id)";
}

/// The reason why `account` may not bind an nkey, given its row.
pub(super) fn obstacle(holder: Option<(i64, bool)>, account: AccountId) -> Option<BindOutcome> {
    match holder {
        Some((holder, _)) if holder != account.0 => Some(BindOutcome::HeldByAnother),
        Some((_, true)) => Some(BindOutcome::Removed),
        _ => None,
    }
}

impl TryFrom<(String, Option<i64>)> for Binding {
    type Error = StoreError;

    /// From the columns `binding` and `removed_at`.
    fn try_from((binding, removed_at): (String, Option<i64>)) -> Result<Self, StoreError> {
        let removed_at =
            removed_at.map(u64::try_from).transpose().map_err(|_| StoreError::Corrupt("time"))?;
        Ok(Self { binding, removed_at: removed_at.map(Timestamp::from_unix) })
    }
}

impl TryFrom<(String, i64)> for Bound {
    type Error = StoreError;

    /// From the columns `primary_key` and `expires_at`.
    fn try_from((primary, expires_at): (String, i64)) -> Result<Self, StoreError> {
        let expires_at = expires_at.try_into().map_err(|_| StoreError::Corrupt("time"))?;
        Ok(Self {
            primary: primary.parse().map_err(|_| StoreError::Corrupt("key"))?,
            expires_at: Timestamp::from_unix(expires_at),
        })
    }
}
