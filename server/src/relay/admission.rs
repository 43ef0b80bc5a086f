//! Decides whether a message is accepted, and whose allowance pays for it: docs/SPEC.md, section 14.
//!
//! A message is accepted in the best tier that has room: the sender's allowance for recipients who have accepted the
//! sender, the sender's allowance for other recipients, the allowance that all clients of a network share, or a proof
//! of work. So signing never leaves a sender worse off than staying anonymous, and a flood from strangers takes nothing
//! from users who know each other.
//!
//! A request passes three states: [`Unread`], [`Read`] and [`Admitted`]. Each step returns the next state.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use kez_core::identity::Primary;
use kez_core::inbox_auth;
use kez_core::problem::ProblemCode;
use kez_core::work::{self, MalformedWork, Work, WorkFor};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::accounts::caller::Authenticator;
use crate::accounts::directory::Holder;
use crate::clock::Clock;
use crate::config::AbuseConfig;
use crate::edge::body::{self, JsonBody};
use crate::edge::client_address::ClientNetwork;
use crate::edge::error::ApiError;
use crate::edge::limits::{Kind, Limits, Wait};
use crate::edge::proxy_trust::ProxyTrust;
use crate::operations::disk::{Disk, Room};
use crate::relay::allowances::{Allowances, Sender, Tier};
use crate::relay::network_tag::NetworkTags;
use crate::relay::work::WorkChallenges;
use crate::store::AccountId;
use crate::store::usage::{Held, NetworkTag, Origin, Quota, Source};

/// How long a stranger's message waits for its turn to be written.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(2);
/// The number of strangers' messages that may wait to be written. Users who know each other never wait behind more than
/// these.
const STRANGERS: usize = 64;

/// The rules for accepting messages.
pub struct Admission {
    config: AbuseConfig,
    clock: Arc<dyn Clock>,
    trust: Arc<ProxyTrust>,
    disk: Arc<Disk>,
    work: WorkChallenges,
    network_tags: NetworkTags,
    strangers: Semaphore,
    /// `None` under `--limits off`.
    limited: Option<Limited>,
}

struct Limited {
    limits: Arc<Limits>,
    allowances: Allowances,
}

/// A request to send a message. The allowances that need no body have been checked.
pub struct Unread<'a> {
    admission: &'a Admission,
    request: Request,
    network: ClientNetwork,
    work: Option<Work>,
    allowance: NetworkAllowance,
}

/// A request whose body is read and whose signature, if any, is valid.
pub struct Read<'a> {
    admission: &'a Admission,
    network: ClientNetwork,
    work: Option<Work>,
    allowance: NetworkAllowance,
    caller: Option<Holder>,
}

/// A message that may be stored. A stranger's message keeps its place among the writes until this is dropped.
pub struct Admitted<'a> {
    tier: Tier,
    is_limited: bool,
    is_signed: bool,
    network: NetworkTag,
    _permit: Option<SemaphorePermit<'a>>,
}

/// The state of the network's allowance for a message.
#[derive(Clone, Copy, Debug)]
enum NetworkAllowance {
    /// There are no limits.
    Unlimited,
    /// A token was taken.
    Taken,
    /// No token is left; the next one comes after this time. The request carries a proof of work.
    Exhausted(Wait),
    /// No token is left, and the proof of work is valid.
    Redeemed,
    /// Not checked yet, because the message is signed.
    Unchecked,
}

