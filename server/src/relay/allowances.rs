//! The allowances of senders, and those that all clients of a network share.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::config::AbuseConfig;
use crate::edge::client_address::ClientNetwork;
use crate::edge::limits::{Bucket, Wait};
use crate::store::AccountId;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Whose allowance pays for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// A sender whom the recipient has accepted, or the recipient's own account.
    Known,
    /// A signed-in sender.
    Stranger,
    /// All clients of a network together.
    Anonymous,
}

/// The signer of a message, as the recipient sees it.
#[derive(Clone, Copy, Debug)]
pub struct Sender {
    /// The sender's account.
    pub id: AccountId,
    /// Whether the recipient has accepted the sender.
    pub known: bool,
}

/// The token buckets of senders.
pub struct Allowances {
    pair: Bucket<(AccountId, AccountId)>,
    known_minute: Bucket<AccountId>,
    known_day: Bucket<AccountId>,
    own: Bucket<AccountId>,
    stranger: Bucket<AccountId>,
    network: Bucket<ClientNetwork>,
}

impl Allowances {
    /// Starts with full buckets.
    pub fn new(config: &AbuseConfig, clock: &Arc<dyn Clock>) -> Self {
        Self {
            pair: Bucket::per(MINUTE, config.pair_per_minute, clock),
            known_minute: Bucket::per(MINUTE, config.known_per_minute, clock),
            known_day: Bucket::per(DAY, config.known_per_day, clock),
            own: Bucket::per(MINUTE, config.known_per_minute, clock),
            stranger: Bucket::per(MINUTE, config.stranger_per_minute, clock),
            network: Bucket::per(MINUTE, config.network_per_minute, clock),
        }
    }

    /// Removes the senders whose buckets are full again.
    pub fn evict_idle(&self) {
        self.pair.evict_full();
        for bucket in [&self.known_minute, &self.known_day, &self.own, &self.stranger] {
            bucket.evict_full();
        }
        self.network.evict_full();
    }

    /// Takes a token of the allowance that all clients of a network share.
    ///
    /// # Errors
    /// [`Wait`] when there is none.
    pub fn take_for_network(&self, network: ClientNetwork) -> Result<(), Wait> {
        self.network.take(network)
    }

    /// Takes a token of what a sender may write to those who have accepted it.
    ///
    /// # Errors
    /// [`Wait`] when the minute or the day has none left.
    pub fn take_known(&self, sender: AccountId) -> Result<(), Wait> {
        self.known_minute.take(sender)?;
        self.known_day.take(sender)
    }

    /// The best tier in which the sender's own allowances have room.
    pub fn own_tier(&self, sender: Sender, recipient: AccountId) -> Option<Tier> {
        if sender.id == recipient {
            return self.own.take(sender.id).ok().map(|()| Tier::Known);
        }
        self.pair.take((sender.id, recipient)).ok()?;
        let known = sender.known
            && self.known_minute.take(sender.id).is_ok()
            && self.known_day.take(sender.id).is_ok();
        if known { Some(Tier::Known) } else { self.stranger.take(sender.id).ok().map(|()| Tier::Stranger) }
    }
}
