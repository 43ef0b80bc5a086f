//! Nonces of signed requests: each works once.

use kez_core::caller_auth::{NONCE_LIFETIME_SECONDS, Nonce};
use kez_core::time::Timestamp;
use rusqlite::{Connection, params};

use crate::store::{AccountId, StoreError};

/// A nonce, and who uses it when.
#[derive(Clone, Copy)]
pub(super) struct UsedNonce {
    pub(super) caller: AccountId,
    pub(super) nonce: Nonce,
    pub(super) now: Timestamp,
}

/// Records a nonce, and says whether it is new.
pub(super) fn record(connection: &Connection, used: &UsedNonce) -> Result<bool, StoreError> {
    const SQL: &str =
        "INSERT INTO nonces (account, nonce, used_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    let UsedNonce { caller, nonce, now } = used;
    let recorded = connection.prepare_cached(SQL)?.execute(params![
        caller.0,
        nonce.as_bytes(),
        now.unix().cast_signed()
    ])?;
    Ok(recorded == 1)
}

/// Forgets those that no signature can come with any more.
pub(super) fn forget_old(connection: &Connection, now: Timestamp) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM nonces WHERE used_at < ?1";
    let oldest = now.unix().cast_signed() - NONCE_LIFETIME_SECONDS.cast_signed();
    connection.prepare_cached(SQL)?.execute([oldest])?;
    Ok(())
}
