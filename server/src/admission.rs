//! Decides whether a message is accepted, and whose allowance pays for it: docs/SPEC.md, section 14.
//!
//! A message is accepted in the best tier that has room: the sender's allowance for recipients who have accepted the
//! sender, the sender's allowance for other recipients, the allowance that all clients of a network share, or a proof
//! of work. So signing never leaves a sender worse off than staying anonymous, and a flood from strangers takes nothing
//! from users who know each other.

use std::sync::Arc;
use std::time::Duration;

use kez_core::problem::ProblemCode;
use kez_core::work::{Work, WorkFor};
use tokio::sync::SemaphorePermit;

use crate::client_address::ClientNetwork;
use crate::clock::Clock;
use crate::config::AbuseConfig;
use crate::disk::Room;
use crate::error::ApiError;
use crate::limits::{Bucket, Kind, Wait};
use crate::state::{AppState, Shared};
use crate::store::AccountId;
use crate::store::usage::{Held, Quota};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a stranger's message waits for its turn to be written.
const PATIENCE: Duration = Duration::from_secs(2);

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
pub struct Senders {
    pair: Bucket<(AccountId, AccountId)>,
    known_minute: Bucket<AccountId>,
    known_day: Bucket<AccountId>,
    own: Bucket<AccountId>,
    stranger: Bucket<AccountId>,
    network: Bucket<ClientNetwork>,
}

impl Senders {
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
    pub fn forget_the_quiet(&self) {
        self.pair.forget_the_full();
        for bucket in [&self.known_minute, &self.known_day, &self.own, &self.stranger] {
            bucket.forget_the_full();
        }
        self.network.forget_the_full();
    }

    /// The best tier in which the sender's own allowances have room.
    fn own_tier(&self, sender: Sender, recipient: AccountId) -> Option<Tier> {
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

/// Periodically removes senders whose buckets are full again.
pub async fn forget_quiet_senders(state: AppState) {
    let mut interval = tokio::time::interval(MINUTE);
    loop {
        interval.tick().await;
        if let Some(senders) = &state.senders {
            senders.forget_the_quiet();
        }
    }
}

/// The result of checking the network's allowance before the message is read.
#[derive(Clone, Copy, Debug)]
pub enum Door {
    /// There are no limits.
    Open,
    /// A token was taken.
    Taken,
    /// No token is left; the next one comes after this time.
    Empty(Wait),
    /// No token is left, but the client has sent a proof of work.
    Paid,
    /// Not checked yet, because the message is signed.
    Ahead,
}

impl Shared {
    /// Checks the network's allowance for an unsigned message before reading it.
    ///
    /// # Errors
    /// 429 with an offer of work, unless the request carries a proof of work.
    pub fn at_the_door(&self, network: ClientNetwork, work: Option<&Work>) -> Result<Door, ApiError> {
        let Some(senders) = &self.senders else { return Ok(Door::Open) };
        match (senders.network.take(network), work) {
            (Ok(()), _) => Ok(Door::Taken),
            (Err(wait), Some(_)) => Ok(Door::Empty(wait)),
            (Err(wait), None) => Err(self.too_many(wait)),
        }
    }

    /// Checks the proof of work of a message that was read, where one is needed, before any lookup for that message.
    ///
    /// # Errors
    /// 429 with an offer of work when the proof is not the requested one, or when a network pays faster than its read
    /// rate allows.
    pub fn pay(
        &self,
        door: Door,
        network: ClientNetwork,
        (work, work_for): (Option<&Work>, WorkFor<'_>),
    ) -> Result<Door, ApiError> {
        let Door::Empty(wait) = door else { return Ok(door) };
        if !self.is_paid(work, work_for) {
            return Err(self.too_many(wait));
        }
        // A retry may repeat the same bytes with the same work as often as answers are lost.
        if let Some(limits) = &self.limits {
            limits.check(Kind::Read, network)?;
        }
        Ok(Door::Paid)
    }

    fn is_paid(&self, work: Option<&Work>, work_for: WorkFor<'_>) -> bool {
        work.is_some_and(|work| self.work.accepts(work, work_for, self.now()))
    }

    /// Finds the tier of a message that was read.
    ///
    /// # Errors
    /// 429 with an offer of work when no tier has room, 413 when only a smaller envelope would fit.
    pub fn admit(
        &self,
        door: Door,
        sender: Option<Sender>,
        recipient: AccountId,
        network: ClientNetwork,
        (work, work_for): (Option<&Work>, WorkFor<'_>),
    ) -> Result<Tier, ApiError> {
        let Some(senders) = &self.senders else {
            let known = sender.is_some_and(|sender| sender.known || sender.id == recipient);
            return Ok(if known { Tier::Known } else { Tier::Anonymous });
        };
        if let Some(tier) = sender.and_then(|sender| senders.own_tier(sender, recipient)) {
            return Ok(tier);
        }
        let shared = match door {
            Door::Open | Door::Taken | Door::Paid => Ok(()),
            Door::Empty(wait) => Err(wait),
            Door::Ahead => senders.network.take(network),
        };
        if let Err(wait) = shared
            && !self.is_paid(work, work_for)
        {
            return Err(self.too_many(wait));
        }
        if work_for.envelope.len() as u64 > self.config.abuse.anonymous_bytes {
            let detail = format!(
                "an envelope from a sender whom the recipient does not know has at most {} bytes here",
                self.config.abuse.anonymous_bytes
            );
            return Err(ApiError::new(ProblemCode::EnvelopeTooLarge, detail));
        }
        Ok(Tier::Anonymous)
    }

    /// Waits until a message of this tier may be written. Only a limited number of strangers wait at once, and only
    /// while the disk has room.
    ///
    /// # Errors
    /// 503 `unavailable`.
    pub async fn turn(&self, tier: Tier) -> Result<Option<SemaphorePermit<'_>>, ApiError> {
        if tier == Tier::Known || self.senders.is_none() {
            return Ok(None);
        }
        if self.disk.room() != Room::Ample {
            let detail =
                "the server's disk fills up: at the moment only people who know each other can write";
            return Err(ApiError::unavailable(detail, 300));
        }
        match tokio::time::timeout(PATIENCE, self.strangers.acquire()).await {
            Ok(Ok(permit)) => Ok(Some(permit)),
            _ => Err(ApiError::unavailable("too many strangers write at the moment", 2)),
        }
    }

    /// How much an inbox may hold.
    pub fn quota(&self) -> Option<Quota> {
        let config = &self.config.abuse;
        self.senders.as_ref().map(|_| Quota {
            waiting: config.inbox_messages,
            bytes: config.inbox_bytes,
            requests: Held { messages: config.requests_messages, bytes: config.requests_bytes },
        })
    }

    fn too_many(&self, Wait(seconds): Wait) -> ApiError {
        let detail = "too many messages from your network: wait, or do the work that `work` asks for";
        ApiError::new(ProblemCode::RateLimited, detail)
            .retry_after(seconds)
            .unless_paid(self.work.offer(self.now()))
    }
}
