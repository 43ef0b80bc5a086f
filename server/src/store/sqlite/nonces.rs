//! Nonces of signed requests: each can be used once. They are checked in memory, and written to the database with the
//! next transaction, so that the check survives a restart.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kez_core::caller_auth::{NONCE_LIFETIME_SECONDS, Nonce};
use rusqlite::{Connection, params};
use tokio::sync::oneshot;

use crate::store::types::UsedNonce;
use crate::store::{CallerKey, StoreError};

/// The largest number of waiting nonces. Beyond that, callers must retry later.
const WAITING: usize = 2048;

/// Sends an answer to a caller, which may have gone away; the write remains valid.
pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// A nonce that waits to be written, with the reply channel of a caller that waits for it.
pub(super) type Waiting = (UsedNonce, Option<Reply<bool>>);

/// See the module.
pub(super) struct Nonces {
    seen: Mutex<Seen>,
    waiting: Mutex<Vec<Waiting>>,
}

impl Nonces {
    /// Loads the nonces of a database that was just opened.
    pub(super) fn load(connection: &Connection) -> Result<Self, rusqlite::Error> {
        let mut seen = Seen::default();
        let mut all = connection.prepare("SELECT caller, nonce, used_at FROM nonces ORDER BY id")?;
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            let used_at = row.get::<_, i64>(2).map(u64::try_from);
            // A row damaged on disk was not a valid nonce.
            if let (Ok(caller), Ok(nonce), Ok(Ok(used_at))) = (row.get(0), row.get(1), used_at) {
                seen.note(CallerKey::from_bytes(caller), Nonce::from_bytes(nonce), used_at);
            }
        }
        Ok(Self { seen: seen.into(), waiting: Mutex::default() })
    }

    /// Queues a nonce to be written, if it is new. Otherwise the waiting caller, if any, gets its answer here. Returns
    /// whether it is new, and how many are waiting.
    pub(super) fn add(
        &self,
        used: UsedNonce,
        reply: Option<Reply<bool>>,
    ) -> Result<(bool, usize), StoreError> {
        let mut waiting = lock(&self.waiting);
        if waiting.len() >= WAITING {
            return Err(StoreError::Busy);
        }
        let is_new = lock(&self.seen).note(used.caller, used.nonce, used.now.unix());
        if is_new {
            waiting.push((used, reply));
        } else if let Some(reply) = reply {
            let _ = reply.send(Ok(false));
        }
        Ok((is_new, waiting.len()))
    }

    /// The number of waiting nonces.
    pub(super) fn queued(&self) -> usize {
        lock(&self.waiting).len()
    }

    /// Takes the waiting nonces, to write them now.
    pub(super) fn take(&self) -> Vec<Waiting> {
        std::mem::take(&mut *lock(&self.waiting))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes nonces as part of the caller's transaction, and deletes some of those too old for any valid signature: at most
/// twice as many, so that no writer waits long and the table does not grow more than necessary.
pub(super) fn record(connection: &Connection, nonces: &[Waiting]) -> Result<(), StoreError> {
    const RECORD: &str = "INSERT INTO nonces (caller, nonce, used_at) VALUES (?1, ?2, ?3)";
    const FORGET: &str =
        "DELETE FROM nonces WHERE id < (SELECT min(id) FROM nonces) + ?1 AND used_at NOT BETWEEN ?2 AND ?3";
    let Some(now) = nonces.iter().map(|(used, _)| used.now.unix().cast_signed()).min() else { return Ok(()) };
    // A nonce from the future was written under a clock that has been set back since.
    let (lifetime, some) = (NONCE_LIFETIME_SECONDS.cast_signed(), 2 * nonces.len() + 8);
    connection.prepare_cached(FORGET)?.execute(params![some, now - lifetime, now + lifetime])?;
    let mut record = connection.prepare_cached(RECORD)?;
    for (UsedNonce { caller, nonce, now }, _) in nonces {
        record.execute(params![caller.as_bytes(), nonce.as_bytes(), now.unix().cast_signed()])?;
    }
    Ok(())
}

/// The times at which nonces were used, in seconds since 1970, by their hashes under a key of this process. There are
/// two generations of one lifetime each, so that expired ones need not be searched for.
#[derive(Default)]
struct Seen {
    hasher: RandomState,
    since: u64,
    young: Generation,
    old: Generation,
}

#[derive(Default)]
struct Generation {
    used: HashMap<u64, u64>,
    /// When the newest of them was used.
    newest: u64,
}

impl Seen {
    /// Records a nonce; `false` when it was used within its lifetime.
    fn note(&mut self, caller: CallerKey, nonce: Nonce, now: u64) -> bool {
        let is_over = now >= self.since.saturating_add(NONCE_LIFETIME_SECONDS);
        // Nonces under a clock that was set back must not pile up until it has caught up.
        let is_yet_to_come = now.saturating_add(NONCE_LIFETIME_SECONDS) < self.since;
        let oldest = now.saturating_sub(NONCE_LIFETIME_SECONDS);
        if is_over || is_yet_to_come {
            let old = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            self.old.keep_alive(old, oldest);
            self.since = now;
        }
        let key = self.hasher.hash_one((caller, nonce.as_bytes()));
        if [&self.young, &self.old].iter().any(|seen| seen.used.get(&key).is_some_and(|at| *at >= oldest)) {
            return false;
        }
        self.young.used.insert(key, now);
        self.young.newest = self.young.newest.max(now);
        true
    }
}

impl Generation {
    /// Takes over the unexpired nonces of an older generation. There are some only when the clock was changed.
    fn keep_alive(&mut self, mut older: Self, oldest: u64) {
        if older.newest < oldest {
            return;
        }
        older.used.retain(|_, used_at| *used_at >= oldest);
        older.used.extend(self.used.drain());
        *self = Self { used: older.used, newest: self.newest.max(older.newest) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: CallerKey = CallerKey::from_bytes([1; 8]);
    const LIFETIME: u64 = NONCE_LIFETIME_SECONDS;

    fn nonce(byte: u8) -> Nonce {
        Nonce::from_bytes([byte; 16])
    }

    impl Seen {
        fn count(&self) -> usize {
            self.young.used.len() + self.old.used.len()
        }
    }

    #[test]
    fn a_nonce_is_recognised_for_its_lifetime() {
        let mut seen = Seen::default();
        assert!(seen.note(ALICE, nonce(1), 1_000));
        assert!(seen.note(CallerKey::from_bytes([2; 8]), nonce(1), 1_000), "each caller has its own nonces");
        assert!(!seen.note(ALICE, nonce(1), 1_000));
        for n in 0..LIFETIME {
            assert!(seen.note(ALICE, nonce(100 + n as u8), 1_000 + n), "{n}");
        }
        assert!(!seen.note(ALICE, nonce(1), 1_000 + LIFETIME));
        assert!(seen.note(ALICE, nonce(1), 1_001 + LIFETIME));
        assert!(!seen.note(ALICE, nonce(1), 1_001 + 2 * LIFETIME), "used anew");
    }

    #[test]
    fn expired_nonces_use_no_memory() {
        let mut seen = Seen::default();
        for n in 0..100 {
            seen.note(ALICE, nonce(n), 1_000 + u64::from(n) * LIFETIME / 4);
        }
        assert!(seen.count() <= 9, "{}", seen.count());
    }

    #[test]
    fn a_clock_that_goes_back_makes_no_nonce_new() {
        let mut seen = Seen::default();
        assert!(seen.note(ALICE, nonce(1), 1_000));
        assert!(!seen.note(ALICE, nonce(1), 900));
    }

    #[test]
    fn nonces_after_a_clock_step_back_use_no_memory() {
        const AHEAD: u64 = 1_000_000;
        let mut seen = Seen::default();
        assert!(seen.note(ALICE, nonce(1), 1_000));
        assert!(seen.note(ALICE, nonce(2), AHEAD));
        // The clock was ahead for a moment only.
        assert!(!seen.note(ALICE, nonce(1), 1_001), "still known, although the clock went back");
        for n in 0..100 {
            assert!(seen.note(ALICE, nonce(10 + n), 1_001 + u64::from(n) * LIFETIME / 4));
            assert!(!seen.note(ALICE, nonce(10 + n), 1_001 + u64::from(n) * LIFETIME / 4));
        }
        assert!(seen.count() <= 10, "{}", seen.count());
        // The signature from the future counts once that time has come.
        assert!(!seen.note(ALICE, nonce(2), AHEAD));
        assert!(!seen.note(ALICE, nonce(2), AHEAD + LIFETIME));
        assert!(seen.note(ALICE, nonce(2), AHEAD + 1 + LIFETIME));
    }
}