impl Admission {
    /// Starts with full allowances. There are none without `limits`.
    pub fn new(
        config: AbuseConfig,
        limits: Option<Arc<Limits>>,
        trust: Arc<ProxyTrust>,
        disk: Arc<Disk>,
        work_key: [u8; 32],
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            trust,
            disk,
            work: WorkChallenges::new(work_key, config.work_bits),
            network_tags: NetworkTags::new(work_key),
            strangers: Semaphore::new(STRANGERS),
            limited: limits.map(|limits| Limited { limits, allowances: Allowances::new(&config, &clock) }),
            config,
            clock,
        }
    }

    /// Checks the allowances of a request before its body is read.
    ///
    /// # Errors
    /// 400 for a malformed proof of work. 429 with an offer of work, unless the request carries a proof of work.
    pub fn begin(&self, request: Request) -> Result<Unread<'_>, ApiError> {
        let network = ClientNetwork::of(&self.trust, &request);
        let work = work(request.headers())?;
        let allowance = if request.headers().contains_key(inbox_auth::HEADER) {
            self.check_signed(network)?;
            NetworkAllowance::Unchecked
        } else {
            self.check_network(network, work.as_ref())?
        };
        Ok(Unread { admission: self, request, network, work, allowance })
    }

    /// Checks the rate at which a network may send signed messages, before anything is looked up.
    ///
    /// # Errors
    /// 429.
    pub fn check_signed(&self, network: ClientNetwork) -> Result<(), ApiError> {
        self.limited.as_ref().map_or(Ok(()), |limited| limited.limits.check(Kind::Signed, network))
    }

    /// Takes a token of the allowance with which an account writes to people who have accepted it, for an item of a group.
    ///
    /// # Errors
    /// 429.
    pub fn admit_to_group(&self, sender: AccountId) -> Result<(), ApiError> {
        let Some(limited) = &self.limited else { return Ok(()) };
        limited.allowances.take_known(sender).map_err(|Wait(seconds)| {
            ApiError::new(ProblemCode::RateLimited, "you are writing too fast").retry_after(seconds)
        })
    }

    /// A message from a caller who was authenticated by means other than a signature on the message.
    pub const fn authenticated(
        &self,
        caller: Holder,
        network: ClientNetwork,
        work: Option<Work>,
    ) -> Read<'_> {
        let allowance = NetworkAllowance::Unchecked;
        Read { admission: self, network, work, allowance, caller: Some(caller) }
    }

    fn check_network(
        &self,
        network: ClientNetwork,
        work: Option<&Work>,
    ) -> Result<NetworkAllowance, ApiError> {
        let Some(limited) = &self.limited else { return Ok(NetworkAllowance::Unlimited) };
        match (limited.allowances.take_for_network(network), work) {
            (Ok(()), _) => Ok(NetworkAllowance::Taken),
            (Err(wait), Some(_)) => Ok(NetworkAllowance::Exhausted(wait)),
            (Err(wait), None) => Err(self.too_many(wait)),
        }
    }

    /// Waits until a message of this tier may be written. Only a limited number of strangers wait at once, and only
    /// while the disk has room.
    async fn permit(&self, tier: Tier) -> Result<Option<SemaphorePermit<'_>>, ApiError> {
        if tier == Tier::Known || self.limited.is_none() {
            return Ok(None);
        }
        if self.disk.room() != Room::Ample {
            let detail =
                "the server's disk is filling up: at the moment only people who know each other can write";
            return Err(ApiError::unavailable(detail, 300));
        }
        match tokio::time::timeout(PERMIT_TIMEOUT, self.strangers.acquire()).await {
            Ok(Ok(permit)) => Ok(Some(permit)),
            _ => Err(ApiError::unavailable("too many strangers are writing at the moment", 2)),
        }
    }

    /// How much an inbox may hold.
    pub fn quota(&self) -> Option<Quota> {
        let config = &self.config;
        self.limited.as_ref().map(|_| Quota {
            waiting: config.inbox_messages,
            bytes: config.inbox_bytes,
            requests: Held { messages: config.requests_messages, bytes: config.requests_bytes },
        })
    }

    /// Removes the senders and networks whose allowances are full again.
    pub fn evict_idle(&self) {
        if let Some(limited) = &self.limited {
            limited.allowances.evict_idle();
        }
    }

    fn is_work_done(&self, work: Option<&Work>, work_for: WorkFor<'_>) -> bool {
        work.is_some_and(|work| self.work.accepts(work, work_for, self.clock.now()))
    }

    fn too_many(&self, Wait(seconds): Wait) -> ApiError {
        let detail = "too many messages from your network: wait, or do the work that `work` asks for";
        ApiError::new(ProblemCode::RateLimited, detail)
            .retry_after(seconds)
            .with_work_offer(self.work.offer(self.clock.now()))
    }
}

impl<'a> Unread<'a> {
    /// Reads the body and verifies the signature, if there is one.
    ///
    /// # Errors
    /// As for every body, and for every caller.
    pub async fn read(self, authenticator: &Authenticator) -> Result<(Read<'a>, Bytes), ApiError> {
        let Self { admission, request, network, work, allowance } = self;
        let (caller, body) = if matches!(allowance, NetworkAllowance::Unchecked) {
            body::must_be_json(request.headers())?;
            let caller = authenticator.for_append(request).await?;
            (Some(caller.holder), caller.body)
        } else {
            let JsonBody(body) = JsonBody::from_request(request, &()).await?;
            (None, body)
        };
        Ok((Read { admission, network, work, allowance, caller }, body))
    }
}

