//! Authenticates the signer of a request (docs/SPEC.md, section 8): the only entry point for everything that callers
//! may do only for themselves. The signer is the key of a handle, or a live device of its holder.
//!
//! A route that needs a caller takes [`Caller`] as its last argument. A route with an optional caller reads the header
//! itself and calls [`Authenticator::authenticate`].

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRef, FromRequest, Request};
use axum::http::HeaderMap;
use kez_core::api::{MAX_BODY_BYTES, MAX_COMMIT_BYTES};
use kez_core::caller_auth::{CallerAuth, CallerRequest};
use kez_core::handle::{Handle, ServerName};
use kez_core::identity::Primary;
use kez_core::inbox_auth::{HEADER, Unauthorized};
use kez_core::sigchain::DeviceId;
use serde::de::DeserializeOwned;

use crate::accounts::devices::{Devices, LiveDevice};
use crate::accounts::directory::{Directory, Holder};
use crate::chains::source::ChainUnavailable;
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
    /// The device that signed; `None` when the account's own key did.
    pub device: Option<DeviceId>,
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

    /// The body of the request. The signature covers it, so its content type does not matter.
    ///
    /// # Errors
    /// `malformed` with the reason.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| ApiError::malformed(format!("the body is malformed: {error}")))
    }

    /// Rejects devices: some things only the key of the account may do.
    ///
    /// # Errors
    /// `unauthorized`.
    pub fn must_hold_the_primary(&self) -> Result<(), ApiError> {
        if self.device.is_none() { Ok(()) } else { Err(Unauthorized.into()) }
    }
}

impl<S: Send + Sync> FromRequest<S> for Caller
where
    Arc<Authenticator>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        Arc::<Authenticator>::from_ref(state).caller(request, Use::Durable, MAX_BODY_BYTES).await
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

/// The signer of a valid signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The account, with its own key.
    pub holder: Holder,
    /// The device that signed; `None` when the account's own key did.
    pub device: Option<DeviceId>,
}

/// Why a caller is rejected.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The handle or the device is unknown, the time or the signature is wrong, or the nonce was used before. Callers
    /// are not told which.
    #[error(transparent)]
    Unauthorized(#[from] Unauthorized),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The caller is a device, and the sigchain that certifies it cannot be determined.
    #[error("{0}")]
    NoChain(String),
}

impl From<ChainUnavailable> for Refused {
    fn from(error: ChainUnavailable) -> Self {
        match error {
            ChainUnavailable::Store(error) => error.into(),
            error @ (ChainUnavailable::Unreachable(_) | ChainUnavailable::Invalid(_)) => {
                tracing::warn!(%error, "a device cannot be authenticated");
                Self::NoChain(error.to_string())
            }
        }
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unauthorized(unauthorized) => unauthorized.into(),
            Refused::Store(error) => error.into(),
            Refused::NoChain(_) => {
                Self::unavailable("the sigchain that certifies your device cannot be read at the moment", 10)
            }
        }
    }
}

/// Checks signatures of requests.
pub struct Authenticator {
    server: ServerName,
    directory: Arc<Directory>,
    devices: Arc<Devices>,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
}

impl Authenticator {
    /// Checks requests to the server of this name.
    pub fn new(
        server: ServerName,
        directory: Arc<Directory>,
        devices: Arc<Devices>,
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { server, directory, devices, store, clock }
    }

    /// The sender of a message: the record of the nonce is on disk no later than the message.
    ///
    /// # Errors
    /// As for every caller.
    pub async fn for_append(&self, request: Request) -> Result<Caller, ApiError> {
        self.caller(request, Use::WithNextAppend, MAX_BODY_BYTES).await
    }

    /// The same for a commit, whose body may be larger.
    ///
    /// # Errors
    /// As for every caller.
    pub async fn for_commit(&self, request: Request) -> Result<Caller, ApiError> {
        self.caller(request, Use::WithNextAppend, MAX_COMMIT_BYTES).await
    }

    /// Checks a header against its request and consumes its nonce, durably.
    ///
    /// # Errors
    /// [`Refused`] when it is invalid, or cannot be checked.
    pub async fn authenticate(
        &self,
        auth: &CallerAuth,
        request: &CallerRequest<'_>,
    ) -> Result<Signer, Refused> {
        self.verify(auth, request, Use::Durable).await
    }

