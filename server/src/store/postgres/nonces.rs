//! Nonces of signed requests, shared by all nodes: each works once.

use std::collections::BTreeMap;

use kez_core::caller_auth::{NONCE_LIFETIME_SECONDS, Nonce};
use kez_core::time::Timestamp;
use sqlx::postgres::PgConnection;

use crate::store::{CallerKey, StoreError};

/// Rows are deleted only after twice their lifetime: another node's clock may be behind this one's.
const KEPT_SECONDS: i64 = 2 * NONCE_LIFETIME_SECONDS.cast_signed();

/// How many rows one transaction deletes at most, so that nobody else waits long.
const PORTION: u64 = 10_000;

/// A nonce and who used it when.
pub(super) struct UsedNonce {
    pub(super) caller: CallerKey,
    pub(super) nonce: Nonce,
    pub(super) now: Timestamp,
}

/// Records those that are new, inside the transaction that the caller has begun, and says for each whether it was, in
/// order.
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
    // In order, so that two nodes that are shown the same nonces wait for each other one way round only.
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

/// Deletes those that no signature can come with any more, leaving to others what others are deleting. Says whether there
/// may be more of them.
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
