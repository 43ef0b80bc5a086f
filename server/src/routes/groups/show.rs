//! `GET /v1/groups/{gid}`: the caller's place in a group, and what a device needs to join it.

use axum::extract::State;
use kez_core::api::{Base64Url, GroupDetails, WelcomeToGroup};
use kez_core::problem::Problem;
use kez_core::time::Timestamp;

use super::path::GroupInPath;
use super::unknown_group;
use crate::accounts::caller::Caller;
use crate::edge::error::ApiError;
use crate::edge::json::Json;
use crate::relay::expiry::WELCOMES_KEPT;
use crate::relay::groups::summary;
use crate::state::AppState;

/// Shows a group to an account that belongs to it, or once belonged to it.
///
/// Members also get the `GroupInfo` and the ratchet tree of the present epoch and, for 30 days, the last Welcome for the
/// calling device.
#[utoipa::path(get, path = "/v1/groups/{gid}", tag = "Groups", params(
    ("gid" = String, Path),
    ("X-KEZ-Auth" = String, Header, description = "`<caller>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 200, description = "The group", body = GroupDetails),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized", body = Problem),
    (status = 404, description = "unknown_group", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
))]
pub async fn show(
    State(state): State<AppState>,
    GroupInPath(gid): GroupInPath,
    caller: Caller,
) -> Result<Json<GroupDetails>, ApiError> {
    let account = caller.holder.id;
    let mut place = state.store.membership(account, gid).await?.ok_or_else(unknown_group)?;
    if place.until.is_some() {
        return Ok(Json(GroupDetails { summary: summary(place), info: None, tree: None, welcome: None }));
    }
    let group = state.store.group_state(gid).await?.ok_or_else(unknown_group)?;
    let welcome = match caller.device {
        None => None,
        Some(_) => {
            let device = state.authenticator.device(&caller).await?.leaf();
            let since = Timestamp::from_unix(state.now().unix().saturating_sub(WELCOMES_KEPT));
            state.store.welcome(group.number, device, since).await?
        }
    };
    let welcome = welcome.map(|found| WelcomeToGroup {
        seq: found.seq,
        welcome: Base64Url(found.welcome),
        tree: Base64Url(found.tree),
    });
    // The epoch of the info, which may be later than the one read before.
    place.epoch = group.epoch;
    let (info, tree) = (Some(Base64Url(group.info)), Some(Base64Url(group.tree)));
    Ok(Json(GroupDetails { summary: summary(place), info, tree, welcome }))
}
