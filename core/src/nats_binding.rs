//! Nkey bindings: a user signs, with their identity key, which nkey may receive the new-message hints for their inbox
//! from NATS. The identity key itself thus never signs a broker's nonce (docs/SPEC.md, section 11).

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::canonical_json::NotCanonical;
use crate::handle::{Handle, ServerName};
use crate::identity::{Primary, PublicIdentity, SecretIdentity};
use crate::nkey::{PublicNkey, Role};
use crate::problem::ProblemCode;
use crate::registration::MAX_AGE_SECONDS;
use crate::signed::{Payload, Signed, Verified, VersionOne};
use crate::time::Timestamp;

/// The longest lifetime of a binding: 90 days.
pub const MAX_LIFETIME_SECONDS: u64 = 90 * 24 * 60 * 60;

/// The payload `kez.chat.nats_binding`. The server may be any text until [`Verified::<NatsBinding>::check`] has checked
/// it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NatsBinding {
    r#type: Type,
    version: VersionOne,
    primary: PublicIdentity,
    #[serde(deserialize_with = "user_nkey")]
    nkey: PublicNkey,
    server: String,
    created_at: Timestamp,
    expires_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Type {
    #[serde(rename = "kez.chat.nats_binding")]
    NatsBinding,
}

/// Why a correctly signed binding is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindingRefused {
    /// It was signed for another server.
    #[error("the binding names another server")]
    WrongServer,
    /// It names another identity key than the caller's.
    #[error("the binding names a key that is not the caller's")]
    WrongKey,
    /// `created_at` is more than five minutes from now, or `expires_at` is past.
    #[error("the binding was not made within five minutes of the server's time, or has expired")]
    Stale,
    /// Its lifetime would exceed 90 days.
    #[error("a binding lasts 90 days at most")]
    LastsTooLong,
}

impl BindingRefused {
    /// The wire code.
    pub const fn code(self) -> ProblemCode {
        match self {
            Self::WrongServer => ProblemCode::WrongServer,
            Self::WrongKey | Self::LastsTooLong => ProblemCode::Malformed,
            Self::Stale => ProblemCode::Stale,
        }
    }
}

impl Payload for NatsBinding {
    const TAG: &'static str = "nats_binding";

    fn signer(&self) -> Option<Primary> {
        Some(self.primary.primary())
    }
}

impl NatsBinding {
    /// Signs that `nkey` may fetch hints for the inbox of `me` from now until `expires_at`.
    ///
    /// # Errors
    /// [`NotCanonical`] never occurs for these fields; it is passed on so that nothing panics.
    pub fn sign(
        me: &SecretIdentity,
        nkey: PublicNkey,
        server: &ServerName,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<Signed<Self>, NotCanonical> {
        let payload = Self {
            r#type: Type::NatsBinding,
            version: VersionOne,
            primary: me.public(),
            nkey,
            server: server.to_string(),
            created_at: now,
            expires_at,
        };
        Signed::sign(payload, me)
    }

    /// The bound nkey.
    pub const fn nkey(&self) -> PublicNkey {
        self.nkey
    }

    /// When the binding expires.
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

impl Verified<NatsBinding> {
    /// The server's checks after the signature, in this order: the server, the caller's key, the times.
    ///
    /// # Errors
    /// [`BindingRefused`] names the first check that fails.
    pub fn check(&self, server: &ServerName, caller: Primary, now: Timestamp) -> Result<(), BindingRefused> {
        if self.server != server.as_str() {
            return Err(BindingRefused::WrongServer);
        }
        if self.primary.primary() != caller {
            return Err(BindingRefused::WrongKey);
        }
        if self.created_at.abs_diff(now) > MAX_AGE_SECONDS || self.expires_at <= now {
            return Err(BindingRefused::Stale);
        }
        if self.expires_at.unix().saturating_sub(self.created_at.unix()) > MAX_LIFETIME_SECONDS {
            return Err(BindingRefused::LastsTooLong);
        }
        Ok(())
    }
}

/// The request target of `PUT` and `DELETE` for a user's nkeys; a `DELETE` appends the nkey.
pub fn target(handle: &Handle) -> String {
    format!("/v1/u/{handle}/nats-keys")
}

/// The subject on which a server announces new messages in an inbox: `kez.inbox.<64 hex>.new`.
///
/// Only hexadecimal digits come from outside, so no one can widen the subject with a wildcard.
pub fn subject(primary: &Primary) -> String {
    format!("kez.inbox.{}.new", primary.hex())
}

/// The subject pattern that a user may subscribe to: `kez.inbox.<64 hex>.>`.
pub fn subscription(primary: &Primary) -> String {
    format!("kez.inbox.{}.>", primary.hex())
}

fn user_nkey<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PublicNkey, D::Error> {
    let nkey = PublicNkey::deserialize(deserializer)?;
    if nkey.role() == Role::User { Ok(nkey) } else { Err(de::Error::custom("not a user's nkey")) }
}