    /// The device that signed a request, as its chain certifies it.
    ///
    /// # Errors
    /// [`Refused`] when no device signed, or when the device is no longer live.
    pub async fn device(&self, caller: &Caller) -> Result<LiveDevice, Refused> {
        let device = caller.device.ok_or(Unauthorized)?;
        let live = self.devices.live(&caller.handle, caller.holder.id, device).await?;
        Ok(live.ok_or(Unauthorized)?)
    }

    /// The number of changes of holders and of devices on this node so far. As long as it has not grown, a signer whom
    /// [`Authenticator::recheck`] has confirmed since is still right, as far as this node knows.
    pub fn changes(&self) -> u64 {
        self.directory.changes().wrapping_add(self.devices.changes())
    }

    /// The account of a signer who was authenticated earlier, if the signer could still sign for the handle. It is the
    /// same account; a device's account may have another key by now.
    ///
    /// # Errors
    /// [`Refused`] when the signer no longer can, or when that cannot be checked.
    pub async fn current(&self, handle: &Handle, signer: Signer) -> Result<Holder, Refused> {
        let holder = same_signer(self.directory.holder(handle).await?, signer)?;
        if let Some(device) = signer.device {
            self.devices.live(handle, holder.id, device).await?.ok_or(Unauthorized)?;
        }
        Ok(holder)
    }

    /// The same, according to the store and the chain as they are now.
    ///
    /// # Errors
    /// As for [`Authenticator::current`].
    pub async fn recheck(&self, handle: &Handle, signer: Signer) -> Result<Holder, Refused> {
        let holder = same_signer(self.directory.holder_now(handle).await?, signer)?;
        if let Some(device) = signer.device {
            self.devices.live_now(handle, holder.id, device).await?.ok_or(Unauthorized)?;
        }
        Ok(holder)
    }

    async fn caller(&self, request: Request, how: Use, most: usize) -> Result<Caller, ApiError> {
        let (parts, body) = request.into_parts();
        // Rejects a malformed header before reading the body.
        let auth = CallerAuth::parse(header(&parts.headers).ok_or(Unauthorized)?)?;
        let body = body::within_limits(body, most).await?;
        let request = CallerRequest {
            server: &self.server,
            method: parts.method.as_str(),
            target: parts.uri.path_and_query().map_or("/", |target| target.as_str()),
            body: &body,
        };
        let Signer { holder, device } = self.verify(&auth, &request, how).await?;
        Ok(Caller { handle: auth.handle().clone(), holder, device, body })
    }

    async fn verify(
        &self,
        auth: &CallerAuth,
        request: &CallerRequest<'_>,
        how: Use,
    ) -> Result<Signer, Refused> {
        let holder = self.directory.holder(auth.handle()).await?.ok_or(Unauthorized)?;
        let key = self.signing_key(auth, &holder).await?;
        let now = self.clock.now();
        let nonce = auth.verify(request, &self.directory.verifier(&key)?, now)?;
        let caller = CallerKey::of(&key);
        let fresh = match how {
            Use::Durable => self.store.use_nonce(caller, nonce, now).await?,
            Use::WithNextAppend => self.store.note_nonce(caller, nonce, now).await?,
        };
        if fresh { Ok(Signer { holder, device: auth.device() }) } else { Err(Unauthorized.into()) }
    }

    /// The key that must have signed.
    async fn signing_key(&self, auth: &CallerAuth, holder: &Holder) -> Result<Primary, Refused> {
        let Some(device) = auth.device() else { return Ok(holder.key) };
        let live = self.devices.live(auth.handle(), holder.id, device).await?;
        Ok(live.ok_or(Unauthorized)?.key)
    }
}

/// The holder of a handle now, if it is the account of the signer and, unless a device signed, has the same key.
fn same_signer(now: Option<Holder>, signer: Signer) -> Result<Holder, Unauthorized> {
    let is_same = |now: &Holder| match signer.device {
        None => *now == signer.holder,
        Some(_) => now.id == signer.holder.id,
    };
    now.filter(is_same).ok_or(Unauthorized)
}
