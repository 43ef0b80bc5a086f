//! Nonces of signed requests, shared by all nodes: each can be used once.

use std::collections::BTreeMap;

use kez_core::caller_auth::{NONCE_LIFETIME_SECONDS, Nonce};
use kez_core::time::Timestamp;
use sqlx::postgres::PgConnection;

use crate::store::{CallerKey, StoreError};

/// Rows are deleted only after twice their lifetime, because another node's clock may be behind this one's.
const KEPT_SECONDS: i64 = 2 * NONCE_LIFETIME_SECONDS.cast_signed();

/// The largest number of rows deleted per transaction, so that other writes do not wait long.
const PORTION: u64 = 10_000;

/// A nonce, its caller and the time of its use.
pub(super) struct UsedNonce {
    pub(super) caller: CallerKey,
    pub(super) nonce: Nonce,
    pub(super) now: Timestamp,
}

/// Records the new nonces inside the caller's transaction, and returns for each whether it was new, in order.
pub(super) async fn use_all(
    connection: &mut PgConnection,
    used: &[&UsedNonce],
) -> Result<Vec<bool>, StoreError> {
    const SQL: &str = "INSERT INTO nonces (caller, nonce, used_at) \
        SELECT * FROM UNNEST($1::bytea[], $2::bytea[], $3::bigint[]) \
        ON CONFLICT (caller, nonce) DO UPDATE SET used_at = excluded.used_at \
            WHERE nonces.used_at < excluded.used_at - $4 \
        RETURNING caller, nonce";
    if used.is_empty() {
        return Ok(Vec::new());
    }
    // Sorted, so that two nodes that receive the same nonces lock them in the same order and cannot deadlock.
    let mut firsts = BTreeMap::new();
    for (place, used) in used.iter().enumerate() {
        firsts
            .entry((used.caller.as_bytes().as_slice(), used.nonce.as_bytes().as_slice()))
            .or_insert((place, used.now));
    }
    let callers: Vec<&[u8]> = firsts.keys().map(|(caller, _)| *caller).collect();
    let nonces: Vec<&[u8]> = firsts.keys().map(|(_, nonce)| *nonce).collect();
    let times: Vec<i64> = firsts.values().map(|(_, now)| now.unix().cast_signed()).collect();
    let fresh: Vec<(Vec<u8>, Vec<u8>)> = sqlx::query_as(SQL)
        .bind(callers)
        .bind(nonces)
        .bind(times)
        .bind(NONCE_LIFETIME_SECONDS.cast_signed())
        .fetch_all(connection)
        .await?;
    let mut outcomes = vec![false; used.len()];
    for (caller, nonce) in &fresh {
        if let Some((place, _)) = firsts.get(&(caller.as_slice(), nonce.as_slice())) {
            outcomes[*place] = true;
        }
    }
    Ok(outcomes)
}

/// Deletes nonces too old for any valid signature, and skips rows that another node is deleting. Returns whether there
/// may be more.
pub(super) async fn forget_old(connection: &mut PgConnection, now: Timestamp) -> Result<bool, StoreError> {
    const SQL: &str = "DELETE FROM nonces WHERE (caller, nonce) IN ( \
        SELECT caller, nonce FROM nonces WHERE used_at < $1 \
        ORDER BY used_at LIMIT $2 FOR UPDATE SKIP LOCKED)";
    let deleted = sqlx::query(SQL)
        .bind(now.unix().cast_signed() - KEPT_SECONDS)
        .bind(PORTION.cast_signed())
        .execute(connection)
        .await?;
    Ok(deleted.rows_affected() == PORTION)
}
