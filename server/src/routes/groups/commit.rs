//! `POST /v1/groups/{gid}/commits`: a device begins the next epoch.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use kez_core::api::{Base64Url, CommitStored, CommitToGroup, StaleEpochProblem};
use kez_core::group_item::Body;
use kez_core::identity::Primary;
use kez_core::mls::GroupId;
use kez_core::mls::policy::Policy;
use kez_core::problem::{Problem, ProblemCode};
use kez_mls::observer::Applied;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::message::{parse_item, stale};
use super::path::GroupInPath;
use super::unknown_group;
use crate::edge::error::ApiError;
use crate::edge::json::Json;
use crate::relay::commits::{self, Proposed};
use crate::relay::groups::member;
use crate::state::AppState;
use crate::store::groups::epoch::{At, NewEpoch, NewWelcome};
use crate::store::groups::{Group, NewMember};
use crate::store::usage::Origin;
use crate::store::{AccountId, Appended, NewMessage, StoreError};

/// [`CommitToGroup`] without a copy of the item: its bytes are kept unchanged.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Posted<'a> {
    #[serde(borrow)]
    item: &'a RawValue,
    info: Base64Url,
    #[serde(default)]
    welcome: Option<Base64Url>,
}

/// Posts a commit, which begins the next epoch.
///
/// Of several commits for one epoch one is stored; the others get 409 `stale_epoch`. The same bytes again are answered 200.
/// The server checks what it can see: signatures, chains, rules, and that `info` belongs to the very state that the commit
/// makes.
#[utoipa::path(post, path = "/v1/groups/{gid}/commits", tag = "Groups", request_body = CommitToGroup, params(
    ("gid" = String, Path),
    ("X-KEZ-Auth" = String, Header, description = "`<handle>/<device>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 201, description = "Stored, durably", body = CommitStored),
    (status = 200, description = "It was already stored; repeats the first answer", body = CommitStored),
    (status = 400, description = "malformed, invalid_commit", body = Problem),
    (status = 401, description = "unauthorized, also for an account's own key", body = Problem),
    (status = 403, description = "not_authorised, group_full", body = Problem),
    (status = 404, description = "unknown_group, unknown_handle", body = Problem),
    (status = 408, description = "body_timeout", body = Problem),
    (status = 409, description = "stale_epoch, with the present epoch and the number of the last item; too_many_groups", body = StaleEpochProblem),
    (status = 413, description = "envelope_too_large, body_too_large", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
    (status = 507, description = "storage_full, inbox_full", body = Problem),
))]
pub async fn commit(
    State(state): State<AppState>,
    GroupInPath(gid): GroupInPath,
    request: Request,
) -> Result<Response, ApiError> {
    let answer = append(&state, gid, request).await;
    let refused = match &answer {
        Ok(answer) => answer.extensions().get::<ProblemCode>().copied(),
        Err(error) => Some(error.code()),
    };
    match refused {
        Some(code) => state.metrics.refused_commit(code),
        None if answer.as_ref().is_ok_and(|answer| answer.status() == StatusCode::CREATED) => {
            state.metrics.took_commit();
        }
        None => {}
    }
    answer
}

