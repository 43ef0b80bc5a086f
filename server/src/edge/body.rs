//! Reads a request's body within a size limit and a time limit.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use kez_core::api::{MAX_BODY_BYTES, MAX_COMMIT_BYTES};
use kez_core::problem::ProblemCode;

use crate::edge::error::ApiError;

/// The time limit for a body to arrive.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// This many excess bytes are read and discarded, because a caller that is still writing might never see the answer.
const DISCARD_LIMIT: usize = 2 * MAX_COMMIT_BYTES;

/// The bytes of a body declared as `application/json`. They are not parsed yet.
#[derive(Clone, Debug)]
pub struct JsonBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        must_be_json(request.headers())?;
        within_limits(request.into_body(), MAX_BODY_BYTES).await.map(Self)
    }
}

/// All bytes of a body of any type, at most so many.
///
/// # Errors
/// `body_timeout` after [`BODY_TIMEOUT`], `body_too_large` over the limit, `malformed` when it breaks off.
pub async fn within_limits(body: Body, most: usize) -> Result<Bytes, ApiError> {
    tokio::time::timeout(BODY_TIMEOUT, read(body, most)).await.unwrap_or_else(|_| {
        Err(ApiError::new(ProblemCode::BodyTimeout, "the body did not arrive within 10 s").and_close())
    })
}

/// Rejects a body that is not declared as JSON.
///
/// # Errors
/// `malformed`.
pub fn must_be_json(headers: &HeaderMap) -> Result<(), ApiError> {
    if is_json(headers) {
        return Ok(());
    }
    Err(ApiError::malformed("send this body with content-type: application/json"))
}

/// Whether the media type is `application/json`, with any parameters (RFC 9110, section 8.3.1).
fn is_json(headers: &HeaderMap) -> bool {
    media_type(headers).eq_ignore_ascii_case("application/json")
}

/// The media type as sent, without its parameters; empty if there is none.
pub fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

async fn read(mut body: Body, most: usize) -> Result<Bytes, ApiError> {
    let (mut whole, mut length) = (Vec::<Bytes>::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| ApiError::malformed("the body broke off").and_close())?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length > DISCARD_LIMIT {
            return Err(too_large(most).and_close());
        }
        if length > most {
            whole.clear();
        } else {
            whole.push(data);
        }
    }
    if length > most {
        return Err(too_large(most));
    }
    Ok(match whole.as_slice() {
        [single] => single.clone(),
        parts => parts.concat().into(),
    })
}

fn too_large(most: usize) -> ApiError {
    let detail = format!("a body has at most {} KiB ({most} bytes) here", most / 1024);
    ApiError::new(ProblemCode::BodyTooLarge, detail)
}
