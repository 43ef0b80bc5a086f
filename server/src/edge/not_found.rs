//! The API's answers for unknown routes and methods.

use kez_core::problem::ProblemCode;

use crate::edge::error::ApiError;

/// The route does not exist.
pub async fn not_found() -> ApiError {
    ApiError::new(ProblemCode::NotFound, "the API has no such route; /v1/openapi.json lists its routes")
}

/// The route does not support this method.
pub async fn method_not_allowed() -> ApiError {
    ApiError::new(ProblemCode::MethodNotAllowed, "the route does not support this method")
}
