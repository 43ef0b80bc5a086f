//! How often key packages may be claimed. A claim uses a package up, so each pair of claimer and owner has an allowance
//! of its own, and one owner's never holds up another's.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::config::groups::GroupConfig;
use crate::edge::limits::{Bucket, Wait};
use crate::store::AccountId;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The token buckets of claimers.
pub struct Claims {
    known: Bucket<(AccountId, AccountId)>,
    stranger: Bucket<(AccountId, AccountId)>,
    claimer: Bucket<AccountId>,
}

impl Claims {
    /// Starts with full buckets.
    pub fn new(config: &GroupConfig, clock: &Arc<dyn Clock>) -> Self {
        Self {
            known: Bucket::per(HOUR, config.group_claims_known_per_hour, clock),
            stranger: Bucket::per(HOUR, config.group_claims_stranger_per_hour, clock),
            claimer: Bucket::per(HOUR, config.group_claims_per_hour, clock),
        }
    }

    /// Takes a token for the packages of one owner, who has accepted the claimer or has not.
    ///
    /// # Errors
    /// [`Wait`] when the pair or the claimer has none left.
    pub fn take(&self, claimer: AccountId, owner: AccountId, is_known: bool) -> Result<(), Wait> {
        let pair = if is_known { &self.known } else { &self.stranger };
        pair.take((claimer, owner))?;
        self.claimer.take(claimer)
    }

    /// Removes the claimers whose buckets are full again.
    pub fn evict_idle(&self) {
        self.known.evict_full();
        self.stranger.evict_full();
        self.claimer.evict_full();
    }
}
