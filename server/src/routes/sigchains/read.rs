//! `GET /v1/sigchains/ed25519/{hex}`: a chain, or the part after a given link.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kez_core::problem::Problem;
use kez_core::sigchain::{Hash, Links};
use serde_json::value::RawValue;

use super::Root;
use crate::chains::sigchains::{PAGE_BYTES, Sigchains};
use crate::edge::error::ApiError;
use crate::edge::json::Json;
use crate::edge::query;
use crate::store::StoreError;

/// Reads a chain.
///
/// The list of links ends when it reaches 2 MiB: while it has fewer links than `length` says, ask again with a later
/// `since`.
#[utoipa::path(get, path = "/v1/sigchains/ed25519/{hex}", tag = "Sigchains", params(
    ("hex" = String, Path, description = "The first primary of the chain, 64 lower-case hexadecimal digits"),
    ("since" = Option<u64>, Query, description = "The last seqno that the reader has; 0 when absent"),
    ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an earlier answer, which is the head"),
), responses(
    (status = 200, description = "The links after `since`", body = Links),
    (status = 304, description = "The chain has not changed"),
    (status = 400, description = "malformed", body = Problem),
    (status = 404, description = "unknown_chain", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
))]
pub(super) async fn read(
    State(chains): State<Arc<Sigchains>>,
    Root(root): Root,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let [since] = query::numbers(query.as_deref(), ["since"])?;
    let found = chains.store.links_after(&root, since.unwrap_or(0), PAGE_BYTES).await?;
    let found = found.ok_or_else(ApiError::unknown_chain)?;
    let tag = etag(&found.head.hash);
    let caching = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, "no-cache".to_owned())];
    if is_known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    let links = found.links.into_iter().map(RawValue::from_string).collect::<Result<_, _>>();
    let links = links.map_err(|_| StoreError::Corrupt("sigchain link"))?;
    let body = Links { primary: root, length: found.head.seqno, head: found.head.hash, links };
    Ok((caching, Json(body)).into_response())
}

/// The head identifies the whole chain, and so every piece of it.
fn etag(head: &Hash) -> String {
    format!("\"{head}\"")
}

/// Whether the client already has the current version (RFC 9110, section 13.1.2). A tag that a proxy made weak counts
/// too.
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|given| given == "*" || given.trim_start_matches("W/") == tag)
}
