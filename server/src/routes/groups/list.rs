//! `GET /v1/groups`: the groups of the caller.

use axum::extract::State;
use kez_core::api::{GroupKind, GroupList, GroupRole, GroupSummary};
use kez_core::mls::policy::{Kind, Role};
use kez_core::problem::Problem;

use crate::accounts::caller::Caller;
use crate::edge::error::ApiError;
use crate::edge::json::Json;
use crate::state::AppState;
use crate::store::groups::Membership;

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

pub(super) fn summary(membership: Membership) -> GroupSummary {
    let Membership { gid, kind, epoch, head, since, until, role, added_by, .. } = membership;
    let kind = match kind {
        Kind::Group => GroupKind::Group,
        Kind::Direct => GroupKind::Direct,
        Kind::Own => GroupKind::Own,
    };
    let role = match role {
        Role::Member => GroupRole::Member,
        Role::Admin => GroupRole::Admin,
    };
    GroupSummary { gid, kind, epoch, head, since, until, role, added_by }
}
