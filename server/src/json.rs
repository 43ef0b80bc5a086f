//! Answers in JSON.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// How many headers an answer gets ([`crate::headers`], the line in the log, caching) and some more.
const HEADERS: usize = 12;

/// A value as the JSON of an answer, as [`axum::Json`] is one; but with room for the headers that follow, which would
/// otherwise be moved several times on their way out.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let Ok(body) = serde_json::to_vec(&self.0) else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let mut headers = HeaderMap::with_capacity(HEADERS);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut response = Response::new(Body::from(body));
        *response.headers_mut() = headers;
        response
    }
}
