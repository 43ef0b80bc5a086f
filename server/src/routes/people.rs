//! `/v1/u/{handle}/contacts` and `/v1/u/{handle}/blocks`: the users that an account has accepted and blocked, visible
//! only to its owner.

use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use kez_core::api::HandleList;
use kez_core::handle::Handle;
use kez_core::problem::{Problem, ProblemCode};

use super::path::HandleInPath;
use crate::accounts::caller::Caller;
use crate::accounts::directory::Holder;
use crate::edge::error::ApiError;
use crate::edge::json::Json;
use crate::state::AppState;
use crate::store::people::List;

/// The owner of a list and the listed user.
pub struct OwnerAndPeer {
    owner: Handle,
    peer: Handle,
}

impl<S: Send + Sync> FromRequestParts<S> for OwnerAndPeer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path: Result<Path<(String, String)>, _> = Path::from_request_parts(parts, state).await;
        let Path((owner, peer)) = path.map_err(|_| ApiError::malformed("the path cannot be read"))?;
        let parse = |text: String| {
            text.parse::<Handle>()
                .map_err(|reason| ApiError::malformed(format!("the path holds no handle: {reason}")))
        };
        Ok(Self { owner: parse(owner)?, peer: parse(peer)? })
    }
}

/// Lists the users that the caller has accepted.
#[utoipa::path(get, path = "/v1/u/{handle}/contacts", tag = "People", params(
    ("handle" = String, Path),
    ("X-KEZ-Auth" = String, Header, description = "`<handle>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 200, description = "Everybody on the list", body = HandleList),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
))]
pub async fn contacts(
    State(state): State<AppState>,
    HandleInPath(owner): HandleInPath,
    caller: Caller,
) -> Result<Json<HandleList>, ApiError> {
    on_list(&state, &owner, &caller, List::Contacts).await
}

/// Lists the users that the caller has blocked.
#[utoipa::path(get, path = "/v1/u/{handle}/blocks", tag = "People", params(
    ("handle" = String, Path),
    ("X-KEZ-Auth" = String, Header, description = "`<handle>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 200, description = "Everybody on the list", body = HandleList),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
))]
pub async fn blocks(
    State(state): State<AppState>,
    HandleInPath(owner): HandleInPath,
    caller: Caller,
) -> Result<Json<HandleList>, ApiError> {
    on_list(&state, &owner, &caller, List::Blocks).await
}

/// Accepts a user: messages that they sign from now on count as sent by a known sender.
#[utoipa::path(put, path = "/v1/u/{handle}/contacts/{peer}", tag = "People", params(
    ("handle" = String, Path), ("peer" = String, Path),
    ("X-KEZ-Auth" = String, Header, description = "`<handle>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 204, description = "They stand on the list"),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized", body = Problem),
    (status = 404, description = "unknown_handle", body = Problem),
    (status = 409, description = "list_full", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
    (status = 507, description = "storage_full", body = Problem),
))]
pub async fn add_contact(
    State(state): State<AppState>,
    path: OwnerAndPeer,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    add(&state, &path, &caller, List::Contacts).await
}

/// Blocks a user: messages that they send from now on are stored, and never delivered.
#[utoipa::path(put, path = "/v1/u/{handle}/blocks/{peer}", tag = "People", params(
    ("handle" = String, Path), ("peer" = String, Path),
    ("X-KEZ-Auth" = String, Header, description = "`<handle>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 204, description = "They stand on the list"),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized", body = Problem),
    (status = 404, description = "unknown_handle", body = Problem),
    (status = 409, description = "list_full", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
    (status = 507, description = "storage_full", body = Problem),
))]
pub async fn add_block(
    State(state): State<AppState>,
    path: OwnerAndPeer,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    add(&state, &path, &caller, List::Blocks).await
}

/// Withdraws an acceptance.
#[utoipa::path(delete, path = "/v1/u/{handle}/contacts/{peer}", tag = "People", params(
    ("handle" = String, Path), ("peer" = String, Path),
    ("X-KEZ-Auth" = String, Header, description = "`<handle>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 204, description = "They do not stand on the list"),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized", body = Problem),
    (status = 404, description = "unknown_handle", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
))]
pub async fn remove_contact(
    State(state): State<AppState>,
    path: OwnerAndPeer,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    remove(&state, &path, &caller, List::Contacts).await
}

/// Unblocks a user. Messages sent during the block stay undelivered.
#[utoipa::path(delete, path = "/v1/u/{handle}/blocks/{peer}", tag = "People", params(
    ("handle" = String, Path), ("peer" = String, Path),
    ("X-KEZ-Auth" = String, Header, description = "`<handle>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 204, description = "They do not stand on the list"),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized", body = Problem),
    (status = 404, description = "unknown_handle", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
))]
pub async fn remove_block(
    State(state): State<AppState>,
    path: OwnerAndPeer,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    remove(&state, &path, &caller, List::Blocks).await
}

async fn on_list(
    state: &AppState,
    owner: &Handle,
    caller: &Caller,
    list: List,
) -> Result<Json<HandleList>, ApiError> {
    caller.must_be(owner)?;
    let listed = state.store.listed(caller.holder.id).await?;
    let handles = listed.into_iter().filter(|listed| listed.list == list).map(|listed| listed.handle);
    Ok(Json(HandleList { handles: handles.collect() }))
}

async fn add(
    state: &AppState,
    path: &OwnerAndPeer,
    caller: &Caller,
    list: List,
) -> Result<StatusCode, ApiError> {
    let peer = peer(state, path, caller).await?;
    let stands = state.store.list(caller.holder.id, list, peer.id).await?;
    state.people.forget(caller.holder.id);
    if stands {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(ApiError::new(ProblemCode::ListFull, "the list holds 10,000 people, and has no room for more"))
}

async fn remove(
    state: &AppState,
    path: &OwnerAndPeer,
    caller: &Caller,
    list: List,
) -> Result<StatusCode, ApiError> {
    let peer = peer(state, path, caller).await?;
    state.store.unlist(caller.holder.id, list, peer.id).await?;
    state.people.forget(caller.holder.id);
    Ok(StatusCode::NO_CONTENT)
}

async fn peer(state: &AppState, path: &OwnerAndPeer, caller: &Caller) -> Result<Holder, ApiError> {
    caller.must_be(&path.owner)?;
    if path.owner == path.peer {
        return Err(ApiError::malformed("nobody stands on a list of their own"));
    }
    state.directory.holder(&path.peer).await?.ok_or_else(ApiError::unknown_handle)
}
