//! Nonces of signed requests, shared by all nodes: each can be used once.

use std::sync::atomic::{AtomicU64, Ordering};

use kez_core::caller_auth::NONCE_LIFETIME_SECONDS;
use kez_core::time::Timestamp;

use crate::store::StoreError;
use crate::store::connection::{Connection, values};
use crate::store::types::UsedNonce;

/// Rows are deleted only after twice their lifetime, because another node's clock may be behind this one's.
const KEPT_SECONDS: u64 = 2 * NONCE_LIFETIME_SECONDS;
/// The largest number of rows deleted per transaction, so that other writes do not wait long.
const PORTION: u64 = 10_000;
/// The interval at which a node deletes old nonces, in seconds ...
const FORGET_EVERY: u64 = 60;
/// ... and the delay before the next portion while there are more.
const FORGET_MORE: u64 = 1;

/// When this node deletes old nonces next, in seconds since 1970.
#[derive(Default)]
pub(super) struct Nonces(AtomicU64);

impl Nonces {
    /// Whether old nonces are due for deletion; true for only one caller.
    pub(super) fn are_old_ones_due(&self, now: Timestamp) -> bool {
        let (due, now) = (self.0.load(Ordering::Relaxed), now.unix());
        // A clock that was ahead and has been set back delays the deletion by no more than the interval.
        (now >= due || now + FORGET_EVERY < due)
            && self.0.compare_exchange(due, now + FORGET_EVERY, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// The last deletion has left old nonces.
    pub(super) fn there_are_more(&self, now: Timestamp) {
        self.0.store(now.unix() + FORGET_MORE, Ordering::Relaxed);
    }
}

/// Records a nonce, and returns whether it is new. With `forget`, also deletes a portion of the nonces that are too old
/// for any valid signature, skips rows that another node is deleting, and returns whether there may be more.
pub(super) fn record(
    connection: &mut Connection<'_>,
    UsedNonce { caller, nonce, now }: UsedNonce,
    forget: bool,
) -> Result<(bool, bool), StoreError> {
    const RECORD: &str = "INSERT INTO nonces (caller, nonce, used_at) VALUES ($1, $2, $3) \
        ON CONFLICT (caller, nonce) DO UPDATE SET used_at = excluded.used_at \
            WHERE nonces.used_at < excluded.used_at - $4";
    const FORGET: &str = "DELETE FROM nonces WHERE (caller, nonce) IN ( \
        SELECT caller, nonce FROM nonces WHERE used_at < $1 \
        ORDER BY used_at LIMIT $2 FOR UPDATE SKIP LOCKED)";
    let (caller, nonce) = (caller.as_bytes().as_slice(), nonce.as_bytes().as_slice());
    let recorded = connection.execute(RECORD, values![caller, nonce, now, NONCE_LIFETIME_SECONDS])?;
    let old = now.unix().saturating_sub(KEPT_SECONDS);
    let more = forget && connection.execute(FORGET, values![old, PORTION])? == PORTION;
    Ok((recorded == 1, more))
}
