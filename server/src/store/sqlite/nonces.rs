//! Nonces of signed requests: each works once.

use kez_core::caller_auth::{NONCE_LIFETIME_SECONDS, Nonce};
use kez_core::time::Timestamp;
use sqlx::sqlite::SqliteConnection;

use crate::store::{AccountId, StoreError};

pub(super) async fn use_nonce(
    connection: &mut SqliteConnection,
    caller: AccountId,
    nonce: Nonce,
    now: Timestamp,
) -> Result<bool, StoreError> {
    const FORGET: &str = "DELETE FROM nonces WHERE used_at < ?1";
    const RECORD: &str =
        "INSERT INTO nonces (account, nonce, used_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    let now = now.unix().cast_signed();
    sqlx::query(FORGET).bind(now - NONCE_LIFETIME_SECONDS.cast_signed()).execute(&mut *connection).await?;
    let recorded = sqlx::query(RECORD)
        .bind(caller.0)
        .bind(nonce.as_bytes().as_slice())
        .bind(now)
        .execute(connection)
        .await?;
    Ok(recorded.rows_affected() == 1)
}
