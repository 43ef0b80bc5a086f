//! Nonces of signed requests: each works once.

use std::collections::HashSet;

use kez_core::caller_auth::{NONCE_LIFETIME_SECONDS, Nonce};
use kez_core::time::Timestamp;
use sqlx::sqlite::SqliteConnection;

use super::json_rows::JsonRows;
use crate::store::{AccountId, StoreError};

/// How many bytes a nonce has.
const LENGTH: usize = 16;

/// A nonce, and who uses it when.
#[derive(Clone, Copy)]
pub(super) struct UsedNonce {
    pub(super) caller: AccountId,
    pub(super) nonce: Nonce,
    pub(super) now: Timestamp,
}

macro_rules! record {
    () => {
        "DELETE FROM nonces WHERE used_at < ?3; \
         INSERT INTO nonces (account, nonce, used_at) \
         SELECT value ->> 0, substr(?2, key * 16 + 1, 16), value ->> 1 FROM json_each(?1) \
         WHERE true ON CONFLICT DO NOTHING RETURNING account, nonce"
    };
}

/// Where the statements stand in their transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
    /// The caller has begun it, and commits.
    Begun,
    /// They begin it, and the caller commits.
    Beginning,
    /// They are all of it.
    Whole,
}

/// Records those that are new, and says for each whether it was, in order. Those that no signature can come with any more
/// are forgotten.
pub(super) async fn use_all(
    connection: &mut SqliteConnection,
    used: &[UsedNonce],
    within: Within,
) -> Result<Vec<bool>, StoreError> {
    let sql = match within {
        Within::Begun => record!(),
        Within::Beginning => concat!("BEGIN IMMEDIATE; ", record!()),
        Within::Whole => concat!("BEGIN IMMEDIATE; ", record!(), "; COMMIT"),
    };
    let (mut rows, mut nonces) = (JsonRows::default(), Vec::with_capacity(used.len() * LENGTH));
    for used in used {
        rows.push(&[used.caller.0, used.now.unix().cast_signed()]);
        nonces.extend_from_slice(used.nonce.as_bytes());
    }
    let now = used.iter().map(|used| used.now.unix().cast_signed()).min().unwrap_or(0);
    let recorded: Vec<(i64, Vec<u8>)> = sqlx::query_as(sql)
        .bind(rows.finish())
        .bind(nonces)
        .bind(now - NONCE_LIFETIME_SECONDS.cast_signed())
        .fetch_all(connection)
        .await?;
    // Of two that are the same in one batch, the first was recorded.
    let mut fresh: HashSet<(i64, &[u8])> =
        recorded.iter().map(|(account, nonce)| (*account, nonce.as_slice())).collect();
    Ok(used.iter().map(|used| fresh.remove(&(used.caller.0, used.nonce.as_bytes().as_slice()))).collect())
}