async fn append(state: &AppState, gid: GroupId, request: Request) -> Result<Response, ApiError> {
    let caller = state.authenticator.for_commit(request).await?;
    let device = state.authenticator.device(&caller).await?;
    let Posted { item, info: Base64Url(info), welcome } = serde_json::from_slice(&caller.body)
        .map_err(|error| ApiError::malformed(format!("the body is malformed: {error}")))?;
    let (item, bytes) = parse_item(&caller.body, item)?;
    let Body::Commit(post, why) = item.body().clone() else {
        return Err(ApiError::malformed("only a commit can be posted here"));
    };
    if item.gid() != gid {
        return Err(ApiError::malformed("the item is for another group than the path says"));
    }
    let account = caller.holder.id;
    // Not from the cache: a statement of leaving may have been posted on another node.
    let group = state.store.group(gid).await?.ok_or_else(unknown_group)?;
    member(&group, account).ok_or_else(unknown_group)?;
    if let Some(claims) = &state.claims {
        claims.commit(account)?;
    }
    let observed = state.store.group_state(gid).await?.ok_or_else(unknown_group)?;
    if observed.epoch < post.epoch {
        return Ok(stale(observed.epoch, state.store.last_seq(group.number.log()).await?));
    }
    let (inbox, now) = (group.number.log(), state.now());
    if observed.epoch > post.epoch {
        // It may be in the log already. If it is not, its epoch is over, and so it is not appended.
        let at = Some(At::Epoch(post.epoch));
        let again = NewMessage { at, inbox, envelope: bytes, origin: Origin::Known, quota: None, now };
        return match state.store.append(again).await {
            Ok(stored) => Ok(answer(StatusCode::OK, &stored, post.epoch)),
            Err(StoreError::StaleEpoch { epoch, head }) => Ok(stale(epoch, head)),
            Err(other) => Err(other.into()),
        };
    }
    let proposed = Proposed {
        state: observed.state,
        mls: post.mls,
        info: info.clone(),
        welcome: welcome.as_ref().map(|Base64Url(welcome)| welcome.clone()),
        why,
        roots: group.members.iter().map(|member| member.root).collect(),
        leaving: group.members.iter().filter(|member| member.leaving).map(|member| member.root).collect(),
        now,
    };
    let applied = commits::apply(&state.chains, proposed).await?;
    if applied.change.by != device.leaf() {
        let detail = "the commit was made by another device than the one that posts it";
        return Err(ApiError::new(ProblemCode::NotAuthorised, detail));
    }
    let next = next_epoch(state, &group, account, applied, info, welcome).await?;
    let changed: Vec<AccountId> =
        next.joined.iter().map(|member| member.account).chain(next.left.iter().copied()).collect();
    let quota = state.limits.is_some().then(|| state.config.groups.quota());
    let at = Some(At::Commit { epoch: post.epoch, next: Box::new(next) });
    let new = NewMessage { at, inbox, envelope: bytes, origin: Origin::Known, quota, now };
    let stored = match state.store.append(new).await {
        Ok(stored) => stored,
        Err(StoreError::StaleEpoch { epoch, head }) => return Ok(stale(epoch, head)),
        Err(StoreError::NoSuchAccount) => return Err(unknown_group()),
        Err(other) => return Err(other.into()),
    };
    if stored.fresh {
        state.groups.evict(gid);
        state.groups.announce(gid, &group, stored.seq);
        changed.iter().for_each(|account| state.push.list_again(account.inbox()));
        // Streams of those who come, on other nodes.
        if let Some(now) = state.groups.find(gid, None).await? {
            let came = now.members.iter().filter(|new| member(&group, new.account).is_none());
            state.push.announce_group(inbox, gid, came.map(|new| new.primary), stored.seq);
        }
    }
    Ok(answer(if stored.fresh { StatusCode::CREATED } else { StatusCode::OK }, &stored, post.epoch))
}

fn answer(status: StatusCode, stored: &Appended, epoch: u64) -> Response {
    let body = CommitStored { seq: stored.seq, created_at: stored.created_at, epoch: epoch + 1 };
    (status, Json(body)).into_response()
}

/// What the commit brings, with accounts in place of roots.
async fn next_epoch(
    state: &AppState,
    group: &Group,
    by: AccountId,
    Applied { group: observed, welcomed, .. }: Applied,
    info: Vec<u8>,
    welcome: Option<Base64Url>,
) -> Result<NewEpoch, ApiError> {
    let policy: &Policy = &observed.policy;
    let known = |root: &Primary| group.members.iter().find(|member| member.root == *root);
    let new: Vec<_> = policy.accounts().iter().filter(|account| known(&account.root).is_none()).collect();
    let accounts = state.store.accounts_by_root(new.iter().map(|account| account.root).collect()).await?;
    let mut joined = Vec::new();
    for (account, member) in accounts.into_iter().zip(new) {
        let account = account.ok_or_else(ApiError::unknown_handle)?;
        joined.push(NewMember { account, role: member.role, added_by: by });
    }
    let mut next = NewEpoch { joined, ..NewEpoch::default() };
    for member in &group.members {
        match policy.role(&member.root) {
            None => next.left.push(member.account),
            Some(role) if role != member.role => next.roles.push((member.account, role)),
            Some(_) => {}
        }
    }
    next.welcome = welcome.map(|Base64Url(welcome)| NewWelcome {
        devices: welcomed,
        welcome,
        tree: observed.tree.clone(),
    });
    next.state = observed.state;
    next.info = info;
    next.tree = observed.tree;
    Ok(next)
}
