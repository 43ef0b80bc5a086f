//! A document served from memory: its bytes, their compressed forms, and the matching headers.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use sha2::{Digest, Sha256};

use super::encoding::Encoding;

/// The client must revalidate each time, and uses its cache when the answer is 304.
pub(super) const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");
/// The client never revalidates: the name contains the hash of the contents.
pub(super) const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// A page or file.
#[derive(Clone, Debug)]
pub(super) struct Document {
    media_type: &'static str,
    plain: Bytes,
    compressed: Vec<(Encoding, Bytes)>,
    hash: String,
}

impl Document {
    /// A document with its available compressed forms.
    pub(super) fn new(media_type: &'static str, plain: Bytes, compressed: Vec<(Encoding, Bytes)>) -> Self {
        let hash = short_hash(&plain);
        Self { media_type, plain, compressed, hash }
    }

    /// A page that is compressed once, to be served many times.
    pub(super) fn page(html: String) -> Self {
        Self::html(html, &Encoding::ALL)
    }

    /// A page for one request, compressed only with an encoding that this request accepts.
    pub(super) fn page_for(html: String, request: &HeaderMap) -> Self {
        let accepted = Encoding::ALL.into_iter().find(|encoding| encoding.is_accepted(request));
        Self::html(html, accepted.as_slice())
    }

    fn html(html: String, encodings: &[Encoding]) -> Self {
        let plain = Bytes::from(html);
        let compress = |encoding: &Encoding| Some((*encoding, encoding.compress(&plain)?));
        let compressed = encodings.iter().filter_map(compress).collect();
        Self::new("text/html; charset=utf-8", plain, compressed)
    }

    /// The first 16 hexadecimal digits of the SHA-256 of the contents.
    pub(super) fn hash(&self) -> &str {
        &self.hash
    }

    /// The answer to GET or HEAD: 304 when the client already has these contents, else the best form it accepts.
    pub(super) fn answer(
        &self,
        method: &Method,
        request: &HeaderMap,
        status: StatusCode,
        cache: HeaderValue,
    ) -> Response {
        let chosen = self.compressed.iter().find(|(encoding, _)| encoding.is_accepted(request));
        let (tag, bytes) = match chosen {
            Some((encoding, bytes)) => (format!("\"{}-{}\"", self.hash, encoding.name()), bytes),
            None => (format!("\"{}\"", self.hash), &self.plain),
        };
        let not_modified = status == StatusCode::OK && self.is_held(request);
        let body = if not_modified || method == Method::HEAD { Body::empty() } else { bytes.clone().into() };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, cache);
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        if let Ok(tag) = HeaderValue::try_from(tag) {
            headers.insert(header::ETAG, tag);
        }
        if not_modified {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        headers.insert(header::CONTENT_LENGTH, bytes.len().into());
        if let Some((encoding, _)) = chosen {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding.name()));
        }
        *response.status_mut() = status;
        response
    }

    /// Whether `If-None-Match` names these contents, in any encoding.
    fn is_held(&self, request: &HeaderMap) -> bool {
        request
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"'))
            .any(|tag| tag == "*" || tag.split('-').next() == Some(&self.hash))
    }
}

fn short_hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
