//! The auth callout: a broker asks whether somebody may connect (ADR-26 of NATS,
//! <https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-26.md>), and this answers.
//!
//! Whoever proves that they hold an nkey which an account has bound gets to hear the hints for that account's inbox, for
//! a while, and nothing else. A broker does not check the signatures of nkeys that its configuration does not name, so
//! that is done here.

pub mod internal;
pub mod service;

mod answer;
mod request;

use std::path::Path;
use std::sync::Arc;

use kez_core::nkey::SecretNkey;

use super::credentials::{CredentialsError, read_issuer};
use crate::clock::Clock;
use crate::error::log_failure;
use crate::store::{Bound, Store};
use answer::{Answer, Grant};
use request::{Refusal, Request};

pub use request::Unanswerable;

/// How long somebody may stay before they are asked again, in seconds.
const LONGEST_STAY: u64 = 15 * 60;

/// Answers brokers.
pub struct Callout {
    issuer: SecretNkey,
    /// The account of the brokers' configuration into which people are let.
    account: String,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl Callout {
    /// Answers in the name of the account whose seed is in the file.
    ///
    /// # Errors
    /// When the file holds no such seed.
    pub fn new(
        issuer_seed_file: &Path,
        account: String,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CredentialsError> {
        Ok(Self { issuer: read_issuer(issuer_seed_file)?, account, store, clock })
    }

    /// The answer to a broker's request: a JWT that lets somebody in, or says that they are refused.
    ///
    /// # Errors
    /// [`Unanswerable`] when the request is none, or no broker signed it: there is nobody to answer to then.
    pub async fn answer(&self, request: &str) -> Result<String, Unanswerable> {
        let now = self.clock.now();
        let request = Request::verify(request, now)?;
        let decision = self.decide(&request).await;
        if let Err(refusal) = &decision {
            tracing::debug!(%refusal, "somebody was refused at NATS");
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
