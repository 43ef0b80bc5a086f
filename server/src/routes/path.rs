//! Path parameters, parsed once: behind these types the raw text is not accessible.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use kez_core::handle::Handle;
use serde::de::DeserializeOwned;

use crate::edge::error::ApiError;

/// The parameters of the path, percent-decoded.
pub struct Text<T = String>(pub T);

/// The handle in the path.
pub struct HandleInPath(pub Handle);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Text<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path: Result<Path<T>, _> = Path::from_request_parts(parts, state).await;
        path.map(|Path(text)| Self(text)).map_err(|_| ApiError::malformed("the path cannot be read"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for HandleInPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Text::<String>(text) = Text::from_request_parts(parts, state).await?;
        text.parse()
            .map(Self)
            .map_err(|reason| ApiError::malformed(format!("the path holds no handle: {reason}")))
    }
}
