//! The user's account at its server, in whose name requests are signed.

use kez_core::caller_auth::{self, CallerName, CallerRequest};
use kez_core::handle::{Handle, ServerName};
use kez_core::identity::{NoSharedSecret, Peer, PublicIdentity, SecretIdentity};
use kez_core::sigchain::DeviceId;
use serde::{Deserialize, Serialize};

use crate::kernel::context::Context;
use crate::kernel::device::OwnDevice;
use crate::kernel::effect::{HttpRequest, Method};
use crate::kernel::seed::StoredSeed;

/// The key of the account, as far as this browser has it.
pub(crate) enum AccountKey {
    /// The browser has the recovery words.
    Secret(Box<SecretIdentity>),
    /// The browser was linked by another one. It has no words, and acts as its device alone.
    Public(Box<PublicIdentity>),
}

/// The key of the account in the record of kind [`Kind::Account`](crate::kernel::record::Kind::Account).
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum StoredKey {
    /// The seed, from which the recovery words are made.
    Seed(StoredSeed),
    /// The public key, in a linked browser.
    Public(PublicIdentity),
}

/// The user's key, handle and server, and this browser's device.
///
/// A browser that has the account's key signs its requests with it, although the device may sign most of them: after
/// another browser has replaced the key, the server must refuse this one, because it can no longer open what arrives.
pub(crate) struct Me {
    pub(crate) key: AccountKey,
    pub(crate) handle: Handle,
    pub(crate) server: ServerName,
    /// `None` only until the account has started for the first time. A linked browser always has one.
    pub(crate) device: Option<OwnDevice>,
}

impl Me {
    /// A request with this account's signature.
    pub(crate) fn signed(
        &self,
        method: Method,
        target: String,
        body: Option<String>,
        cx: &mut Context<'_>,
    ) -> HttpRequest {
        let bytes = body.as_deref().unwrap_or_default().as_bytes();
        let auth = Some(self.header(method, &target, bytes, cx));
        HttpRequest { method, target, auth, invite: None, body }
    }

    /// A request with the signature of this browser's device; `None` before there is one.
    pub(crate) fn signed_by_device(
        &self,
        method: Method,
        target: String,
        body: Option<String>,
        cx: &mut Context<'_>,
    ) -> Option<HttpRequest> {
        let device = self.device.as_ref()?;
        let signer = (device.key(), Some(device.id()));
        let bytes = body.as_deref().unwrap_or_default().as_bytes();
        let auth = self.header_by(signer, method, &target, bytes, cx);
        Some(HttpRequest { method, target, auth: Some(auth), invite: None, body })
    }

    /// The header with this account's signature over a request: by its key or, in a linked browser, by the device.
    pub(crate) fn header(&self, method: Method, target: &str, body: &[u8], cx: &mut Context<'_>) -> String {
        let device = self.device.as_ref().map(|device| (device.key(), Some(device.id())));
        match self.key.secret().map(|key| (key, None)).or(device) {
            Some(signer) => self.header_by(signer, method, target, body, cx),
            // A linked account is not loaded without its device. The server would refuse this.
            None => String::new(),
        }
    }

    /// The key that signs links of the account's chain: the primary, or this device where the chain lets devices sign.
    pub(crate) fn link_signer(&self) -> Option<&SecretIdentity> {
        self.key.secret().or(self.device.as_ref().map(OwnDevice::key))
    }

    fn header_by(
        &self,
        (key, device): (&SecretIdentity, Option<DeviceId>),
        method: Method,
        target: &str,
        body: &[u8],
        cx: &mut Context<'_>,
    ) -> String {
        let request = CallerRequest { server: &self.server, method: method.as_str(), target, body };
        let caller = CallerName { handle: self.handle.clone(), device };
        caller_auth::header(key, &caller, &request, cx.server_time(), &mut &mut *cx.rng)
    }
}

impl AccountKey {
    /// The public key.
    pub(crate) fn public(&self) -> PublicIdentity {
        match self {
            Self::Secret(key) => key.public(),
            Self::Public(key) => **key,
        }
    }

    /// The secret key; `None` in a linked browser.
    pub(crate) fn secret(&self) -> Option<&SecretIdentity> {
        match self {
            Self::Secret(key) => Some(key),
            Self::Public(_) => None,
        }
    }

    /// Agrees on a secret with another key. Without the secret key there is none, and version 1 envelopes can neither be
    /// sealed nor opened.
    ///
    /// # Errors
    /// [`NoSharedSecret`] when the agreement gives an all-zero secret.
    pub(crate) fn agree(&self, other: PublicIdentity) -> Result<Option<Peer>, NoSharedSecret> {
        self.secret().map(|key| Peer::new(key, other)).transpose()
    }

    /// The form in which the record holds it.
    pub(crate) fn stored(&self) -> StoredKey {
        match self {
            Self::Secret(key) => StoredKey::Seed(StoredSeed(key.seed().clone())),
            Self::Public(key) => StoredKey::Public(**key),
        }
    }
}

impl From<SecretIdentity> for AccountKey {
    fn from(key: SecretIdentity) -> Self {
        Self::Secret(Box::new(key))
    }
}

impl StoredKey {
    /// The key.
    pub(crate) fn key(&self) -> AccountKey {
        match self {
            Self::Seed(seed) => SecretIdentity::from_seed(seed.0.clone()).into(),
            Self::Public(key) => AccountKey::Public(Box::new(*key)),
        }
    }
}
