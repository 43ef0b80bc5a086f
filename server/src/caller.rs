//! Who signed a request (docs/SPEC.md, section 8): the one door for everything that a caller may do only for themselves.
//!
//! A route that needs a caller takes [`Caller`] as its last argument. One that takes them as they come looks for the
//! header itself and asks [`authenticate`].

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use kez_core::caller_auth::{CallerAuth, CallerRequest};
use kez_core::handle::Handle;
use kez_core::inbox_auth::{HEADER, Unauthorized};

use crate::body;
use crate::directory::Holder;
use crate::error::ApiError;
use crate::state::AppState;
use crate::store::{CallerKey, StoreError};

/// Somebody whose signature over this very request holds and was not seen before, and what the request carries.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The handle they call under.
    pub handle: Handle,
    /// Their account and key.
    pub holder: Holder,
    /// The request's body, which the signature covers; empty where there is none.
    pub body: Bytes,
}

impl Caller {
    /// Refuses everybody but the one whom the path names.
    ///
    /// # Errors
    /// `unauthorized`.
    pub fn must_be(&self, handle: &Handle) -> Result<(), ApiError> {
        if self.handle == *handle { Ok(()) } else { Err(Unauthorized.into()) }
    }
}

impl FromRequest<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        Self::verified(request, state, Use::Durable).await
    }
}

impl Caller {
    /// Somebody who sends a message: that they signed is on the disk no later than the message.
    ///
    /// # Errors
    /// As for every caller.
    pub async fn who_appends(request: Request, state: &AppState) -> Result<Self, ApiError> {
        Self::verified(request, state, Use::WithNextAppend).await
    }

    async fn verified(request: Request, state: &AppState, how: Use) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        // What is no header of this kind is refused before anybody waits for a body.
        let auth = CallerAuth::parse(header(&parts.headers).ok_or(Unauthorized)?)?;
        let body = body::within_limits(body).await?;
        let request = CallerRequest {
            server: &state.config.server,
            method: parts.method.as_str(),
            target: parts.uri.path_and_query().map_or("/", |target| target.as_str()),
            body: &body,
        };
        let holder = verify(state, &auth, &request, how).await?;
        Ok(Self { handle: auth.handle().clone(), holder, body })
    }
}

/// When the use of a nonce has to be durable.
#[derive(Clone, Copy)]
enum Use {
    /// Before anything else happens.
    Durable,
    /// With the message that is appended next.
    WithNextAppend,
}

/// The header's text, where it stands there once.
pub fn header(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(HEADER).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

/// Why a caller is not believed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refused {
    /// Nobody holds the handle, time or signature are wrong, or the nonce was used before. Callers are not told which.
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

/// Checks a header against the request that it came with and uses its nonce up, durably.
///
/// # Errors
/// [`Refused`] when it does not hold, or cannot be checked.
pub async fn authenticate(
    state: &AppState,
    auth: &CallerAuth,
    request: &CallerRequest<'_>,
) -> Result<Holder, Refused> {
    verify(state, auth, request, Use::Durable).await
}

async fn verify(
    state: &AppState,
    auth: &CallerAuth,
    request: &CallerRequest<'_>,
    how: Use,
) -> Result<Holder, Refused> {
    let holder = state.directory.holder(auth.handle()).await?.ok_or(Unauthorized)?;
    let now = state.now();
    let expected = matches!(how, Use::WithNextAppend).then(|| state.store.expect());
    let nonce = auth.verify(request, &holder.key, now)?;
    drop(expected);
    let caller = CallerKey::of(&holder.key.primary());
    let fresh = match how {
        Use::Durable => state.store.use_nonce(caller, nonce, now),
        Use::WithNextAppend => state.store.note_nonce(caller, nonce, now),
    };
    if fresh.await? { Ok(holder) } else { Err(Unauthorized.into()) }
}
