//! `/v1/u/{handle}/contacts` and `/v1/u/{handle}/blocks`: the users that an account has accepted and blocked, visible
//! only to its owner.

use axum::Extension;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use kez_core::api::HandleList;
use kez_core::handle::Handle;
use kez_core::problem::{Problem, ProblemCode};
use utoipa::openapi::Paths;
use utoipa_axum::router::{UtoipaMethodRouter, UtoipaMethodRouterExt};

use super::path::HandleInPath;
use crate::accounts::caller::Caller;
use crate::accounts::directory::Holder;
use crate::edge::error::ApiError;
use crate::edge::json::Json;
use crate::state::AppState;
use crate::store::people::List;

/// The lists, by their names in paths.
pub const LISTS: [(&str, List); 2] = [("contacts", List::Contacts), ("blocks", List::Blocks)];

/// Handlers of this module for one list. Its name takes the place of `{list}` in their paths, and completes the names
/// of their operations.
pub fn of_list(
    (name, list): (&str, List),
    (schemas, templates, handlers): UtoipaMethodRouter<AppState>,
) -> UtoipaMethodRouter<AppState> {
    let mut paths = Paths::new();
    for (path, mut item) in templates.paths {
        for operation in [&mut item.get, &mut item.put, &mut item.delete].into_iter().flatten() {
            operation.operation_id = operation.operation_id.as_ref().map(|verb| format!("{verb}_{name}"));
        }
        paths.paths.insert(path.replace("{list}", name), item);
    }
    (schemas, paths, handlers).layer(Extension(list))
}

/// Lists the users on a list of the caller.
#[utoipa::path(get, path = "/v1/u/{handle}/{list}", tag = "People", params(
    ("handle" = String, Path),
    ("X-KEZ-Auth" = String, Header, description = "`<handle>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 200, description = "The users on the list", body = HandleList),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
))]
pub async fn list(
    State(state): State<AppState>,
    Extension(list): Extension<List>,
    HandleInPath(owner): HandleInPath,
    caller: Caller,
) -> Result<Json<HandleList>, ApiError> {
    caller.must_be(&owner)?;
    let listed = state.store.listed(caller.holder.id).await?;
    let handles = listed.into_iter().filter(|listed| listed.list == list).map(|listed| listed.handle);
    Ok(Json(HandleList { handles: handles.collect() }))
}

/// Puts a user on a list.
///
/// Messages that contacts sign from now on count as sent by a known sender. Messages that blocked users send from now on
/// are stored, and never delivered.
#[utoipa::path(put, path = "/v1/u/{handle}/{list}/{peer}", tag = "People", params(
    ("handle" = String, Path), ("peer" = String, Path),
    ("X-KEZ-Auth" = String, Header, description = "`<handle>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 204, description = "They are on the list"),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized", body = Problem),
    (status = 404, description = "unknown_handle", body = Problem),
    (status = 409, description = "list_full", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
    (status = 507, description = "storage_full", body = Problem),
))]
pub async fn add_to(
    State(state): State<AppState>,
    Extension(list): Extension<List>,
    path: OwnerAndPeer,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    let peer = peer(&state, &path, &caller).await?;
    let stands = state.store.list(caller.holder.id, list, peer.id).await?;
    state.people.evict(caller.holder.id);
    if stands {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(ApiError::new(ProblemCode::ListFull, "the list is full: it holds 10,000 people"))
}

/// Takes a user off a list.
///
/// Messages sent during a block stay undelivered.
#[utoipa::path(delete, path = "/v1/u/{handle}/{list}/{peer}", tag = "People", params(
    ("handle" = String, Path), ("peer" = String, Path),
    ("X-KEZ-Auth" = String, Header, description = "`<handle>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 204, description = "They are not on the list"),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized", body = Problem),
    (status = 404, description = "unknown_handle", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
))]
pub async fn remove_from(
    State(state): State<AppState>,
    Extension(list): Extension<List>,
    path: OwnerAndPeer,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    let peer = peer(&state, &path, &caller).await?;
    state.store.unlist(caller.holder.id, list, peer.id).await?;
    state.people.evict(caller.holder.id);
    Ok(StatusCode::NO_CONTENT)
}

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

async fn peer(state: &AppState, path: &OwnerAndPeer, caller: &Caller) -> Result<Holder, ApiError> {
    caller.must_be(&path.owner)?;
    if path.owner == path.peer {
        return Err(ApiError::malformed("an account cannot be on its own list"));
    }
    state.directory.holder(&path.peer).await?.ok_or_else(ApiError::unknown_handle)
}
