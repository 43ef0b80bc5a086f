//! `GET /v1/groups`: the groups of the caller.

use axum::extract::State;
use kez_core::api::GroupList;
use kez_core::problem::Problem;

use crate::accounts::caller::Caller;
use crate::edge::error::ApiError;
use crate::edge::json::Json;
use crate::relay::groups::summary;
use crate::state::AppState;

/// Lists the groups that the caller belongs to, or once belonged to.
///
/// Groups to which a blocked account added the caller, and conversations with a blocked account, are left out.
#[utoipa::path(get, path = "/v1/groups", tag = "Groups", params(
    ("X-KEZ-Auth" = String, Header, description = "`<caller>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 200, description = "The groups", body = GroupList),
    (status = 401, description = "unauthorized", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
))]
pub async fn list(State(state): State<AppState>, caller: Caller) -> Result<Json<GroupList>, ApiError> {
    let groups = state.store.groups_of(caller.holder.id).await?;
    Ok(Json(GroupList { groups: groups.into_iter().map(summary).collect() }))
}
