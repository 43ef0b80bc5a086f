//! `POST /v1/groups/requests`: an account that has an invitation asks to join a group.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use kez_core::api::{AskToJoin, ItemStored};
use kez_core::group_item::Body;
use kez_core::invite::{InviteCode, InviteHash};
use kez_core::problem::{Problem, ProblemCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::message::parse_item;
use crate::edge::error::ApiError;
use crate::edge::json::Json;
use crate::relay::groups::member;
use crate::state::AppState;
use crate::store::groups::epoch::At;
use crate::store::usage::Origin;
use crate::store::{NewMessage, StoreError};

/// [`AskToJoin`] without a copy of the item: its bytes are kept unchanged.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Posted<'a> {
    code: &'a str,
    #[serde(borrow)]
    item: &'a RawValue,
}

/// Asks the admins of a group to add the caller.
///
/// The item stands in the log of the group, where its members read it. An invitation that is unknown, expired, used up or
/// to another group is refused with one answer for all. A repeat of the same bytes is answered 200.
#[utoipa::path(post, path = "/v1/groups/requests", tag = "Groups", request_body = AskToJoin, params(
    ("X-KEZ-Auth" = String, Header, description = "`<handle>/<device>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 201, description = "Stored, durably", body = ItemStored),
    (status = 200, description = "It was already stored; repeats the first answer", body = ItemStored),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized, also for an account's own key; bad_signature", body = Problem),
    (status = 403, description = "invite_refused; not_authorised for a member of the group", body = Problem),
    (status = 408, description = "body_timeout", body = Problem),
    (status = 413, description = "envelope_too_large, body_too_large", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
    (status = 507, description = "storage_full, inbox_full", body = Problem),
))]
pub async fn ask(State(state): State<AppState>, request: Request) -> Result<Response, ApiError> {
    let caller = state.authenticator.for_append(request).await?;
    let device = state.authenticator.device(&caller).await?;
    let Posted { code, item } = serde_json::from_slice(&caller.body)
        .map_err(|error| ApiError::malformed(format!("the body is malformed: {error}")))?;
    let (item, bytes) = parse_item(&caller.body, item)?;
    let Body::Request(asked) = item.body() else {
        return Err(ApiError::malformed("only a request can be posted here"));
    };
    if asked.payload().root() != device.root {
        return Err(ApiError::malformed("the request is of another account"));
    }
    let key = state.directory.verifier(&device.key)?;
    let asked = asked.clone().verify_by(&key)?;
    if let Some(claims) = &state.claims {
        claims.ask(caller.holder.id)?;
    }
    // A text that is no code is refused like a code that is not valid.
    let code: InviteCode = code.parse().map_err(|_| StoreError::InviteRefused)?;
    let hash = code.hash();
    if InviteHash::from(asked.invite()) != hash {
        return Err(ApiError::malformed("the request names another invitation"));
    }
    let gid = item.gid();
    let group = state.store.group(gid).await?.ok_or(StoreError::InviteRefused)?;
    if member(&group, caller.holder.id).is_some() {
        return Err(ApiError::new(ProblemCode::NotAuthorised, "you are a member of this group already"));
    }
    let quota = state.limits.is_some().then(|| state.config.groups.quota());
    let new = NewMessage {
        at: Some(At::Request(hash)),
        inbox: group.number.log(),
        envelope: bytes,
        origin: Origin::Known,
        quota,
        now: state.now(),
    };
    let stored = match state.store.append(new).await {
        Ok(stored) => stored,
        Err(StoreError::NoSuchAccount) => return Err(StoreError::InviteRefused.into()),
        Err(other) => return Err(other.into()),
    };
    if stored.fresh {
        state.groups.announce(gid, &group, stored.seq);
    }
    let status = if stored.fresh { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(ItemStored { seq: stored.seq, created_at: stored.created_at })).into_response())
}
