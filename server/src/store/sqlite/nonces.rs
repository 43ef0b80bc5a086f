//! Nonces of signed requests: each can be used once. They are checked in memory, and also written to the database, so
//! that the check survives a restart.
//!
//! Waiting nonces are written with the next transaction that stores messages, or a moment later in a transaction of
//! their own, together with others that have arrived by then.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kez_core::caller_auth::{NONCE_LIFETIME_SECONDS, Nonce};
use kez_core::time::Timestamp;
use rusqlite::{CachedStatement, Connection, params};
use sqlx::sqlite::SqliteConnection;
use tokio::sync::Notify;

use super::job::Reply;
use crate::store::{CallerKey, StoreError};

/// How long nonces wait for messages to be written with, and for each other.
pub(super) const PATIENCE: Duration = Duration::from_millis(2);
/// The largest number of waiting nonces. Beyond that, callers must retry later.
const WAITING: usize = 1024;

/// A nonce, its caller and the time of its use.
#[derive(Clone, Copy)]
pub(super) struct UsedNonce {
    pub(super) caller: CallerKey,
    pub(super) nonce: Nonce,
    pub(super) now: Timestamp,
}

/// A nonce that waits to be written, with the reply channel of a caller that waits for it.
pub(super) type Waiting = (UsedNonce, Option<Reply<()>>);

/// See the module.
pub(super) struct Nonces {
    seen: Mutex<Seen>,
    /// `None` once nothing is written any more.
    waiting: Mutex<Option<Vec<Waiting>>>,
    /// Notified when the first nonce waits, or when nothing is written any more.
    pub(super) some_wait: Notify,
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
        Ok(Self { seen: seen.into(), waiting: Mutex::new(Some(Vec::new())), some_wait: Notify::new() })
    }

    /// Whether the nonce is new. If so, it is queued to be written, and the caller may wait for that.
    pub(super) fn add(&self, used: UsedNonce, reply: Option<Reply<()>>) -> Result<bool, StoreError> {
        let mut waiting = self.waiting();
        let waiting = waiting.as_mut().ok_or(StoreError::Closed)?;
        if waiting.len() >= WAITING {
            return Err(StoreError::Busy);
        }
        if !lock(&self.seen).note(used.caller, used.nonce, used.now.unix()) {
            return Ok(false);
        }
        if waiting.is_empty() {
            self.some_wait.notify_one();
        }
        waiting.push((used, reply));
        Ok(true)
    }

    /// The number of waiting nonces.
    pub(super) fn queued(&self) -> usize {
        self.waiting().as_ref().map_or(0, Vec::len)
    }

    /// Takes the waiting nonces, to write them now.
    pub(super) fn take(&self) -> Vec<Waiting> {
        self.waiting().as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Stops all writing.
    pub(super) fn close(&self) {
        *self.waiting() = None;
        self.some_wait.notify_one();
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Vec<Waiting>>> {
        lock(&self.waiting)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

const RECORD: &str = "INSERT INTO nonces (caller, nonce, used_at) VALUES (?1, ?2, ?3)";

/// Writes nonces one by one, as part of the caller's transaction.
pub(super) struct Recording<'c>(CachedStatement<'c>);

impl<'c> Recording<'c> {
    pub(super) fn prepare(connection: &'c Connection) -> Result<Self, StoreError> {
        Ok(Self(connection.prepare_cached(RECORD)?))
    }

    pub(super) fn record(&mut self, used: &UsedNonce) -> Result<(), StoreError> {
        let UsedNonce { caller, nonce, now } = used;
        self.0.execute(params![caller.as_bytes(), nonce.as_bytes(), now.unix().cast_signed()])?;
        Ok(())
    }
}

/// Writes one nonce, as part of the caller's transaction.
pub(super) async fn record(connection: &mut SqliteConnection, used: UsedNonce) -> Result<(), StoreError> {
    let UsedNonce { caller, nonce, now } = used;
    sqlx::query(RECORD)
        .bind(caller.as_bytes().as_slice())
        .bind(nonce.as_bytes().as_slice())
        .bind(now.unix().cast_signed())
        .execute(connection)
        .await?;
    Ok(())
}

/// Deletes some of the nonces too old for any valid signature: at most `new` and a few more, so that no writer waits
/// long and the table does not grow more than necessary.
pub(super) fn forget_old(connection: &Connection, now: Timestamp, new: usize) -> Result<(), StoreError> {
    const SQL: &str =
        "DELETE FROM nonces WHERE id < (SELECT min(id) FROM nonces) + ?1 AND used_at NOT BETWEEN ?2 AND ?3";
    let (now, lifetime) = (now.unix().cast_signed(), NONCE_LIFETIME_SECONDS.cast_signed());
    let some = i64::try_from(2 * new + 8).unwrap_or(i64::MAX);
    // A nonce from the future was written under a clock that has been set back since.
    connection.prepare_cached(SQL)?.execute([some, now - lifetime, now + lifetime])?;
    Ok(())
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
        assert!(
            seen.note(CallerKey::from_bytes([2; 8]), nonce(1), 1_000),
            "everybody has nonces of their own"
        );
        assert!(!seen.note(ALICE, nonce(1), 1_000));
        for n in 0..LIFETIME {
            assert!(seen.note(ALICE, nonce(100 + n as u8), 1_000 + n), "{n}");
        }
        assert!(!seen.note(ALICE, nonce(1), 1_000 + LIFETIME));
        assert!(seen.note(ALICE, nonce(1), 1_001 + LIFETIME));
        assert!(!seen.note(ALICE, nonce(1), 1_001 + 2 * LIFETIME), "used anew");
    }

    #[test]
    fn those_of_old_take_no_room() {
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
    fn those_that_come_after_the_clock_was_put_back_take_no_room_either() {
        const AHEAD: u64 = 1_000_000;
        let mut seen = Seen::default();
        assert!(seen.note(ALICE, nonce(1), 1_000));
        assert!(seen.note(ALICE, nonce(2), AHEAD));
        // The clock was ahead for a moment only.
        assert!(!seen.note(ALICE, nonce(1), 1_001), "alive, whatever the clock said meanwhile");
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
