//! Whose turn it is to do what several devices could do. All devices in the same state of a group compute the same order.

use kez_core::mls::LeafId;
use sha2::{Digest, Sha256};

use super::group::Known;
use crate::kernel::context::Context;

/// How long, in milliseconds, each device waits longer than the one before it.
const TURN: u64 = 2_000;
/// How many devices have a turn of their own. The others wait until all of these have had theirs, and then for a random
/// part of the same time again: 60 s at most.
const MOST_TURNS: u64 = 15;

impl Known {
    /// How long, in milliseconds, a device waits before it does what these other devices could do as well. The devices are
    /// in the order of SHA-256(epoch authenticator | device).
    pub(crate) fn turn<'a>(
        &self,
        me: &LeafId,
        others: impl Iterator<Item = &'a LeafId>,
        cx: &mut Context<'_>,
    ) -> u64 {
        let place = |leaf: &LeafId| {
            let digest = Sha256::new_with_prefix(self.authenticator).chain_update(leaf.device.as_bytes());
            <[u8; 32]>::from(digest.finalize())
        };
        let mine = place(me);
        let rank = others.filter(|other| place(other) < mine).count() as u64;
        match rank < MOST_TURNS {
            true => rank * TURN,
            false => MOST_TURNS * TURN + cx.rng.next_u64() % (MOST_TURNS * TURN),
        }
    }
}
