//! The accounts: which key holds which handle.

use kez_core::handle::Handle;
use kez_core::identity::Primary;
use kez_core::invite::InviteHash;
use kez_core::time::Timestamp;

use super::connection::{Connection, FromRow, Value, values};
use super::invites::use_invite;
use super::moderation::{announce, first_seq, is_banned};
use super::{AccountId, Store, StoreError};

impl Store {
    /// Assigns a handle to a key, if both are new.
    ///
    /// # Errors
    /// A failure of the database; [`StoreError::Busy`] when the handle was released at the same moment.
    pub async fn claim_handle(&self, claim: Claim) -> Result<ClaimOutcome, StoreError> {
        self.write(move |connection| claim_handle(connection, &claim)).await
    }

    /// The account that holds the handle, unless it is banned.
    pub async fn lookup(&self, handle: &Handle) -> Result<Option<Account>, StoreError> {
        const SQL: &str = "SELECT id, handle, primary_key, registration, registered_at, chain_root FROM accounts \
            WHERE handle = $1 AND NOT EXISTS (SELECT 1 FROM bans WHERE account = accounts.id)";
        let handle = Value::from(handle);
        self.read(move |connection| connection.row(SQL, &[handle])).await
    }

    /// The account that the key holds, or held before a rotation, unless it is banned.
    pub async fn lookup_primary(&self, primary: &Primary) -> Result<Option<Account>, StoreError> {
        const SQL: &str = "SELECT id, handle, primary_key, registration, registered_at, chain_root FROM accounts \
            WHERE (primary_key = $1 OR id = (SELECT account FROM former_keys WHERE primary_key = $1)) \
                AND NOT EXISTS (SELECT 1 FROM bans WHERE account = accounts.id)";
        let primary = Value::from(primary);
        self.read(move |connection| connection.row(SQL, &[primary])).await
    }

    /// Transfers an account to its next key, if it still belongs to the previous one. Lookup, inbox and authentication
    /// change in one transaction, and the bindings of the former key end.
    pub async fn rotate(&self, rotation: Rotation) -> Result<RotationOutcome, StoreError> {
        self.write(move |connection| rotate(connection, &rotation)).await
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

/// A rotation that the account's sigchain authorises.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// The account.
    pub account: AccountId,
    /// Its handle.
    pub handle: Handle,
    /// The key that held it so far.
    pub from: Primary,
    /// The key that holds it from now on.
    pub to: Primary,
    /// The first key of the account's sigchain.
    pub root: Primary,
    /// The new key's signed registration, in canonical JSON.
    pub registration: String,
    /// The server's time.
    pub now: Timestamp,
}

/// The result of a [`Rotation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationOutcome {
    /// The account belongs to the next key.
    Rotated,
    /// It no longer belonged to the previous key.
    Overtaken,
    /// The next key holds, or has held, an account.
    PrimaryTaken,
}

impl FromRow for Account {
    fn from_row(row: Vec<Value>) -> Result<Self, StoreError> {
        let (id, handle, primary, registration, registered_at, root) = FromRow::from_row(row)?;
        let root: Option<Primary> = root;
        Ok(Self { id, handle, primary, root: root.unwrap_or(primary), registration, registered_at })
    }
}

/// Two nodes that claim at once are serialised by the unique indexes: the second waits for the first and then finds its
/// result.
fn claim_handle(connection: &mut Connection<'_>, claim: &Claim) -> Result<ClaimOutcome, StoreError> {
    let Some(last_seq) = first_seq(connection, &claim.handle, claim.now)? else {
        return Ok(ClaimOutcome::HandleReserved);
    };
    connection.execute("SAVEPOINT before", &[])?;
    let Some(account) = insert(connection, claim, last_seq)? else {
        return compare(connection, claim);
    };
    // A rotation may have freed the key in the unique index while this claim waited for it.
    if is_former(connection, &claim.primary)? {
        return undo(connection, ClaimOutcome::PrimaryTaken);
    }
    // An invitation is used up when the account is created; when it is not valid, no account is created.
    match claim.invite {
        Some(invite) if !use_invite(connection, invite, claim.now)? => {
            undo(connection, ClaimOutcome::InviteRefused)
        }
        _ => release_reservation(connection, account, last_seq).map(ClaimOutcome::Stands),
    }
}

