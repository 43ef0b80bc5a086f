//! The holders of handles.

use futures::FutureExt;
use kez_core::handle::Handle;
use kez_core::identity::Primary;
use sqlx::postgres::PgConnection;

use super::invites::use_invite;
use super::moderation::{first_seq, is_banned};
use super::pool::Pool;
use crate::store::row::AccountRow;
use crate::store::{Account, AccountId, Claim, ClaimOutcome, StoreError};

pub(super) async fn lookup(pool: &Pool, handle: &Handle) -> Result<Option<Account>, StoreError> {
    const SQL: &str = "SELECT id, handle, primary_key, registration, registered_at, chain_root FROM accounts \
         WHERE handle = $1 AND NOT EXISTS (SELECT 1 FROM bans WHERE account = accounts.id)";
    account(pool, SQL, handle.as_str().to_owned()).await
}

pub(super) async fn lookup_primary(pool: &Pool, primary: &Primary) -> Result<Option<Account>, StoreError> {
    const SQL: &str = "SELECT id, handle, primary_key, registration, registered_at, chain_root FROM accounts \
         WHERE (primary_key = $1 OR id = (SELECT account FROM former_keys WHERE primary_key = $1)) \
         AND NOT EXISTS (SELECT 1 FROM bans WHERE account = accounts.id)";
    account(pool, SQL, primary.to_string()).await
}

async fn account(pool: &Pool, sql: &'static str, wanted: String) -> Result<Option<Account>, StoreError> {
    pool.read(|connection| {
        async move {
            let row: Option<AccountRow> = sqlx::query_as(sql).bind(wanted).fetch_optional(connection).await?;
            row.map(Account::try_from).transpose()
        }
        .boxed()
    })
    .await
}

/// Assigns the handle to the key unless either is taken. Two nodes that try at once are serialised by the unique
/// indexes: the second waits for the first and then finds its result.
pub(super) async fn claim(pool: &Pool, claim: Claim) -> Result<ClaimOutcome, StoreError> {
    pool.write(|connection| {
        async move {
            let Some(last_seq) = first_seq(connection, &claim.handle, claim.now).await? else {
                return Ok(ClaimOutcome::HandleReserved);
            };
            sqlx::query("SAVEPOINT before").execute(&mut *connection).await?;
            let Some(account) = insert(connection, &claim, last_seq).await? else {
                return compare(connection, &claim).await;
            };
            // A rotation may have freed the key in the unique index while this claim waited for it.
            if is_former(connection, &claim.primary).await? {
                return undo(connection, ClaimOutcome::PrimaryTaken).await;
            }
            // An invitation is used up when the account is created; when it is not valid, no account is created.
            match claim.invite {
                Some(invite) if !use_invite(connection, invite, claim.now).await? => {
                    undo(connection, ClaimOutcome::InviteRefused).await
                }
                _ => release_reservation(connection, account).await.map(ClaimOutcome::Stands),
            }
        }
        .boxed()
    })
    .await
}

async fn insert(
    connection: &mut PgConnection,
    claim: &Claim,
    last_seq: i64,
) -> Result<Option<Account>, StoreError> {
    const SQL: &str = "WITH account AS ( \
            INSERT INTO accounts (handle, primary_key, registration, registered_at) \
            SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT 1 FROM former_keys WHERE primary_key = $2) \
            ON CONFLICT DO NOTHING RETURNING id) \
        INSERT INTO inboxes (account, last_seq) SELECT id, $5 FROM account RETURNING account";
    let id: Option<i64> = sqlx::query_scalar(SQL)
        .bind(claim.handle.as_str())
        .bind(claim.primary.to_string())
        .bind(&claim.registration)
        .bind(claim.now.unix().cast_signed())
        .bind(last_seq)
        .fetch_optional(connection)
        .await?;
    Ok(id.map(|id| Account {
        id: AccountId(id),
        handle: claim.handle.clone(),
        primary: claim.primary,
        root: claim.primary,
        registration: claim.registration.clone(),
        registered_at: claim.now,
    }))
}

/// Whether the key is a former key of an account, as of the latest commit.
async fn is_former(connection: &mut PgConnection, key: &Primary) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT 1 FROM former_keys WHERE primary_key = $1";
    Ok(sqlx::query(SQL).bind(key.to_string()).fetch_optional(connection).await?.is_some())
}

/// Rolls the claim back completely.
async fn undo(connection: &mut PgConnection, outcome: ClaimOutcome) -> Result<ClaimOutcome, StoreError> {
    sqlx::query("ROLLBACK TO before").execute(connection).await?;
    Ok(outcome)
}

/// Removes the expired reservation of a handle. If an account was deleted while this claim waited for the unique index,
/// its reservation has only appeared now; then the claim fails.
async fn release_reservation(connection: &mut PgConnection, account: Account) -> Result<Account, StoreError> {
    const SQL: &str = "DELETE FROM reserved_handles WHERE handle = $1";
    if first_seq(connection, &account.handle, account.registered_at).await?.is_none() {
        return Err(StoreError::Busy);
    }
    sqlx::query(SQL).bind(account.handle.as_str()).execute(connection).await?;
    Ok(account)
}

async fn compare(connection: &mut PgConnection, claim: &Claim) -> Result<ClaimOutcome, StoreError> {
    const HOLDERS: &str = "SELECT id, handle, primary_key, registration, registered_at, chain_root FROM accounts \
                           WHERE handle = $1 OR primary_key = $2 \
                           OR id = (SELECT account FROM former_keys WHERE primary_key = $2) ORDER BY handle = $1 DESC LIMIT 1";
    let holder: Option<AccountRow> = sqlx::query_as(HOLDERS)
        .bind(claim.handle.as_str())
        .bind(claim.primary.to_string())
        .fetch_optional(&mut *connection)
        .await?;
    // The holder may have been deleted since; a retry finds both free.
    let holder = Account::try_from(holder.ok_or(StoreError::Busy)?)?;
    let stands = holder.registration == claim.registration && !is_banned(connection, holder.id).await?;
    Ok(if stands {
        ClaimOutcome::Stands(holder)
    } else if holder.handle == claim.handle {
        ClaimOutcome::HandleTaken
    } else {
        ClaimOutcome::PrimaryTaken
    })
}
