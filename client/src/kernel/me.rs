//! The user's account at its server, in whose name requests are signed.

use kez_core::caller_auth::{self, CallerName, CallerRequest};
use kez_core::handle::{Handle, ServerName};
use kez_core::identity::SecretIdentity;

use crate::kernel::context::Context;
use crate::kernel::device::OwnDevice;
use crate::kernel::effect::{HttpRequest, Method};

/// The user's key, handle and server, and this browser's device.
///
/// Requests are signed with the account's key, although the device may sign most of them: after another browser has
/// replaced the key, the server must refuse this one, because it can no longer open what arrives.
pub(crate) struct Me {
    pub(crate) key: SecretIdentity,
    pub(crate) handle: Handle,
    pub(crate) server: ServerName,
    /// `None` only until the account has started for the first time.
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
        let bytes = body.as_deref().unwrap_or_default().as_bytes();
        let request =
            CallerRequest { server: &self.server, method: method.as_str(), target: &target, body: bytes };
        let caller = CallerName { handle: self.handle.clone(), device: Some(device.id()) };
        let auth = caller_auth::header(device.key(), &caller, &request, cx.server_time(), &mut &mut *cx.rng);
        Some(HttpRequest { method, target, auth: Some(auth), invite: None, body })
    }

    /// The header with this account's signature over a request.
    pub(crate) fn header(&self, method: Method, target: &str, body: &[u8], cx: &mut Context<'_>) -> String {
        let request = CallerRequest { server: &self.server, method: method.as_str(), target, body };
        let caller = CallerName::from(self.handle.clone());
        caller_auth::header(&self.key, &caller, &request, cx.server_time(), &mut &mut *cx.rng)
    }
}
