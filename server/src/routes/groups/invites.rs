//! `PUT` and `DELETE /v1/groups/{gid}/invites/{hash}`: an admin invites with a link, and revokes it.

use axum::extract::State;
use axum::http::StatusCode;
use kez_core::api::PutInvite;
use kez_core::invite::InviteHash;
use kez_core::mls::GroupId;
use kez_core::mls::policy::{Kind, Role};
use kez_core::problem::{Problem, ProblemCode};
use kez_core::sigchain::Hash;

use super::unknown_group;
use crate::accounts::caller::Caller;
use crate::edge::error::ApiError;
use crate::relay::groups::member;
use crate::routes::path::Text;
use crate::state::AppState;
use crate::store::groups::GroupNumber;
use crate::store::groups::invites::{GroupInvite, InviteOutcome};

/// How long an invitation lasts at most, in seconds: 90 days.
const LONGEST: u64 = 90 * 24 * 60 * 60;
/// How many requests an invitation allows at most.
const MOST_USES: u64 = 1000;

/// Creates an invitation to a group, or changes when it expires and how many requests it allows.
#[utoipa::path(put, path = "/v1/groups/{gid}/invites/{hash}", tag = "Groups", request_body = PutInvite, params(
    ("gid" = String, Path),
    ("hash" = String, Path, description = "The SHA-256 of the 20 characters of the code"),
    ("X-KEZ-Auth" = String, Header, description = "`<handle>/<device>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 204, description = "Stored, durably"),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized, also for an account's own key", body = Problem),
    (status = 403, description = "not_authorised: the caller is no admin of it", body = Problem),
    (status = 404, description = "unknown_group", body = Problem),
    (status = 408, description = "body_timeout", body = Problem),
    (status = 409, description = "list_full: the group has 20; conflict: another group has this one", body = Problem),
    (status = 413, description = "body_too_large", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
    (status = 507, description = "storage_full", body = Problem),
))]
pub async fn put(
    State(state): State<AppState>,
    Text(path): Text<(String, String)>,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    let (gid, hash) = parse(&path)?;
    let PutInvite { expires_at, uses } = caller.json()?;
    let now = state.now();
    let lasts = expires_at.unix().saturating_sub(now.unix());
    if lasts == 0 || lasts > LONGEST || !(1..=MOST_USES).contains(&uses) {
        return Err(ApiError::malformed(
            "an invitation lasts for up to 90 days and allows 1 to 1,000 requests",
        ));
    }
    let group = administered(&state, gid, &caller).await?;
    match state.store.put_group_invite(GroupInvite { hash, group, expires_at, uses }, now).await? {
        InviteOutcome::Stored => Ok(StatusCode::NO_CONTENT),
        InviteOutcome::Conflict => {
            Err(ApiError::new(ProblemCode::Conflict, "another group has this invitation"))
        }
        InviteOutcome::TooMany => {
            Err(ApiError::new(ProblemCode::ListFull, "a group has at most 20 invitations at one time"))
        }
    }
}

/// Revokes an invitation to a group. Requests that came with it stay in the log.
#[utoipa::path(delete, path = "/v1/groups/{gid}/invites/{hash}", tag = "Groups", params(
    ("gid" = String, Path),
    ("hash" = String, Path, description = "The SHA-256 of the 20 characters of the code"),
    ("X-KEZ-Auth" = String, Header, description = "`<handle>/<device>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 204, description = "There is no such invitation"),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized, also for an account's own key", body = Problem),
    (status = 403, description = "not_authorised: the caller is no admin of it", body = Problem),
    (status = 404, description = "unknown_group", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
))]
pub async fn revoke(
    State(state): State<AppState>,
    Text(path): Text<(String, String)>,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    let (gid, hash) = parse(&path)?;
    let group = administered(&state, gid, &caller).await?;
    state.store.revoke_group_invite(group, hash).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn parse((gid, hash): &(String, String)) -> Result<(GroupId, InviteHash), ApiError> {
    let gid = gid.parse().map_err(|_| ApiError::malformed("the path holds no group id"))?;
    let hash: Hash =
        hash.parse().map_err(|_| ApiError::malformed("the path holds no hash of an invitation"))?;
    Ok((gid, hash.into()))
}

/// The group of people of which a live device of an admin asks.
async fn administered(state: &AppState, gid: GroupId, caller: &Caller) -> Result<GroupNumber, ApiError> {
    state.authenticator.device(caller).await?;
    // Not from the cache: the caller may have been an admin until now.
    let group = state.store.group(gid).await?.ok_or_else(unknown_group)?;
    let place = member(&group, caller.holder.id).ok_or_else(unknown_group)?;
    let has_admin = group.members.iter().any(|member| member.role == Role::Admin);
    let kind = state.store.group_state(gid).await?.ok_or_else(unknown_group)?.kind;
    if kind != Kind::Group || (place.role != Role::Admin && has_admin) {
        return Err(ApiError::new(ProblemCode::NotAuthorised, "only an admin of a group invites to it"));
    }
    Ok(group.number)
}
