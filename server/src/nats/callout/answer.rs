//! What this server answers: a token for one connection, or a refusal.

use kez_core::identity::Primary;
use kez_core::nats_binding::subscription;
use kez_core::nkey::SecretNkey;
use kez_core::time::Timestamp;
use serde_json::{Value, json};

use super::request::{Refusal, Request};
use crate::nats::jwt;

/// How many subscriptions one connection may have: one is needed.
const SUBSCRIPTIONS: u32 = 4;

/// Somebody may connect.
pub(super) struct Grant {
    /// Whose inbox they may hear of.
    pub(super) primary: Primary,
    /// Until when, in Unix seconds; the broker ends the connection then.
    pub(super) until: u64,
}

/// A decision on its way to the broker.
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

    /// The token of the connection: it hears the hints for one inbox and says nothing.
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
