//! How often one client network may call: token buckets, so that normal use never notices and a flood ends at once.

use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::client_address::ClientNetwork;
use crate::error::ApiError;
use kez_core::problem::ProblemCode;

/// What a request asks of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Claims a handle: people do so once.
    Register,
    /// Looks somebody up: what a person types, and what a new conversation needs.
    Lookup,
    /// Sends a message.
    Send,
    /// Reads an inbox. One household polls from one address, several clients every five seconds.
    Read,
    /// Appends to a sigchain.
    Link,
    /// Reads sigchains or their log. Auditors read all of them.
    Audit,
}

/// The buckets of every network that called lately.
pub struct Limits {
    register: DefaultKeyedRateLimiter<ClientNetwork>,
    lookup: DefaultKeyedRateLimiter<ClientNetwork>,
    send: DefaultKeyedRateLimiter<ClientNetwork>,
    read: DefaultKeyedRateLimiter<ClientNetwork>,
    link: DefaultKeyedRateLimiter<ClientNetwork>,
    audit: DefaultKeyedRateLimiter<ClientNetwork>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            register: bucket(20, 10),
            lookup: bucket(120, 60),
            send: bucket(300, 300),
            read: bucket(300, 600),
            link: bucket(60, 30),
            audit: bucket(1200, 600),
        }
    }
}

/// A bucket that holds `burst` and gains `per_minute`.
fn bucket(burst: u32, per_minute: u32) -> DefaultKeyedRateLimiter<ClientNetwork> {
    let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    RateLimiter::keyed(Quota::per_minute(at_least_one(per_minute)).allow_burst(at_least_one(burst)))
}

impl Limits {
    /// Takes a token.
    ///
    /// # Errors
    /// 429 `rate_limited` with the seconds until there is one again.
    pub fn check(&self, kind: Kind, network: ClientNetwork) -> Result<(), ApiError> {
        self.bucket(kind).check_key(&network).map_err(|until| {
            let seconds = until.wait_time_from(DefaultClock::default().now()).as_secs() + 1;
            let detail = "too many requests of this kind from your network";
            ApiError::new(ProblemCode::RateLimited, detail).retry_after(seconds)
        })
    }

    /// Forgets networks whose buckets are full again.
    pub fn forget_the_quiet(&self) {
        for kind in [Kind::Register, Kind::Lookup, Kind::Send, Kind::Read, Kind::Link, Kind::Audit] {
            self.bucket(kind).retain_recent();
            self.bucket(kind).shrink_to_fit();
        }
    }

    fn bucket(&self, kind: Kind) -> &DefaultKeyedRateLimiter<ClientNetwork> {
        match kind {
            Kind::Register => &self.register,
            Kind::Lookup => &self.lookup,
            Kind::Send => &self.send,
            Kind::Read => &self.read,
            Kind::Link => &self.link,
            Kind::Audit => &self.audit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_network_and_each_kind_has_its_own_bucket() {
        let limits = Limits::default();
        let network = |address: &str| ClientNetwork::of(address.parse().unwrap());
        for _ in 0..20 {
            assert!(limits.check(Kind::Register, network("192.0.2.1")).is_ok());
        }
        assert!(limits.check(Kind::Register, network("192.0.2.1")).is_err());
        assert!(limits.check(Kind::Register, network("192.0.2.2")).is_ok());
        assert!(limits.check(Kind::Lookup, network("192.0.2.1")).is_ok());
    }
}
