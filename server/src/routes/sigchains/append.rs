//! `POST /v1/sigchains/ed25519/{hex}`: the owner of a chain, or one of the owner's devices, appends a link.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use kez_core::problem::{Problem, ProblemCode};
use kez_core::sigchain::{Appended as AppendedBody, ConflictProblem, Link, MAX_LINK_BYTES};

use super::Root;
use crate::chains::sigchains::{Appended, NotAppended, Sigchains};
use crate::edge::body::JsonBody;
use crate::edge::error::{ApiError, PROBLEM_JSON};
use crate::edge::json::Json;
use crate::store::chains::ChainHead;

/// Appends a link.
///
/// The checks are made in this order: shape, whether the chain already has this link, position, authority, signature,
/// limits.
#[utoipa::path(post, path = "/v1/sigchains/ed25519/{hex}", tag = "Sigchains", request_body = Object, params(
    ("hex" = String, Path, description = "The first primary of the chain, 64 lower-case hexadecimal digits"),
), responses(
    (status = 200, description = "This link is already there", body = AppendedBody),
    (status = 201, description = "It is appended, also to the log of heads", body = AppendedBody),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "bad_signature", body = Problem),
    (status = 403, description = "not_authorised, chain_full", body = Problem),
    (status = 409, description = "conflict, with where the chain ends", body = ConflictProblem),
    (status = 413, description = "body_too_large: a link has at most 8 KiB", body = Problem),
    (status = 429, description = "rate_limited, also for more than 20 links of a chain within 24 hours", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
    (status = 507, description = "storage_full", body = Problem),
))]
pub(super) async fn append(
    State(chains): State<Arc<Sigchains>>,
    Root(root): Root,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    if body.len() > MAX_LINK_BYTES {
        return Err(ApiError::new(ProblemCode::BodyTooLarge, "a link has at most 8 KiB (8,192 bytes)"));
    }
    let link = Link::parse(&body)?;
    if link.root() != root {
        return Err(ApiError::malformed("the link is for the chain of another root than the path says"));
    }
    let status = match chains.append(&link).await {
        Ok(Appended::Now) => StatusCode::CREATED,
        Ok(Appended::Before) => StatusCode::OK,
        Err(NotAppended::Conflict(head)) => return Ok(conflict(head)),
        Err(refused) => return Err(refused.into()),
    };
    Ok((status, Json(AppendedBody { seqno: link.seqno(), head: link.hash() })).into_response())
}

/// Tells the caller where the chain ends, and so what to read before signing again.
fn conflict(head: Option<ChainHead>) -> Response {
    let problem = ConflictProblem {
        problem: Problem::new(ProblemCode::Conflict, "the chain has a newer last link"),
        length: head.map_or(0, |head| head.seqno),
        head: head.map(|head| head.hash),
    };
    (StatusCode::CONFLICT, [(header::CONTENT_TYPE, PROBLEM_JSON)], Json(problem)).into_response()
}

impl From<NotAppended> for ApiError {
    fn from(refused: NotAppended) -> Self {
        let detail = refused.to_string();
        match refused {
            NotAppended::Conflict(_) => Self::new(ProblemCode::Conflict, detail),
            NotAppended::Refused(refused) => refused.into(),
            NotAppended::Full => Self::new(ProblemCode::ChainFull, detail),
            NotAppended::TooMany(seconds) => Self::new(ProblemCode::RateLimited, detail).retry_after(seconds),
            NotAppended::Store(error) => error.into(),
        }
    }
}
