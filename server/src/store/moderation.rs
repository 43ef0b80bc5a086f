//! Account changes after registration: bans, deletions and reserved handles.
//!
//! A banned account is not found by [`Store::lookup`] and [`Store::lookup_primary`].

use kez_core::handle::Handle;
use kez_core::time::Timestamp;

use super::accounts::Account;
use super::connection::{Connection, FromRow, Value, records, values};
use super::{AccountId, Store, StoreError};

/// How long the handle of a deleted account stays reserved, in seconds: twelve months.
pub const TOMBSTONE_SECONDS: u64 = 365 * 24 * 60 * 60;
/// The largest number of messages deleted per transaction, so that other writes do not wait long.
pub const PORTION: u64 = 500;

/// An account and whether it is banned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedAccount {
    /// The account.
    pub account: Account,
    /// The ban, if the account is banned.
    pub ban: Option<Ban>,
}

/// The ban of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Since when.
    pub at: Timestamp,
    /// The reason, for operators; it is not shown to anyone else.
    pub reason: String,
}

/// The state of a handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandleState {
    /// The handle is free, and anyone may claim it.
    Free,
    /// An account holds the handle.
    Held(ListedAccount),
    /// The handle cannot be claimed.
    Reserved {
        /// Since when.
        at: Timestamp,
        /// Until when; `None` until it is released.
        until: Option<Timestamp>,
    },
}

impl HandleState {
    /// Whether the handle is reserved at this time.
    pub fn is_reserved(&self, now: Timestamp) -> bool {
        matches!(self, Self::Reserved { until, .. } if until.is_none_or(|until| until > now))
    }
}

/// A change to an account: it was banned or deleted, or its handle went to another key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountChange {
    /// The number of the change.
    pub revision: u64,
    /// The account.
    pub account: AccountId,
    /// The handle.
    pub handle: Handle,
}

impl Store {
    /// Accounts in the order of their handles, including banned ones: at most `limit` after a handle.
    pub async fn accounts_after(
        &self,
        after: Option<Handle>,
        limit: u64,
    ) -> Result<Vec<ListedAccount>, StoreError> {
        const SQL: &str = "SELECT id, handle, primary_key, registration, registered_at, chain_root, banned_at, reason \
            FROM accounts LEFT JOIN bans ON account = id WHERE handle > $1 ORDER BY handle LIMIT $2";
        let after = after.map_or_else(String::new, |handle| handle.to_string());
        self.read(move |connection| connection.rows(SQL, values![after, limit])).await
    }

    /// The state of a handle.
    pub async fn handle_state(&self, handle: Handle) -> Result<HandleState, StoreError> {
        self.read(move |connection| handle_state(connection, &handle)).await
    }

    /// Bans the account of a handle, or changes the reason; `false` when the handle has no account.
    pub async fn ban(&self, handle: Handle, ban: Ban) -> Result<bool, StoreError> {
        const SQL: &str = "INSERT INTO bans (account, banned_at, reason) \
            SELECT id, $2, $3 FROM accounts WHERE handle = $1 \
            ON CONFLICT (account) DO UPDATE SET reason = excluded.reason RETURNING account";
        self.write(move |connection| {
            let banned = connection.row(SQL, values![&handle, ban.at, ban.reason.as_str()])?;
            announce(connection, banned, &handle, ban.at)
        })
        .await
    }

    /// Lifts a ban; `false` when there is none.
    pub async fn unban(&self, handle: Handle, now: Timestamp) -> Result<bool, StoreError> {
        const SQL: &str = "DELETE FROM bans WHERE account = (SELECT id FROM accounts WHERE handle = $1) \
            RETURNING account";
        self.write(move |connection| {
            let unbanned = connection.row(SQL, values![&handle])?;
            announce(connection, unbanned, &handle, now)
        })
        .await
    }

    /// Reserves a handle, for ever or until a time; `false` when an account holds it.
    pub async fn reserve(
        &self,
        handle: Handle,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "INSERT INTO reserved_handles (handle, reserved_at, reserved_until, last_seq) \
            SELECT $1, $2, $3, 0 WHERE NOT EXISTS (SELECT 1 FROM accounts WHERE handle = $1) \
            ON CONFLICT (handle) DO UPDATE SET \
                reserved_at = excluded.reserved_at, reserved_until = excluded.reserved_until";
        Ok(self.write(move |connection| connection.execute(SQL, values![&handle, now, until])).await? == 1)
    }

    /// Releases a reserved handle; `false` when it is not reserved.
    pub async fn release(&self, handle: Handle, now: Timestamp) -> Result<bool, StoreError> {
        const SQL: &str = "UPDATE reserved_handles SET reserved_until = 0 \
            WHERE handle = $1 AND (reserved_until IS NULL OR reserved_until > $2)";
        Ok(self.write(move |connection| connection.execute(SQL, values![&handle, now])).await? == 1)
    }

    /// Deletes an account with everything stored for it. The handle stays reserved for [`TOMBSTONE_SECONDS`], and the
    /// numbers of its inbox are not reused. `false` when it was already deleted.
    pub async fn delete_account(&self, account: AccountId, now: Timestamp) -> Result<bool, StoreError> {
        // Other writes get their turn between two portions.
        while self.change_messages(move |connection| delete_portion(connection, account)).await? {}
        self.change_messages(move |connection| delete_account(connection, account, now)).await
    }

