//! What the parts of one call share: its randomness, the keys that are trusted, and why something was refused.

use std::sync::{Mutex, MutexGuard, PoisonError};

use kez_core::identity::{Primary, PublicIdentity, SecretIdentity, Seed};
use kez_core::mls::LeafId;
use kez_core::mls::call::{Certified, May};
use kez_core::mls::reply::{Stop, Why};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::crypto::CryptoError;

/// The shared state of one call.
pub(crate) struct Context {
    chance: Mutex<Option<Chance>>,
    me: Option<SecretIdentity>,
    /// Ascending by device, for it is searched at every leaf; sorted lists are smaller code than trees. `None` when any
    /// well-formed credential counts.
    certified: Option<Vec<Certified>>,
    notes: Mutex<Notes>,
    may: Mutex<May>,
}

struct Chance {
    seed: Seed,
    counter: u64,
}

#[derive(Default)]
struct Notes {
    unknown: Vec<LeafId>,
    why: Option<Why>,
}

impl Context {
    /// The context of a call by `me`, if anyone calls, with these certified devices. Without a seed every draw fails.
    pub(crate) fn new(me: Option<SecretIdentity>, certified: &[Certified], seed: Option<Seed>) -> Self {
        let mut certified = certified.to_vec();
        certified.sort_unstable_by_key(|device| device.credential.leaf());
        Self {
            chance: Mutex::new(seed.map(|seed| Chance { seed, counter: 0 })),
            me,
            certified: Some(certified),
            notes: Mutex::default(),
            may: Mutex::default(),
        }
    }

    /// A context without a caller, in which any well-formed credential counts.
    pub(crate) fn unbound(seed: Option<[u8; 32]>) -> Self {
        let unbound = Self::new(None, &[], seed.map(Seed::from_bytes));
        Self { certified: None, ..unbound }
    }

    /// Fills `out` with SHA-256(seed | counter), for as many counters as that takes.
    pub(crate) fn draw(&self, out: &mut [u8]) -> Result<(), CryptoError> {
        let mut chance = lock(&self.chance);
        let chance = chance.as_mut().ok_or(CryptoError::NoRandomness)?;
        for part in out.chunks_mut(32) {
            let block =
                Sha256::new().chain_update(chance.seed.as_bytes()).chain_update(chance.counter.to_be_bytes());
            let block = Zeroizing::new(<[u8; 32]>::from(block.finalize()));
            for (to, from) in part.iter_mut().zip(block.iter()) {
                *to = *from;
            }
            chance.counter += 1;
        }
        Ok(())
    }

    /// Calls `f` with the keys of this seed, which are derived anew only if it is not the caller's.
    pub(crate) fn with_signer<T>(
        &self,
        seed: &[u8],
        f: impl FnOnce(&SecretIdentity) -> Result<T, CryptoError>,
    ) -> Result<T, CryptoError> {
        let seed: [u8; 32] = seed.try_into().map_err(|_| CryptoError::Unusable)?;
        match &self.me {
            Some(me) if *me.seed().as_bytes() == seed => f(me),
            _ => f(&SecretIdentity::from_seed(Seed::from_bytes(seed))),
        }
    }

    /// The key with these bytes. Certified keys were accepted when their links were parsed, so their torsion is not
    /// checked again.
    pub(crate) fn accepted(&self, key: &[u8]) -> Result<PublicIdentity, CryptoError> {
        let primary = Primary::from_bytes(key.try_into().map_err(|_| CryptoError::Unusable)?);
        let known = self.certified.iter().flatten().any(|device| device.key == primary);
        let accepted =
            if known { PublicIdentity::accepted_before(primary) } else { PublicIdentity::try_from(primary) };
        accepted.map_err(|_| CryptoError::Unusable)
    }

    /// The device as its chain certifies it. `Ok(None)` when every device counts.
    pub(crate) fn certified(&self, leaf: &LeafId) -> Result<Option<&Certified>, Unknown> {
        match &self.certified {
            None => Ok(None),
            Some(certified) => {
                let at = certified.binary_search_by_key(leaf, |device| device.credential.leaf());
                at.ok().and_then(|at| certified.get(at)).map(Some).ok_or(Unknown)
            }
        }
    }

    /// What the statements beside the present commit prove.
    pub(crate) fn may(&self) -> MutexGuard<'_, May> {
        lock(&self.may)
    }

    /// Notes a device that no chain certifies. [`Context::settle`] then refuses whatever came of it.
    pub(crate) fn note_unknown(&self, leaf: LeafId) {
        lock(&self.notes).unknown.push(leaf);
    }

    /// Notes a reason that mls-rs cannot carry. The first one counts.
    pub(crate) fn note(&self, why: Why) {
        lock(&self.notes).why.get_or_insert(why);
    }

    /// Decides about a result of mls-rs: it counts only when nothing was noted since the last decision.
    pub(crate) fn settle<T, E: Into<Why>>(
        &self,
        result: Result<T, E>,
        by: Option<LeafId>,
    ) -> Result<T, Stop> {
        let Notes { mut unknown, why } = std::mem::take(&mut *lock(&self.notes));
        unknown.sort_unstable();
        unknown.dedup();
        match (why, result) {
            (Some(why), _) => Err(Stop::Refused { why, by }),
            (None, _) if !unknown.is_empty() => Err(Stop::Unknown(unknown)),
            (None, Ok(value)) => Ok(value),
            (None, Err(error)) => Err(Stop::Refused { why: error.into(), by }),
        }
    }
}

/// No chain certifies the device.
#[derive(Debug)]
pub(crate) struct Unknown;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use super::*;

    #[test]
    fn randomness_is_sha_256_of_seed_and_counter() {
        let context = Context::unbound(Some([7; 32]));
        let (mut first, mut rest) = ([0; 40], [0; 32]);
        context.draw(&mut first).unwrap();
        context.draw(&mut rest).unwrap();
        let block = |counter: u64| Sha256::digest([[7; 32].as_slice(), &counter.to_be_bytes()].concat());
        assert_eq!(first[..32], block(0)[..]);
        assert_eq!(first[32..], block(1)[..8]);
        assert_eq!(rest[..], block(2)[..]);
        assert!(matches!(Context::unbound(None).draw(&mut rest), Err(CryptoError::NoRandomness)));
    }
}
