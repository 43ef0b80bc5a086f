//! The callout's answer: a token for one connection, or a refusal.

use kez_core::identity::Primary;
use kez_core::nats_binding::subscription;
use kez_core::nkey::SecretNkey;
use kez_core::time::Timestamp;
use serde_json::{Value, json};

use super::request::{Refusal, Request};
use crate::push::nats::jwt;

/// The subscription limit of one connection, which needs only one.
const SUBSCRIPTIONS: u32 = 4;

/// Permission to connect.
pub(super) struct Grant {
    /// The key whose inbox hints the client may receive.
    pub(super) primary: Primary,
    /// The end of the permission, in Unix seconds; the broker then closes the connection.
    pub(super) until: u64,
}

/// A decision for the broker.
pub(super) struct Answer<'a> {
    pub(super) request: &'a Request,
    pub(super) decision: Result<Grant, Refusal>,
    pub(super) issuer: &'a SecretNkey,
    pub(super) account: &'a str,
    pub(super) now: Timestamp,
}

impl Answer<'_> {
    pub(super) fn to_jwt(&self) -> Result<String, serde_json::Error> {
        let outcome = match &self.decision {
            Ok(grant) => ("jwt", self.user(grant)?),
            Err(refusal) => ("error", refusal.to_string()),
        };
        let mut nats = json!({"type": "authorization_response", "version": 2});
        nats[outcome.0] = outcome.1.into();
        self.sign(&self.request.server.to_string(), None, nats)
    }

    /// The token of the connection: it may subscribe to the hints of one inbox and publish nothing.
    fn user(&self, grant: &Grant) -> Result<String, serde_json::Error> {
        let permissions = json!({
            "type": "user",
            "version": 2,
            "sub": {"allow": [subscription(&grant.primary)]},
            "pub": {"deny": [">"]},
            "subs": SUBSCRIPTIONS,
            "data": -1,
            "payload": -1,
        });
        self.sign(self.account, Some(grant.until), permissions)
    }

    fn sign(&self, audience: &str, until: Option<u64>, nats: Value) -> Result<String, serde_json::Error> {
        let mut claims = json!({
            "iss": self.issuer.public(),
            "sub": self.request.connection,
            "aud": audience,
            "iat": self.now.unix(),
            "nats": nats,
        });
        if let Some(until) = until {
            claims["exp"] = until.into();
        }
        jwt::sign(&claims, self.issuer)
    }
}
