//! How often groups may be created and changed, and key packages claimed. A claim uses a package up, so each pair of claimer and owner has an allowance
//! of its own, and one owner's never holds up another's.

use std::sync::Arc;
use std::time::Duration;

use kez_core::problem::ProblemCode;

use crate::clock::Clock;
use crate::config::groups::GroupConfig;
use crate::edge::error::ApiError;
use crate::edge::limits::{Bucket, Wait};
use crate::store::AccountId;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The token buckets of accounts.
pub struct Claims {
    known: Bucket<(AccountId, AccountId)>,
    stranger: Bucket<(AccountId, AccountId)>,
    claimer: Bucket<AccountId>,
    creator: Bucket<AccountId>,
    committer: Bucket<AccountId>,
    asker: Bucket<AccountId>,
}

impl Claims {
    /// Starts with full buckets.
    pub fn new(config: &GroupConfig, clock: &Arc<dyn Clock>) -> Self {
        Self {
            known: Bucket::per(HOUR, config.group_claims_known_per_hour, clock),
            stranger: Bucket::per(HOUR, config.group_claims_stranger_per_hour, clock),
            claimer: Bucket::per(HOUR, config.group_claims_per_hour, clock),
            creator: Bucket::per(24 * HOUR, config.group_creations_per_day, clock),
            committer: Bucket::per(HOUR / 60, config.group_commits_per_minute, clock),
            asker: Bucket::per(HOUR, config.group_requests_per_hour, clock),
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

    /// Takes a token for a new group.
    ///
    /// # Errors
    /// 429 when the account has none left.
    pub fn create(&self, creator: AccountId) -> Result<(), ApiError> {
        self.creator.take(creator).map_err(|wait| too_many("you have created too many groups", wait))
    }

    /// Takes a token for a commit.
    ///
    /// # Errors
    /// 429 when the account has none left.
    pub fn commit(&self, committer: AccountId) -> Result<(), ApiError> {
        self.committer.take(committer).map_err(|wait| too_many("you are changing groups too fast", wait))
    }

    /// Takes a token for a request to join a group.
    ///
    /// # Errors
    /// 429 when the account has none left.
    pub fn ask(&self, asker: AccountId) -> Result<(), ApiError> {
        self.asker.take(asker).map_err(|wait| too_many("you have asked to join too many groups", wait))
    }

    /// Removes the accounts whose buckets are full again.
    pub fn evict_idle(&self) {
        self.known.evict_full();
        self.stranger.evict_full();
        self.claimer.evict_full();
        self.creator.evict_full();
        self.committer.evict_full();
        self.asker.evict_full();
    }
}

fn too_many(detail: &'static str, Wait(seconds): Wait) -> ApiError {
    ApiError::new(ProblemCode::RateLimited, detail).retry_after(seconds)
}
