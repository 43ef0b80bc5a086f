//! `GET /.well-known/webfinger` (RFC 7033): from `acct:alice@kez.lat` to her key and her contact URLs.

use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use kez_core::identity::PublicIdentity;
use kez_core::problem::Problem;
use kez_core::webfinger::{Jrd, MEDIA_TYPE, PROPERTY_LOG, Resource};

use crate::edge::error::ApiError;
use crate::edge::json::Json;
use crate::state::AppState;
use crate::store::StoreError;

/// Describes an account. Any page may read the answer (RFC 7033, section 5).
#[utoipa::path(get, path = "/.well-known/webfinger", tag = "Registry", params(
    ("resource" = String, Query, example = "acct:alice@kez.lat"),
    ("rel" = Option<Vec<String>>, Query, description = "Only links of these relations; may be repeated"),
), responses(
    (status = 200, description = "The account", body = Jrd, content_type = "application/jrd+json"),
    (status = 400, description = "malformed", body = Problem),
    (status = 404, description = "unknown_handle: no such account, or one of another server", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
))]
pub async fn webfinger(
    State(state): State<AppState>,
    query: Result<Query<Vec<(String, String)>>, axum::extract::rejection::QueryRejection>,
) -> Result<impl IntoResponse, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::malformed("the query cannot be read"))?;
    let jrd = describe(&state, query).await?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE))], Json(jrd)))
}

/// The user of this server that a resource names. A profile page uses the public address, whose host may differ from
/// the server's name.
fn person(state: &AppState, resource: &str) -> Result<Resource, ApiError> {
    let server = &state.config.server;
    let page = format!("{}/u/", state.config.public_url());
    let named = resource.trim().to_ascii_lowercase();
    let named = match named.strip_prefix(&page) {
        Some(handle) => format!("acct:{}@{server}", handle.strip_suffix('/').unwrap_or(handle)),
        None => named,
    };
    let named = named.parse::<Resource>().map_err(|error| ApiError::malformed(error.to_string()))?;
    if named.server == *server { Ok(named) } else { Err(ApiError::unknown_handle()) }
}

async fn describe(state: &AppState, query: Vec<(String, String)>) -> Result<Jrd, ApiError> {
    let (resources, others): (Vec<_>, Vec<_>) = query.into_iter().partition(|(name, _)| name == "resource");
    let [(_, resource)] = resources.as_slice() else {
        return Err(ApiError::malformed("the query names one resource, such as acct:alice@kez.lat"));
    };
    let resource = person(state, resource)?;
    let account = state.store.lookup(&resource.handle).await?.ok_or_else(ApiError::unknown_handle)?;
    let key = PublicIdentity::accepted_before(account.primary).map_err(|_| StoreError::Corrupt("key"))?;
    let sigchain_url = state.config.sigchain_url(&account.root);
    let proof = state.inclusion(&account.root).await?;
    let rels: Vec<String> =
        others.into_iter().filter(|(name, _)| name == "rel").map(|(_, rel)| rel).collect();
    let mut jrd = Jrd::describe(&resource, &key, &state.config.public_url(), &sigchain_url, &rels);
    if let Some(proof) = proof {
        let proof = serde_json::to_string(&proof).map_err(|_| StoreError::Corrupt("proof"))?;
        jrd.properties.insert(PROPERTY_LOG.to_owned(), proof);
    }
    Ok(jrd)
}
