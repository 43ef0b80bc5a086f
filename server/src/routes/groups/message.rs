//! `POST /v1/groups/{gid}/messages`: a member posts a message, or says that the account leaves.

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use kez_core::api::{ItemStored, PostItem, StaleEpochProblem};
use kez_core::group_item::{Body, GroupItem, MAX_BYTES, MalformedItem};
use kez_core::group_statements::GroupLeave;
use kez_core::inbox_auth::Unauthorized;
use kez_core::problem::{Problem, ProblemCode};
use kez_core::signed::Signed;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::path::GroupInPath;
use super::unknown_group;
use crate::accounts::caller::Caller;
use crate::edge::error::{ApiError, PROBLEM_JSON};
use crate::edge::json::Json;
use crate::relay::groups::member;
use crate::state::AppState;
use crate::store::groups::Member;
use crate::store::groups::epoch::At;
use crate::store::usage::Origin;
use crate::store::{NewMessage, StoreError};

/// [`PostItem`] without a copy of the item: its bytes are kept unchanged.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Posted<'a> {
    #[serde(borrow)]
    item: &'a RawValue,
}

/// Posts an item of kind `message` or `leave`.
///
/// A repeat of the same bytes is answered 200, in whatever epoch the group is by then. A message of another epoch than the
/// present one is refused; read the log and seal it anew. After an account's `leave`, its messages are refused.
#[utoipa::path(post, path = "/v1/groups/{gid}/messages", tag = "Groups", request_body = PostItem, params(
    ("gid" = String, Path),
    ("X-KEZ-Auth" = String, Header, description = "`<handle>/<device>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 201, description = "Stored, durably", body = ItemStored),
    (status = 200, description = "It was already stored; repeats the first answer", body = ItemStored),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized, also for an account's own key; bad_signature", body = Problem),
    (status = 403, description = "not_authorised", body = Problem),
    (status = 404, description = "unknown_group", body = Problem),
    (status = 408, description = "body_timeout", body = Problem),
    (status = 409, description = "stale_epoch, with the present epoch and the number of the last item", body = StaleEpochProblem),
    (status = 413, description = "envelope_too_large, body_too_large", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
    (status = 507, description = "storage_full, inbox_full", body = Problem),
))]
pub async fn post(
    State(state): State<AppState>,
    GroupInPath(gid): GroupInPath,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state.authenticator.for_append(request).await?;
    caller.device.ok_or(Unauthorized)?;
    let (item, bytes) = item_of(&caller)?;
    if item.gid() != gid {
        return Err(ApiError::malformed("the item is for another group than the path says"));
    }
    let account = caller.holder.id;
    let group = state.groups.find(gid, item.epoch()).await?.ok_or_else(unknown_group)?;
    let place = member(&group, account).ok_or_else(unknown_group)?;
    match item.body() {
        Body::Message(_) if place.leaving => {
            let detail = "your account has said that it leaves this group";
            return Err(ApiError::new(ProblemCode::NotAuthorised, detail));
        }
        Body::Message(_) => {}
        Body::Leave(leave) => check_leave(&state, &caller, place, leave).await?,
        Body::Commit(..) | Body::Request(_) => {
            return Err(ApiError::malformed("only a message or a leave can be posted here"));
        }
    }
    state.admission.admit_to_group(account)?;
    let quota = state.limits.is_some().then(|| state.config.groups.quota());
    let at = match item.body() {
        Body::Leave(_) => Some(At::Leave(account)),
        _ => item.epoch().map(At::Epoch),
    };
    let now = state.now();
    let new =
        NewMessage { at, inbox: group.number.log(), envelope: bytes, origin: Origin::Known, quota, now };
    let stored = match state.store.append(new).await {
        Ok(stored) => stored,
        Err(StoreError::StaleEpoch { epoch, head }) => return Ok(stale(epoch, head)),
        Err(StoreError::NoSuchAccount) => return Err(unknown_group()),
        Err(other) => return Err(other.into()),
    };
    if stored.fresh {
        if matches!(item.body(), Body::Leave(_)) {
            state.groups.evict(gid);
        }
        state.groups.announce(gid, &group, stored.seq);
    }
    let status = if stored.fresh { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(ItemStored { seq: stored.seq, created_at: stored.created_at })).into_response())
}

/// The item of the request, parsed and as the bytes that came.
fn item_of(caller: &Caller) -> Result<(GroupItem, Bytes), ApiError> {
    let posted: Posted<'_> = serde_json::from_slice(&caller.body)
        .map_err(|error| ApiError::malformed(format!("the body is malformed: {error}")))?;
    parse_item(&caller.body, posted.item)
}

/// An item in a body, parsed and as the bytes that came.
pub(super) fn parse_item(body: &Bytes, item: &RawValue) -> Result<(GroupItem, Bytes), ApiError> {
    let bytes = body.slice_ref(item.get().as_bytes());
    match GroupItem::parse(bytes.to_vec()) {
        Ok(item) => Ok((item, bytes)),
        Err(MalformedItem::TooLarge) => {
            let detail = format!("an item has at most {MAX_BYTES} bytes");
            Err(ApiError::new(ProblemCode::EnvelopeTooLarge, detail))
        }
        Err(error) => Err(ApiError::malformed(error.to_string())),
    }
}

/// The statement must be of the caller's account, signed by the device that posts it.
async fn check_leave(
    state: &AppState,
    caller: &Caller,
    place: &Member,
    leave: &Signed<GroupLeave>,
) -> Result<(), ApiError> {
    if leave.payload().root() != place.root {
        return Err(ApiError::malformed("the statement is of another account"));
    }
    let device = state.authenticator.device(caller).await?;
    let key = state.directory.verifier(&device.key)?;
    leave.clone().verify_by(&key).map(drop).map_err(ApiError::from)
}

/// Tells the caller where the log is.
pub(super) fn stale(epoch: u64, head: u64) -> Response {
    let detail = format!("the group is in epoch {epoch}");
    let problem = StaleEpochProblem { problem: Problem::new(ProblemCode::StaleEpoch, detail), epoch, head };
    let mut response =
        (StatusCode::CONFLICT, [(header::CONTENT_TYPE, PROBLEM_JSON)], Json(problem)).into_response();
    // For the code that counts refusals.
    response.extensions_mut().insert(ProblemCode::StaleEpoch);
    response
}
