//! `PUT /v1/groups/{gid}/state`: after a restore, a device offers the state of a group that the backup does not have.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use kez_core::api::{Base64Url, OfferState, StaleEpochProblem};
use kez_core::canonical_json::MAX_INTEGER;
use kez_core::mls::policy::Kind;
use kez_core::problem::Problem;
use kez_mls::observer::Observed;

use super::message::stale;
use super::path::GroupInPath;
use super::unknown_group;
use crate::accounts::caller::Caller;
use crate::edge::error::ApiError;
use crate::relay::commits;
use crate::relay::groups::member;
use crate::state::AppState;
use crate::store::StoreError;
use crate::store::groups::{Group, OfferedState};

/// Replaces the state of a group by that of a later epoch, from a restore to the next commit.
///
/// Without this, a restored server would wait for commits of an epoch that its clients have left. The latest offered epoch
/// counts; the next commit ends it, and changes the members to those of the state.
#[utoipa::path(put, path = "/v1/groups/{gid}/state", tag = "Groups", request_body = OfferState, params(
    ("gid" = String, Path),
    ("X-KEZ-Auth" = String, Header, description = "`<handle>/<device>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 204, description = "Replaced, durably"),
    (status = 400, description = "malformed, invalid_commit", body = Problem),
    (status = 401, description = "unauthorized, also for an account's own key", body = Problem),
    (status = 404, description = "unknown_group", body = Problem),
    (status = 408, description = "body_timeout", body = Problem),
    (status = 409, description = "stale_epoch, with the present epoch and the number of the last item: the epoch is not later, or there was no restore since the last commit", body = StaleEpochProblem),
    (status = 413, description = "body_too_large", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
    (status = 507, description = "storage_full", body = Problem),
))]
pub async fn offer(
    State(state): State<AppState>,
    GroupInPath(gid): GroupInPath,
    caller: Caller,
) -> Result<Response, ApiError> {
    let device = state.authenticator.device(&caller).await?;
    let OfferState { info: Base64Url(info), tree: Base64Url(tree) } = caller.json()?;
    let account = caller.holder.id;
    let group = state.store.group(gid).await?.ok_or_else(unknown_group)?;
    member(&group, account).ok_or_else(unknown_group)?;
    let known = state.store.group_state(gid).await?.ok_or_else(unknown_group)?;
    if !known.ahead {
        return Ok(stale(known.epoch, state.store.last_seq(group.number.log()).await?));
    }
    if let Some(claims) = &state.claims {
        claims.commit(account)?;
    }
    let roots: Vec<_> = group.members.iter().map(|member| member.root).collect();
    let observed = commits::reopen(&state.chains, &roots, info.clone(), tree, state.now()).await?;
    let fits =
        observed.gid == gid && observed.policy.kind() == known.kind && keeps_its_people(&observed, &group);
    if !fits || observed.epoch >= MAX_INTEGER {
        return Err(ApiError::malformed("info is not of this group"));
    }
    if !observed.leaves.contains(&device.leaf()) {
        return Err(ApiError::malformed("your device does not belong to the group in this state"));
    }
    let Observed { epoch, state: of_server, tree, .. } = observed;
    let offered = OfferedState { epoch, state: of_server, info, tree };
    match state.store.offer_state(group.number, offered).await {
        Ok(()) => {
            state.groups.evict(gid);
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        Err(StoreError::StaleEpoch { epoch, head }) => Ok(stale(epoch, head)),
        Err(StoreError::NoSuchAccount) => Err(unknown_group()),
        Err(other) => Err(other.into()),
    }
}

/// The people of a conversation of two, and of the group of one account's devices, never change.
fn keeps_its_people(observed: &Observed, group: &Group) -> bool {
    match observed.policy.kind() {
        Kind::Group => true,
        Kind::Direct | Kind::Own => {
            group.members.iter().all(|member| observed.policy.role(&member.root).is_some())
        }
    }
}
