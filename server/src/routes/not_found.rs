//! What the API answers where it has no route or no such method.

use kez_core::problem::ProblemCode;

use crate::error::ApiError;

/// There is no such route.
pub async fn not_found() -> ApiError {
    ApiError::new(ProblemCode::NotFound, "the API has no such route; /v1/openapi.json lists what it has")
}

/// The route does not take this method.
pub async fn method_not_allowed() -> ApiError {
    ApiError::new(ProblemCode::MethodNotAllowed, "the route does not take this method")
}
