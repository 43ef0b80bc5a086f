//! Rate limits per client network, as token buckets: normal use never notices them, and a flood ends at once. Messages
//! have further limits: `relay::admission`.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use kez_core::problem::ProblemCode;

use crate::clock::{Clock, SystemClock};
use crate::edge::client_address::ClientNetwork;
use crate::edge::error::ApiError;

const MINUTE: Duration = Duration::from_secs(60);

/// The kinds of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Claims a handle: users do so once.
    Register,
    /// Looks up a user, on a page or for a program: what a user types, and what a new conversation needs.
    Lookup,
    /// Carries a caller's signature, which takes CPU time to verify, whatever its signer.
    Signed,
    /// Reads an inbox. All clients of a household poll from one address, each of them every five seconds.
    Read,
    /// Appends to a sigchain.
    Link,
    /// Leaves an offer or a message for another browser of the same user, without an account.
    Pairing,
    /// Reads sigchains or their log. Auditors read all of it.
    Audit,
}

/// The buckets of all recent callers.
pub struct Limits {
    register: Bucket<ClientNetwork>,
    lookup: Bucket<ClientNetwork>,
    signed: Bucket<ClientNetwork>,
    read: Bucket<ClientNetwork>,
    link: Bucket<ClientNetwork>,
    pairing: Bucket<ClientNetwork>,
    audit: Bucket<ClientNetwork>,
}

/// The number of requests of each kind that one client network may make per minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// [`Kind::Register`]; the burst is twice as large.
    pub registrations: u32,
    /// [`Kind::Lookup`]; the burst is twice as large.
    pub lookups: u32,
    /// [`Kind::Signed`]; the burst is half as large.
    pub signed: u32,
    /// [`Kind::Read`]; the burst is half as large.
    pub reads: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self { registrations: 10, lookups: 60, signed: 1200, reads: 600 }
    }
}

impl Limits {
    /// Starts with full buckets.
    pub fn new(rates: Rates) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let bucket = |burst, per_minute: u32| Bucket::new(burst, MINUTE / per_minute.max(1), &clock);
        let twice = |rate: u32| bucket(rate.saturating_mul(2), rate);
        let half = |rate: u32| bucket(rate.div_ceil(2), rate);
        Self {
            register: twice(rates.registrations),
            lookup: twice(rates.lookups),
            signed: half(rates.signed),
            read: half(rates.reads),
            link: twice(30),
            pairing: twice(10),
            audit: twice(600),
        }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// 429 `rate_limited` with the seconds until the next token.
    pub fn check(&self, kind: Kind, network: ClientNetwork) -> Result<(), ApiError> {
        self.bucket(kind).take(network).map_err(|Wait(seconds)| {
            let detail = "too many requests of this kind from your network";
            ApiError::new(ProblemCode::RateLimited, detail).retry_after(seconds)
        })
    }

    /// Removes the full buckets.
    pub fn evict_idle(&self) {
        let kinds =
            [Kind::Register, Kind::Lookup, Kind::Signed, Kind::Read, Kind::Link, Kind::Pairing, Kind::Audit];
        for kind in kinds {
            self.bucket(kind).evict_full();
        }
    }

    fn bucket(&self, kind: Kind) -> &Bucket<ClientNetwork> {
        match kind {
            Kind::Register => &self.register,
            Kind::Lookup => &self.lookup,
            Kind::Signed => &self.signed,
            Kind::Read => &self.read,
            Kind::Link => &self.link,
            Kind::Pairing => &self.pairing,
            Kind::Audit => &self.audit,
        }
    }
}

/// The seconds until the next token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait(pub u64);

/// A token bucket for each `K`.
pub struct Bucket<K: Hash + Eq + Clone> {
    limiter: RateLimiter<K, DashMapStateStore<K>, Ticks, NoOpMiddleware<Duration>>,
    clock: Ticks,
}

impl<K: Hash + Eq + Clone> Bucket<K> {
    /// Buckets that hold `burst` tokens and gain one every `period`.
    pub fn new(burst: u32, period: Duration, clock: &Arc<dyn Clock>) -> Self {
        let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(period.max(Duration::from_nanos(1)));
        let quota = quota.unwrap_or(Quota::per_second(NonZeroU32::MAX)).allow_burst(burst);
        let clock = Ticks(Arc::clone(clock));
        Self { limiter: RateLimiter::dashmap_with_clock(quota, clock.clone()), clock }
    }

    /// Buckets with a capacity of what they gain in a `period`.
    pub fn per(period: Duration, burst: u32, clock: &Arc<dyn Clock>) -> Self {
        Self::new(burst, period / burst.max(1), clock)
    }

    /// Takes a token.
    ///
    /// # Errors
    /// [`Wait`] when there is none.
    pub fn take(&self, key: K) -> Result<(), Wait> {
        self.limiter.check_key(&key).map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            Wait((wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1))
        })
    }

    /// Removes the full buckets.
    pub fn evict_full(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

/// The server's clock for the buckets: monotonic time that never jumps.
#[derive(Clone)]
struct Ticks(Arc<dyn Clock>);

impl governor::clock::Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.ticks()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_network_and_each_kind_has_its_own_bucket() {
        let limits = Limits::new(Rates::default());
        let network = |address: &str| ClientNetwork::of_address(address.parse().unwrap());
        for _ in 0..20 {
            assert!(limits.check(Kind::Register, network("192.0.2.1")).is_ok());
        }
        assert!(limits.check(Kind::Register, network("192.0.2.1")).is_err());
        assert!(limits.check(Kind::Register, network("192.0.2.2")).is_ok());
        assert!(limits.check(Kind::Lookup, network("192.0.2.1")).is_ok());
    }
}
