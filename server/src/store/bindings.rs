//! The nkeys that may receive the hints for an inbox (docs/SPEC.md, section 11).

use kez_core::identity::Primary;
use kez_core::nkey::PublicNkey;
use kez_core::time::Timestamp;

use super::connection::{Connection, records, values};
use super::{AccountId, Store, StoreError};

/// The largest number of unexpired nkeys of one account.
pub const MAX_LIVE: u32 = 32;
/// The largest number of nkeys of one account over its lifetime: a removed one is remembered for ever, so that it never
/// returns.
pub const MAX_EVER: u32 = 1024;

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

impl Store {
    /// Binds an nkey to an account, or gives one of the account's bindings a new expiry time.
    pub async fn bind_nkey(&self, binding: NewBinding) -> Result<BindOutcome, StoreError> {
        self.write(move |connection| bind(connection, &binding)).await
    }

    /// Removes a binding for good. `false` when the account never had a binding of this nkey.
    pub async fn remove_nkey(
        &self,
        account: AccountId,
        nkey: PublicNkey,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "UPDATE nats_bindings SET removed_at = coalesce(removed_at, $3) \
            WHERE nkey = $1 AND account = $2";
        Ok(self.write(move |connection| connection.execute(SQL, values![nkey, account, now])).await? == 1)
    }

    /// The key that an nkey is bound to, if the binding was not removed, the key still holds its account, and the
    /// account is not banned.
    pub async fn bound_nkey(&self, nkey: PublicNkey) -> Result<Option<Bound>, StoreError> {
        const SQL: &str = "SELECT accounts.primary_key, expires_at FROM nats_bindings \
            JOIN accounts ON accounts.id = account AND accounts.primary_key = nats_bindings.primary_key \
            WHERE nkey = $1 AND removed_at IS NULL \
                AND NOT EXISTS (SELECT 1 FROM bans WHERE bans.account = accounts.id)";
        self.read(move |connection| connection.row(SQL, values![nkey])).await
    }

    /// Every binding that the account ever made, including removed ones, sorted by nkey.
    pub async fn bindings_of(&self, account: AccountId) -> Result<Vec<Binding>, StoreError> {
        const SQL: &str = "SELECT binding, removed_at FROM nats_bindings WHERE account = $1 ORDER BY nkey";
        self.read(move |connection| connection.rows(SQL, values![account])).await
    }
}

fn bind(connection: &mut Connection<'_>, new: &NewBinding) -> Result<BindOutcome, StoreError> {
    const COUNT: &str = "SELECT count(*), count(*) FILTER (WHERE expires_at > $2 AND removed_at IS NULL) \
        FROM nats_bindings WHERE account = $1 AND nkey <> $3";
    // Changes no row when the nkey belongs to another account, or was removed.
    const BIND: &str = "INSERT INTO nats_bindings (nkey, account, binding, expires_at, primary_key) \
        VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (nkey) DO UPDATE SET binding = excluded.binding, expires_at = excluded.expires_at, \
            primary_key = excluded.primary_key \
            WHERE nats_bindings.account = excluded.account AND nats_bindings.removed_at IS NULL";
    let NewBinding { account, primary, nkey, binding, expires_at, now } = new;
    if let Some(obstacle) = obstacle(connection, *nkey, *account)? {
        return Ok(obstacle);
    }
    let (ever, live): (u64, u64) = connection.only_row(COUNT, values![*account, *now, *nkey])?;
    if live >= MAX_LIVE.into() || ever >= MAX_EVER.into() {
        return Ok(BindOutcome::TooMany);
    }
    let values = values![*nkey, *account, binding.as_str(), *expires_at, primary];
    match connection.execute(BIND, values)? {
        // Another account was faster.
        0 => Ok(obstacle(connection, *nkey, *account)?.unwrap_or(BindOutcome::HeldByAnother)),
        _ => Ok(BindOutcome::Bound),
    }
}

/// The reason why an account may not bind an nkey.
fn obstacle(
    connection: &mut Connection<'_>,
    nkey: PublicNkey,
    account: AccountId,
) -> Result<Option<BindOutcome>, StoreError> {
    const HOLDER: &str = "SELECT account, removed_at IS NOT NULL FROM nats_bindings WHERE nkey = $1";
    let holder: Option<(AccountId, bool)> = connection.row(HOLDER, values![nkey])?;
    Ok(match holder {
        Some((holder, _)) if holder != account => Some(BindOutcome::HeldByAnother),
        Some((_, true)) => Some(BindOutcome::Removed),
        _ => None,
    })
}

records! {
    Binding { binding, removed_at }
    Bound { primary, expires_at }
}