    /// The account changes after a revision.
    pub async fn account_changes(&self, since: u64) -> Result<Vec<AccountChange>, StoreError> {
        const SQL: &str =
            "SELECT revision, account, handle FROM account_changes WHERE revision > $1 ORDER BY revision";
        self.read(move |connection| connection.rows(SQL, values![since])).await
    }

    /// The revision of the last change.
    pub async fn account_revision(&self) -> Result<u64, StoreError> {
        const SQL: &str = "SELECT revision FROM account_revision";
        self.read(|connection| connection.only_row(SQL, &[])).await
    }

    /// Deletes account changes from before a time, which every process has read since.
    pub async fn forget_changes(&self, before: Timestamp) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM account_changes WHERE changed_at < $1";
        self.change_messages(move |connection| connection.execute(SQL, values![before])).await.map(drop)
    }
}

fn handle_state(connection: &mut Connection<'_>, handle: &Handle) -> Result<HandleState, StoreError> {
    const HELD: &str = "SELECT id, handle, primary_key, registration, registered_at, chain_root, banned_at, reason \
        FROM accounts LEFT JOIN bans ON account = id WHERE handle = $1";
    const RESERVED: &str = "SELECT reserved_at, reserved_until FROM reserved_handles WHERE handle = $1";
    if let Some(held) = connection.row(HELD, values![handle])? {
        return Ok(HandleState::Held(held));
    }
    let reserved = connection.row(RESERVED, values![handle])?;
    Ok(reserved.map_or(HandleState::Free, |(at, until)| HandleState::Reserved { at, until }))
}

/// Whether the operator has banned an account.
pub(super) fn is_banned(connection: &mut Connection<'_>, account: AccountId) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT account FROM bans WHERE account = $1";
    Ok(connection.row::<AccountId>(SQL, values![account])?.is_some())
}

/// The first number for a new inbox of the handle, or `None` when the handle is reserved.
pub(super) fn first_seq(
    connection: &mut Connection<'_>,
    handle: &Handle,
    now: Timestamp,
) -> Result<Option<i64>, StoreError> {
    const SQL: &str = "SELECT reserved_until, last_seq FROM reserved_handles WHERE handle = $1";
    let row: Option<(Option<Timestamp>, i64)> = connection.row(SQL, values![handle])?;
    Ok(match row {
        None => Some(0),
        Some((Some(until), last_seq)) if until <= now => Some(last_seq),
        Some(_) => None,
    })
}

/// Tells every process that caches holders to look again. Part of every transaction that changes a holder. Returns
/// whether there was an account.
pub(super) fn announce(
    connection: &mut Connection<'_>,
    account: Option<AccountId>,
    handle: &Handle,
    now: Timestamp,
) -> Result<bool, StoreError> {
    const REVISION: &str = "UPDATE account_revision SET revision = revision + 1 RETURNING revision";
    const CHANGE: &str =
        "INSERT INTO account_changes (revision, account, handle, changed_at) VALUES ($1, $2, $3, $4)";
    let Some(account) = account else { return Ok(false) };
    let revision: u64 = connection.only_row(REVISION, &[])?;
    connection.execute(CHANGE, values![revision, account, handle, now])?;
    Ok(true)
}

/// Deletes a portion of an account's messages. Returns whether there may be more.
fn delete_portion(connection: &mut Connection<'_>, account: AccountId) -> Result<bool, StoreError> {
    connection.lock_inbox(account.inbox())?;
    Ok(super::inboxes::delete_oldest(connection, account.inbox())? == PORTION)
}

/// Deletes an account that has few messages left, and leaves a tombstone. Without the locks, a message that another node
/// stores at the same time would stay behind, with a number that the tombstone does not know.
fn delete_account(
    connection: &mut Connection<'_>,
    account: AccountId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    const TOMBSTONE: &str = "INSERT INTO reserved_handles (handle, reserved_at, reserved_until, last_seq) \
        SELECT handle, $2, $3, last_seq FROM accounts JOIN inboxes ON account = id WHERE id = $1 \
        ON CONFLICT (handle) DO UPDATE SET reserved_at = excluded.reserved_at, \
            reserved_until = excluded.reserved_until, last_seq = excluded.last_seq RETURNING handle";
    // Children first.
    const ROWS: [&str; 6] = [
        "DELETE FROM reports WHERE reporter = $1",
        "DELETE FROM request_shares WHERE inbox = $1",
        "DELETE FROM inboxes WHERE account = $1",
        "DELETE FROM former_keys WHERE account = $1",
        "DELETE FROM nats_bindings WHERE account = $1",
        "DELETE FROM accounts WHERE id = $1",
    ];
    connection.lock_account(account)?;
    while super::inboxes::delete_oldest(connection, account.inbox())? == PORTION {}
    let handle: Option<Handle> =
        connection.row(TOMBSTONE, values![account, now, now.unix() + TOMBSTONE_SECONDS])?;
    let Some(handle) = handle else { return Ok(false) };
    for rows in ROWS {
        connection.execute(rows, values![account])?;
    }
    announce(connection, Some(account), &handle, now)
}

impl FromRow for ListedAccount {
    fn from_row(mut row: Vec<Value>) -> Result<Self, StoreError> {
        let ban = row.split_off(row.len().min(6));
        let (at, reason): (Option<Timestamp>, Option<String>) = FromRow::from_row(ban)?;
        let ban = at.zip(reason).map(|(at, reason)| Ban { at, reason });
        Ok(Self { account: Account::from_row(row)?, ban })
    }
}

records! {
    AccountChange { revision, account, handle }
}
