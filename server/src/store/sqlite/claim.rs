//! Assigns a handle to a key.

use sqlx::sqlite::SqliteConnection;

use super::invites::use_invite;
use super::moderation::{first_seq, is_banned};
use crate::store::row::AccountRow;
use crate::store::{Account, AccountId, Claim, ClaimOutcome, StoreError};

pub(super) async fn claim_handle(
    connection: &mut SqliteConnection,
    claim: Claim,
) -> Result<ClaimOutcome, StoreError> {
    const HOLDERS: &str = "SELECT id, handle, primary_key, registration, registered_at, chain_root FROM accounts \
                           WHERE handle = ?1 OR primary_key = ?2 \
                           OR id = (SELECT account FROM former_keys WHERE primary_key = ?2) ORDER BY handle = ?1 DESC LIMIT 1";
    let holder: Option<AccountRow> = sqlx::query_as(HOLDERS)
        .bind(claim.handle.as_str())
        .bind(claim.primary.to_string())
        .fetch_optional(&mut *connection)
        .await?;
    let holder = holder.map(Account::try_from).transpose()?;
    if let Some(holder) = holder.as_ref().filter(|holder| holder.handle == claim.handle) {
        return compare(connection, holder, &claim).await;
    }
    let Some(last_seq) = first_seq(connection, &claim.handle, claim.now).await? else {
        return Ok(ClaimOutcome::HandleReserved);
    };
    if holder.is_some() {
        return Ok(ClaimOutcome::PrimaryTaken);
    }
    match claim.invite {
        Some(invite) if !use_invite(&mut *connection, invite, claim.now).await? => {
            Ok(ClaimOutcome::InviteRefused)
        }
        _ => insert(connection, claim, last_seq).await.map(ClaimOutcome::Stands),
    }
}

/// The same claim again is accepted; any other claim is too late for the handle.
async fn compare(
    connection: &mut SqliteConnection,
    holder: &Account,
    claim: &Claim,
) -> Result<ClaimOutcome, StoreError> {
    let stands = holder.registration == claim.registration && !is_banned(connection, holder.id).await?;
    Ok(if stands { ClaimOutcome::Stands(holder.clone()) } else { ClaimOutcome::HandleTaken })
}

async fn insert(
    connection: &mut SqliteConnection,
    claim: Claim,
    last_seq: i64,
) -> Result<Account, StoreError> {
    const ACCOUNT: &str = "INSERT INTO accounts (handle, primary_key, registration, registered_at) \
                           VALUES (?1, ?2, ?3, ?4) RETURNING id";
    const INBOX: &str = "INSERT INTO inboxes (account, last_seq) VALUES (?1, ?2)";
    const REST: &str = "DELETE FROM reserved_handles WHERE handle = ?1";
    let id: i64 = sqlx::query_scalar(ACCOUNT)
        .bind(claim.handle.as_str())
        .bind(claim.primary.to_string())
        .bind(&claim.registration)
        .bind(claim.now.unix().cast_signed())
        .fetch_one(&mut *connection)
        .await?;
    sqlx::query(INBOX).bind(id).bind(last_seq).execute(&mut *connection).await?;
    sqlx::query(REST).bind(claim.handle.as_str()).execute(connection).await?;
    Ok(Account {
        id: AccountId(id),
        handle: claim.handle,
        primary: claim.primary,
        root: claim.primary,
        registration: claim.registration,
        registered_at: claim.now,
    })
}