impl<'a> Read<'a> {
    /// The signer of the request.
    pub const fn caller(&self) -> Option<Holder> {
        self.caller
    }

    /// Checks the proof of work, where one is needed, before any lookup for the message.
    ///
    /// # Errors
    /// 429: with an offer of work when the proof is not the requested one, without one when a network pays faster
    /// than its read rate allows.
    pub fn redeem_work(self, work_for: WorkFor<'_>) -> Result<Self, ApiError> {
        let (NetworkAllowance::Exhausted(wait), Some(limited)) = (self.allowance, &self.admission.limited)
        else {
            return Ok(self);
        };
        if !self.admission.is_work_done(self.work.as_ref(), work_for) {
            return Err(self.admission.too_many(wait));
        }
        // The same work pays for every retry of the same bytes, so retries count as reads.
        limited.limits.check(Kind::Read, self.network)?;
        Ok(Self { allowance: NetworkAllowance::Redeemed, ..self })
    }

    /// Finds the tier of the message, and waits until a message of this tier may be written. The sender is `None` for
    /// an unsigned message, and for one signed by an account other than the envelope's sender.
    ///
    /// # Errors
    /// 429 with an offer of work when no tier has room, 413 when only a smaller envelope would fit, 503 when too many
    /// strangers are writing or the disk is filling up.
    pub async fn admit(
        self,
        sender: Option<Sender>,
        recipient: AccountId,
        work_for: WorkFor<'_>,
    ) -> Result<Admitted<'a>, ApiError> {
        let tier = self.tier(sender, recipient, work_for)?;
        Ok(Admitted {
            tier,
            is_limited: self.admission.limited.is_some(),
            is_signed: sender.is_some(),
            network: self.admission.network_tags.of(self.network, recipient.inbox()),
            _permit: self.admission.permit(tier).await?,
        })
    }

    fn tier(
        &self,
        sender: Option<Sender>,
        recipient: AccountId,
        work_for: WorkFor<'_>,
    ) -> Result<Tier, ApiError> {
        let admission = self.admission;
        let Some(limited) = &admission.limited else {
            let known = sender.is_some_and(|sender| sender.known || sender.id == recipient);
            return Ok(if known { Tier::Known } else { Tier::Anonymous });
        };
        if let Some(tier) = sender.and_then(|sender| limited.allowances.own_tier(sender, recipient)) {
            return Ok(tier);
        }
        let shared = match self.allowance {
            NetworkAllowance::Unlimited | NetworkAllowance::Taken | NetworkAllowance::Redeemed => Ok(()),
            NetworkAllowance::Exhausted(wait) => Err(wait),
            NetworkAllowance::Unchecked => limited.allowances.take_for_network(self.network),
        };
        if let Err(wait) = shared
            && !admission.is_work_done(self.work.as_ref(), work_for)
        {
            return Err(admission.too_many(wait));
        }
        let most = admission.config.anonymous_bytes;
        if work_for.envelope.len() as u64 > most {
            let detail = format!(
                "an envelope from a sender whom the recipient does not know can have at most {most} bytes here"
            );
            return Err(ApiError::new(ProblemCode::EnvelopeTooLarge, detail));
        }
        Ok(Tier::Anonymous)
    }
}

impl Admitted<'_> {
    /// The origin under which the message is stored. Without limits there are no shares to assign it to.
    pub fn origin(&self, key: Option<Primary>, is_blocked: bool) -> Origin {
        let source = Source { key, signed: self.is_signed, network: self.network };
        match self.tier {
            _ if is_blocked => Origin::Blocked(source),
            Tier::Stranger | Tier::Anonymous if self.is_limited => Origin::Request(source),
            Tier::Known | Tier::Stranger | Tier::Anonymous => Origin::Known,
        }
    }
}

fn work(headers: &HeaderMap) -> Result<Option<Work>, ApiError> {
    let Some(value) = headers.get(work::HEADER) else { return Ok(None) };
    let work = value.to_str().map_err(|_| MalformedWork).and_then(str::parse);
    work.map(Some).map_err(|error| ApiError::malformed(error.to_string()))
}