fn insert(
    connection: &mut Connection<'_>,
    claim: &Claim,
    last_seq: i64,
) -> Result<Option<Account>, StoreError> {
    const ACCOUNT: &str = "INSERT INTO accounts (handle, primary_key, registration, registered_at) \
        SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT 1 FROM former_keys WHERE primary_key = $2) \
        ON CONFLICT DO NOTHING RETURNING id";
    const INBOX: &str = "INSERT INTO inboxes (account, last_seq) VALUES ($1, $2)";
    let Claim { handle, primary, registration, now, .. } = claim;
    let id: Option<AccountId> =
        connection.row(ACCOUNT, values![handle, primary, registration.as_str(), *now])?;
    let Some(id) = id else { return Ok(None) };
    connection.execute(INBOX, values![id, last_seq])?;
    let (handle, registration) = (handle.clone(), registration.clone());
    Ok(Some(Account { id, handle, primary: *primary, root: *primary, registration, registered_at: *now }))
}

/// Whether the key is a former key of an account, as of the latest commit.
fn is_former(connection: &mut Connection<'_>, key: &Primary) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT account FROM former_keys WHERE primary_key = $1";
    Ok(connection.row::<AccountId>(SQL, values![key])?.is_some())
}

/// Rolls the claim back completely.
fn undo(connection: &mut Connection<'_>, outcome: ClaimOutcome) -> Result<ClaimOutcome, StoreError> {
    connection.execute("ROLLBACK TO before", &[])?;
    Ok(outcome)
}

/// Removes the expired reservation of a handle. If an account was deleted while this claim waited for the unique index,
/// its reservation has only appeared now, and may have another last number; then the claim fails.
fn release_reservation(
    connection: &mut Connection<'_>,
    account: Account,
    last_seq: i64,
) -> Result<Account, StoreError> {
    if first_seq(connection, &account.handle, account.registered_at)? != Some(last_seq) {
        return Err(StoreError::Busy);
    }
    connection.execute("DELETE FROM reserved_handles WHERE handle = $1", values![&account.handle])?;
    Ok(account)
}

/// Compares a claim with the account that holds its handle or its key.
fn compare(connection: &mut Connection<'_>, claim: &Claim) -> Result<ClaimOutcome, StoreError> {
    const HOLDERS: &str = "SELECT id, handle, primary_key, registration, registered_at, chain_root FROM accounts \
        WHERE handle = $1 OR primary_key = $2 OR id = (SELECT account FROM former_keys WHERE primary_key = $2) \
        ORDER BY CASE WHEN handle = $1 THEN 0 ELSE 1 END LIMIT 1";
    // The holder may have been deleted since; a retry finds both free.
    let holder: Option<Account> = connection.row(HOLDERS, values![&claim.handle, &claim.primary])?;
    let holder = holder.ok_or(StoreError::Busy)?;
    let stands = holder.registration == claim.registration && !is_banned(connection, holder.id)?;
    Ok(if stands {
        ClaimOutcome::Stands(holder)
    } else if holder.handle == claim.handle {
        ClaimOutcome::HandleTaken
    } else {
        ClaimOutcome::PrimaryTaken
    })
}

fn rotate(connection: &mut Connection<'_>, rotation: &Rotation) -> Result<RotationOutcome, StoreError> {
    // First, because it locks the account: of two concurrent rotations, the second sees the result of the first.
    const LOCK: &str = "UPDATE accounts SET chain_root = $1 WHERE id = $2 AND primary_key = $3";
    const TAKEN: &str = "SELECT id FROM accounts WHERE primary_key = $1 \
        UNION ALL SELECT account FROM former_keys WHERE primary_key = $1";
    const HAND_OVER: &str =
        "UPDATE accounts SET primary_key = $1, registration = $2, registered_at = $3 WHERE id = $4";
    const FORMER: &str = "INSERT INTO former_keys (primary_key, account, replaced_at) VALUES ($1, $2, $3)";
    let Rotation { account, handle, from, to, root, registration, now } = rotation;
    if connection.execute(LOCK, values![root, *account, from])? == 0 {
        return Ok(RotationOutcome::Overtaken);
    }
    if connection.row::<AccountId>(TAKEN, values![to])?.is_some() {
        return Ok(RotationOutcome::PrimaryTaken);
    }
    connection.execute(HAND_OVER, values![to, registration.as_str(), *now, *account])?;
    connection.execute(FORMER, values![from, *account, *now])?;
    announce(connection, Some(*account), handle, *now)?;
    Ok(RotationOutcome::Rotated)
}
