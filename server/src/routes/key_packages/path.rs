//! The device in the path of a request.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use kez_core::handle::Handle;
use kez_core::inbox_auth::Unauthorized;
use kez_core::sigchain::DeviceId;

use crate::accounts::caller::Caller;
use crate::edge::error::ApiError;

/// A device of the holder of a handle.
pub struct DeviceInPath {
    handle: Handle,
    device: DeviceId,
}

impl<S: Send + Sync> FromRequestParts<S> for DeviceInPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path: Result<Path<(String, String)>, _> = Path::from_request_parts(parts, state).await;
        let Path((handle, device)) = path.map_err(|_| ApiError::malformed("the path cannot be read"))?;
        let handle = handle.parse().map_err(|_| ApiError::malformed("the path holds no handle"))?;
        let device = device.parse().map_err(|_| ApiError::malformed("the path holds no device"))?;
        Ok(Self { handle, device })
    }
}

impl DeviceInPath {
    /// The device, if it is the one that signed the request.
    ///
    /// # Errors
    /// `unauthorized`.
    pub fn must_be(&self, caller: &Caller) -> Result<DeviceId, ApiError> {
        caller.must_be(&self.handle)?;
        if caller.device == Some(self.device) { Ok(self.device) } else { Err(Unauthorized.into()) }
    }
}
