//! Registration: a user claims a handle on a server with a claim signed by the key that the handle shall belong to.

use serde::{Deserialize, Serialize};

use crate::canonical_json::NotCanonical;
use crate::handle::{Handle, ServerName};
use crate::identity::{Primary, PublicIdentity, SecretIdentity};
use crate::problem::ProblemCode;
use crate::signed::{Payload, Signed, Verified, VersionOne};
use crate::time::Timestamp;

/// The largest difference between `created_at` and the server's time, in either direction.
pub const MAX_AGE_SECONDS: u64 = 300;

/// The payload `kez.chat.handle_registration`. Handle and server may be any text until
/// [`Verified::<HandleRegistration>::check`] has checked them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandleRegistration {
    r#type: Type,
    version: VersionOne,
    handle: String,
    primary: PublicIdentity,
    server: String,
    created_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Type {
    #[serde(rename = "kez.chat.handle_registration")]
    HandleRegistration,
}

/// Why a correctly signed registration is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationRefused {
    /// It was signed for another server.
    #[error("the registration names another server")]
    WrongServer,
    /// The handle breaks the rule.
    #[error("{0}")]
    InvalidHandle(#[from] crate::handle::InvalidHandle),
    /// The handle is reserved.
    #[error("this handle is reserved")]
    ReservedHandle,
    /// `created_at` is more than five minutes from now.
    #[error("the registration was made more than five minutes before or after the server's time")]
    Stale,
}

impl RegistrationRefused {
    /// The wire code.
    pub const fn code(self) -> ProblemCode {
        match self {
            Self::WrongServer => ProblemCode::WrongServer,
            Self::InvalidHandle(_) => ProblemCode::InvalidHandle,
            Self::ReservedHandle => ProblemCode::ReservedHandle,
            Self::Stale => ProblemCode::Stale,
        }
    }
}

impl Payload for HandleRegistration {
    const TAG: &'static str = "handle_registration";

    fn signer(&self) -> Option<Primary> {
        Some(self.primary.primary())
    }
}

impl HandleRegistration {
    /// Signs the claim that `handle` on `server` belongs to `me`.
    ///
    /// # Errors
    /// [`NotCanonical`] never occurs for these fields; it is passed on so that nothing panics.
    pub fn sign(
        me: &SecretIdentity,
        handle: &Handle,
        server: &ServerName,
        now: Timestamp,
    ) -> Result<Signed<Self>, NotCanonical> {
        let payload = Self {
            r#type: Type::HandleRegistration,
            version: VersionOne,
            handle: handle.to_string(),
            primary: me.public(),
            server: server.to_string(),
            created_at: now,
        };
        Signed::sign(payload, me)
    }

    /// The claimed handle as written; it may break the rule.
    pub fn handle(&self) -> &str {
        &self.handle
    }

    /// The key that claims it.
    pub const fn primary(&self) -> &PublicIdentity {
        &self.primary
    }

    /// The server of the claim, as written.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// When the claim was made.
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }
}

impl Verified<HandleRegistration> {
    /// The server's checks after the signature, in the protocol's order: server, handle, reserved names, age.
    ///
    /// # Errors
    /// [`RegistrationRefused`] names the first check that fails.
    pub fn check(&self, server: &ServerName, now: Timestamp) -> Result<Handle, RegistrationRefused> {
        if self.server() != server.as_str() {
            return Err(RegistrationRefused::WrongServer);
        }
        let handle: Handle = self.handle().parse()?;
        if handle.is_reserved() {
            return Err(RegistrationRefused::ReservedHandle);
        }
        if self.created_at().abs_diff(now) > MAX_AGE_SECONDS {
            return Err(RegistrationRefused::Stale);
        }
        Ok(handle)
    }
}
