//! Authenticates the signer of a request (docs/SPEC.md, section 8): the only entry point for everything that callers
//! may do only for themselves.
//!
//! A route that needs a caller takes [`Caller`] as its last argument. A route with an optional caller reads the header
//! itself and calls [`Authenticator::authenticate`].

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRef, FromRequest, Request};
use axum::http::HeaderMap;
use kez_core::caller_auth::{CallerAuth, CallerRequest};
use kez_core::handle::{Handle, ServerName};
use kez_core::inbox_auth::{HEADER, Unauthorized};

use crate::accounts::directory::{Directory, Holder};
use crate::clock::Clock;
use crate::edge::body;
use crate::edge::error::ApiError;
use crate::store::{CallerKey, Store, StoreError};

/// The author of a valid signature over this request that was not seen before, with the request's body.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The handle of the caller.
    pub handle: Handle,
    /// The caller's account and key.
    pub holder: Holder,
    /// The request's body, which the signature covers; empty if there is none.
    pub body: Bytes,
}

impl Caller {
    /// Rejects every caller except the owner of the handle in the path.
    ///
    /// # Errors
    /// `unauthorized`.
    pub fn must_be(&self, handle: &Handle) -> Result<(), ApiError> {
        if self.handle == *handle { Ok(()) } else { Err(Unauthorized.into()) }
    }
}

impl<S: Send + Sync> FromRequest<S> for Caller
where
    Arc<Authenticator>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        Arc::<Authenticator>::from_ref(state).caller(request, Use::Durable).await
    }
}

/// When the record of a nonce has to be durable.
#[derive(Clone, Copy)]
enum Use {
    /// Before anything else happens.
    Durable,
    /// With the message that is appended next.
    WithNextAppend,
}

/// The text of the header, if it occurs exactly once.
pub fn header(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(HEADER).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

/// Why a caller is rejected.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refused {
    /// The handle is unknown, the time or the signature is wrong, or the nonce was used before. Callers are not told
    /// which.
    #[error(transparent)]
    Unauthorized(#[from] Unauthorized),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unauthorized(unauthorized) => unauthorized.into(),
            Refused::Store(error) => error.into(),
        }
    }
}

/// Checks signatures of requests.
pub struct Authenticator {
    server: ServerName,
    directory: Arc<Directory>,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
}

impl Authenticator {
    /// Checks requests to the server of this name.
    pub fn new(
        server: ServerName,
        directory: Arc<Directory>,
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { server, directory, store, clock }
    }

    /// The sender of a message: the record of the nonce is on disk no later than the message.
    ///
    /// # Errors
    /// As for every caller.
    pub async fn for_append(&self, request: Request) -> Result<Caller, ApiError> {
        self.caller(request, Use::WithNextAppend).await
    }

    /// Checks a header against its request and consumes its nonce, durably.
    ///
    /// # Errors
    /// [`Refused`] when it is invalid, or cannot be checked.
    pub async fn authenticate(
        &self,
        auth: &CallerAuth,
        request: &CallerRequest<'_>,
    ) -> Result<Holder, Refused> {
        self.verify(auth, request, Use::Durable).await
    }

    async fn caller(&self, request: Request, how: Use) -> Result<Caller, ApiError> {
        let (parts, body) = request.into_parts();
        // Rejects a malformed header before reading the body.
        let auth = CallerAuth::parse(header(&parts.headers).ok_or(Unauthorized)?)?;
        let body = body::within_limits(body).await?;
        let request = CallerRequest {
            server: &self.server,
            method: parts.method.as_str(),
            target: parts.uri.path_and_query().map_or("/", |target| target.as_str()),
            body: &body,
        };
        let holder = self.verify(&auth, &request, how).await?;
        Ok(Caller { handle: auth.handle().clone(), holder, body })
    }

    async fn verify(
        &self,
        auth: &CallerAuth,
        request: &CallerRequest<'_>,
        how: Use,
    ) -> Result<Holder, Refused> {
        let holder = self.directory.holder(auth.handle()).await?.ok_or(Unauthorized)?;
        let now = self.clock.now();
        let nonce = auth.verify(request, &self.directory.verifier(&holder)?, now)?;
        let caller = CallerKey::of(&holder.key);
        let fresh = match how {
            Use::Durable => self.store.use_nonce(caller, nonce, now).await?,
            Use::WithNextAppend => self.store.note_nonce(caller, nonce, now).await?,
        };
        if fresh { Ok(holder) } else { Err(Unauthorized.into()) }
    }
}
