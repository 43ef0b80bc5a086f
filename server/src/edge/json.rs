//! JSON answers.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// The number of headers that an answer gets ([`crate::edge::headers`], the line in the log, caching), and some spare.
const HEADERS: usize = 12;

/// A JSON answer like [`axum::Json`], but with capacity for the headers that follow. Without it, the header map would
/// be reallocated several times.
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
