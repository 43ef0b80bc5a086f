//! The group in the path of a request.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use kez_core::mls::GroupId;

use crate::edge::error::ApiError;

/// The id of a group.
pub struct GroupInPath(pub GroupId);

impl<S: Send + Sync> FromRequestParts<S> for GroupInPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path: Result<Path<String>, _> = Path::from_request_parts(parts, state).await;
        let Path(gid) = path.map_err(|_| ApiError::malformed("the path cannot be read"))?;
        gid.parse().map(Self).map_err(|_| ApiError::malformed("the path holds no group id"))
    }
}
