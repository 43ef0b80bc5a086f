//! `POST /v1/groups`: a device creates a group, of which it is the only leaf.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use kez_core::api::{Base64Url, CreateGroup, GroupCreated, GroupExistsProblem};
use kez_core::mls::GroupId;
use kez_core::mls::policy::{Kind, Policy};
use kez_core::problem::{Problem, ProblemCode};
use kez_core::sigchain::Hash;
use kez_mls::observer::Observed;

use crate::accounts::caller::Caller;
use crate::edge::error::{ApiError, PROBLEM_JSON};
use crate::edge::json::Json;
use crate::relay::commits;
use crate::state::AppState;
use crate::store::groups::{CreateOutcome, NewGroup, NewMember};

/// Creates a group in epoch 0.
///
/// The policy in its `info` says who belongs to it. Of a conversation of two people, and of the group of an account's own
/// devices, there is one.
#[utoipa::path(post, path = "/v1/groups", tag = "Groups", request_body = CreateGroup, params(
    ("X-KEZ-Auth" = String, Header, description = "`<handle>/<device>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 201, description = "Created, durably", body = GroupCreated),
    (status = 200, description = "The same request created it before", body = GroupCreated),
    (status = 400, description = "malformed, invalid_commit", body = Problem),
    (status = 401, description = "unauthorized, also for an account's own key", body = Problem),
    (status = 403, description = "not_authorised: the caller is no admin of it", body = Problem),
    (status = 404, description = "unknown_handle: a root without an account here", body = Problem),
    (status = 408, description = "body_timeout", body = Problem),
    (status = 409, description = "group_exists, with the group; too_many_groups", body = GroupExistsProblem),
    (status = 413, description = "body_too_large", body = Problem),
    (status = 429, description = "rate_limited, also for more than 100 new groups of an account in a day", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
    (status = 507, description = "storage_full", body = Problem),
))]
pub async fn create(State(state): State<AppState>, caller: Caller) -> Result<Response, ApiError> {
    let device = state.authenticator.device(&caller).await?;
    let CreateGroup { gid, kind, info: Base64Url(info), tree: Base64Url(tree) } = caller.json()?;
    state.claims.as_ref().map_or(Ok(()), |claims| claims.create(caller.holder.id))?;
    let opened = commits::open(&state.chains, &device.root, info.clone(), tree).await?;
    let Observed { policy, leaves, by, epoch, .. } = &opened;
    let is_first = *epoch == 0 && *leaves == [device.leaf()] && *by == device.leaf();
    if !is_first || opened.gid != gid || policy.kind() != super::kind_of(kind) {
        return Err(ApiError::malformed("info is not of this group in epoch 0 with your device alone"));
    }
    if !policy.is_admin(&device.root) {
        return Err(ApiError::new(ProblemCode::NotAuthorised, "the creator of a group is an admin of it"));
    }
    let roots: Vec<_> = policy.accounts().iter().map(|account| account.root).collect();
    let accounts = state.store.accounts_by_root(roots).await?;
    let mut members = Vec::new();
    for (account, member) in accounts.into_iter().zip(policy.accounts()) {
        let account = account.ok_or_else(ApiError::unknown_handle)?;
        members.push(NewMember { account, role: member.role, added_by: caller.holder.id });
    }
    let group = NewGroup {
        gid,
        kind: policy.kind(),
        pair: pair(policy),
        state: opened.state,
        info,
        tree: opened.tree,
        members: members.clone(),
        now: state.now(),
    };
    match state.store.create_group(group).await? {
        CreateOutcome::Created(_) => {
            state.groups.evict(gid);
            members.iter().for_each(|member| state.push.list_again(member.account.inbox()));
            Ok((StatusCode::CREATED, Json(GroupCreated { gid })).into_response())
        }
        CreateOutcome::Stands(_) => Ok(Json(GroupCreated { gid }).into_response()),
        CreateOutcome::Exists(other) => Ok(exists(other)),
        CreateOutcome::TooMany => {
            let detail = "an account of this group belongs to as many groups as it may";
            Err(ApiError::new(ProblemCode::TooManyGroups, detail))
        }
    }
}

/// The name of the one group of these people: the SHA-256 of their roots in ascending order.
fn pair(policy: &Policy) -> Option<Hash> {
    let roots = || policy.accounts().iter().flat_map(|account| *account.root.as_bytes()).collect::<Vec<u8>>();
    match policy.kind() {
        Kind::Group => None,
        Kind::Direct | Kind::Own => Some(Hash::of(&roots())),
    }
}

fn exists(gid: GroupId) -> Response {
    let problem = Problem::new(ProblemCode::GroupExists, "this group exists already");
    let body = Json(GroupExistsProblem { problem, gid });
    let mut response = (StatusCode::CONFLICT, [(header::CONTENT_TYPE, PROBLEM_JSON)], body).into_response();
    // For the code that counts refusals.
    response.extensions_mut().insert(ProblemCode::GroupExists);
    response
}
