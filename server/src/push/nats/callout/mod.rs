//! The auth callout: a broker asks whether a client may connect (ADR-26 of NATS,
//! <https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-26.md>), and this module answers.
//!
//! A client that proves possession of an nkey bound to an account may receive the hints for that account's inbox, for a
//! limited time, and nothing else. A broker does not check signatures of nkeys that its configuration does not name, so
//! this module does.

pub mod internal;
pub mod service;

mod answer;
mod request;

use std::path::Path;
use std::sync::Arc;

use kez_core::nkey::SecretNkey;

use super::credentials::{CredentialsError, read_issuer};
use crate::clock::Clock;
use crate::edge::error::log_failure;
use crate::store::{Bound, Store};
use answer::{Answer, Grant};
use request::{Refusal, Request};

pub use request::Unanswerable;

/// How long a client may stay connected before it must authenticate again, in seconds.
const LONGEST_STAY: u64 = 15 * 60;

/// Answers the brokers.
pub struct Callout {
    issuer: SecretNkey,
    /// The account in the brokers' configuration that clients join.
    account: String,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
}

impl Callout {
    /// Answers in the name of the account whose seed is in the file.
    ///
    /// # Errors
    /// When the file does not hold such a seed.
    pub fn new(
        issuer_seed_file: &Path,
        account: String,
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CredentialsError> {
        Ok(Self { issuer: read_issuer(issuer_seed_file)?, account, store, clock })
    }

    /// The answer to a broker's request: a JWT that grants or refuses the connection.
    ///
    /// # Errors
    /// [`Unanswerable`] when it is not a request signed by a broker, so that there is no recipient for an answer.
    pub async fn answer(&self, request: &str) -> Result<String, Unanswerable> {
        let now = self.clock.now();
        let request = Request::verify(request, now)?;
        let decision = self.decide(&request).await;
        if let Err(refusal) = &decision {
            tracing::debug!(%refusal, "refused a NATS client");
        }
        let answer =
            Answer { request: &request, decision, issuer: &self.issuer, account: &self.account, now };
        answer.to_jwt().map_err(|_| Unanswerable::Internal)
    }

    async fn decide(&self, request: &Request) -> Result<Grant, Refusal> {
        let nkey = request.proven_nkey()?;
        let bound = self.store.bound_nkey(nkey).await.map_err(|error| {
            log_failure(&error);
            Refusal::Unavailable
        })?;
        let Bound { primary, expires_at } = bound.ok_or(Refusal::NotBound)?;
        let now = self.clock.now();
        if expires_at <= now {
            return Err(Refusal::Expired);
        }
        Ok(Grant { primary, until: expires_at.unix().min(now.unix() + LONGEST_STAY) })
    }
}
