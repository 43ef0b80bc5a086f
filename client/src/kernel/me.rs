//! The user's account at its server, in whose name requests are signed.

use kez_core::caller_auth::{self, CallerRequest};
use kez_core::handle::{Handle, ServerName};
use kez_core::identity::SecretIdentity;

use crate::kernel::context::Context;
use crate::kernel::effect::{HttpRequest, Method};

/// The user's key, handle and server.
pub(crate) struct Me {
    pub(crate) key: SecretIdentity,
    pub(crate) handle: Handle,
    pub(crate) server: ServerName,
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
        let signed =
            CallerRequest { server: &self.server, method: method.as_str(), target: &target, body: bytes };
        let auth = caller_auth::header(
            &self.key,
            &self.handle.clone().into(),
            &signed,
            cx.server_time(),
            &mut &mut *cx.rng,
        );
        HttpRequest { method, target, auth: Some(auth), invite: None, body }
    }
}
