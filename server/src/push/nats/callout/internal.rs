//! `POST /internal/nats/auth`: the callout over HTTP, for a bridge that forwards the brokers' requests. It has a
//! listener of its own, which only the brokers can reach.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use kez_core::api::MAX_BODY_BYTES;
use kez_core::problem::ProblemCode;

use super::{Callout, Unanswerable};
use crate::edge::body::{self, media_type};
use crate::edge::error::ApiError;
use crate::edge::not_found;
use crate::push::nats::jwt::InvalidToken;

/// The media type of requests and answers (RFC 7519, section 10.3.1).
const JWT: HeaderValue = HeaderValue::from_static("application/jwt");

/// The routes of the second listener.
pub fn router(callout: Arc<Callout>) -> Router {
    Router::new()
        .route("/internal/nats/auth", post(auth))
        .method_not_allowed_fallback(not_found::method_not_allowed)
        .fallback(not_found::not_found)
        .with_state(callout)
}

async fn auth(
    State(callout): State<Arc<Callout>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    if !media_type(&headers).eq_ignore_ascii_case("application/jwt") {
        return Err(ApiError::malformed("send a broker's request with content-type: application/jwt"));
    }
    let request = body::within_limits(body, MAX_BODY_BYTES).await?;
    let request = std::str::from_utf8(&request).map_err(|_| ApiError::malformed("a JWT must be text"))?;
    let answer = callout.answer(request.trim()).await?;
    Ok(([(header::CONTENT_TYPE, JWT)], answer).into_response())
}

impl From<Unanswerable> for ApiError {
    fn from(error: Unanswerable) -> Self {
        let code = match error {
            Unanswerable::Token(InvalidToken::Malformed) | Unanswerable::AnotherKind => {
                ProblemCode::Malformed
            }
            Unanswerable::Token(InvalidToken::BadSignature) | Unanswerable::NotItsServer => {
                ProblemCode::BadSignature
            }
            Unanswerable::Expired => ProblemCode::Stale,
            Unanswerable::Internal => ProblemCode::Internal,
        };
        Self::new(code, error.to_string())
    }
}
