//! The requests of an inbox's owner: acknowledging messages, setting their retention, and deleting message requests.

use axum::extract::State;
use axum::http::StatusCode;
use kez_core::api::{AckInbox, InboxLimits, InboxStatus, KeepMessages, RequestsHeld};
use kez_core::canonical_json::MAX_INTEGER;
use kez_core::identity::Primary;
use kez_core::problem::{Problem, ProblemCode};

use super::path::{HandleInPath, Text};
use crate::accounts::caller::Caller;
use crate::edge::error::ApiError;
use crate::edge::json::Json;
use crate::relay::expiry::delete_past_limit;
use crate::state::AppState;
use crate::store::StoreError;
use crate::store::inboxes::{Acknowledged, Status};
use crate::store::moderation::PORTION;

/// Acknowledges messages: one of the owner's browsers has stored every message up to and including this number.
///
/// Acknowledged messages do not count as waiting, and may be deleted according to the owner's setting. A number lower
/// than the acknowledged one changes nothing.
#[utoipa::path(post, path = "/v1/inbox/{handle}/ack", tag = "Relay", request_body = AckInbox, params(
    ("handle" = String, Path),
    ("X-KEZ-Auth" = String, Header, description = "`<handle>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 200, description = "It is recorded; the state of the inbox", body = InboxStatus),
    (status = 400, description = "malformed, also for a number that the inbox has not assigned", body = Problem),
    (status = 401, description = "unauthorized", body = Problem),
    (status = 408, description = "body_timeout", body = Problem),
    (status = 409, description = "epoch_changed", body = Problem),
    (status = 413, description = "body_too_large", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
    (status = 507, description = "storage_full", body = Problem),
))]
pub async fn acknowledge(
    State(state): State<AppState>,
    HandleInPath(handle): HandleInPath,
    caller: Caller,
) -> Result<Json<InboxStatus>, ApiError> {
    caller.must_be(&handle)?;
    let AckInbox { epoch, seq } = caller.json()?;
    if epoch != state.store.epoch() {
        let detail = "the numbering of this inbox has restarted; read it again from 0";
        return Err(ApiError::new(ProblemCode::EpochChanged, detail));
    }
    if seq > MAX_INTEGER {
        return Err(not_given_out());
    }
    match state.store.acknowledge(caller.holder.id.inbox(), seq).await? {
        Acknowledged::Stands(status) => Ok(Json(describe(&state, status))),
        Acknowledged::NotGivenOut => Err(not_given_out()),
    }
}

/// Reports what the inbox holds.
#[utoipa::path(get, path = "/v1/inbox/{handle}/status", tag = "Relay", params(
    ("handle" = String, Path),
    ("X-KEZ-Auth" = String, Header, description = "`<handle>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 200, description = "What the inbox holds", body = InboxStatus),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
))]
pub async fn status(
    State(state): State<AppState>,
    HandleInPath(handle): HandleInPath,
    caller: Caller,
) -> Result<Json<InboxStatus>, ApiError> {
    caller.must_be(&handle)?;
    let status = state.store.inbox_status(caller.holder.id.inbox()).await?;
    Ok(Json(describe(&state, status)))
}

/// Sets how long acknowledged messages stay.
///
/// Older messages are deleted at once, and from then on every hour.
#[utoipa::path(put, path = "/v1/inbox/{handle}/keep", tag = "Relay", request_body = KeepMessages, params(
    ("handle" = String, Path),
    ("X-KEZ-Auth" = String, Header, description = "`<handle>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 204, description = "Set, durably"),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized", body = Problem),
    (status = 408, description = "body_timeout", body = Problem),
    (status = 413, description = "body_too_large", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
    (status = 507, description = "storage_full", body = Problem),
))]
pub async fn keep(
    State(state): State<AppState>,
    HandleInPath(handle): HandleInPath,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    caller.must_be(&handle)?;
    let KeepMessages { days } = caller.json()?;
    let inbox = caller.holder.id.inbox();
    state.store.keep_for(inbox, days).await?;
    if let Some(days) = days {
        // A separate task, because a caller that disconnects ends the request.
        let deletion = state.clone();
        let deletion = async move { delete_past_limit(&deletion.store, deletion.now(), inbox, days).await };
        let deletion = state.streams.spawn(deletion);
        deletion.await.unwrap_or(Err(StoreError::Closed))?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes the message requests of a key.
///
/// This makes room for other requests. Messages from accepted senders are not requests, and stay.
#[utoipa::path(delete, path = "/v1/inbox/{handle}/requests/{sender}", tag = "Relay", params(
    ("handle" = String, Path),
    ("sender" = String, Path, description = "`ed25519:<64 hex>`, as `from` of the envelopes names it"),
    ("X-KEZ-Auth" = String, Header, description = "`<handle>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 204, description = "None of this key's are left, by this or an earlier request"),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
))]
pub async fn delete_requests(
    State(state): State<AppState>,
    Text((handle, sender)): Text<(String, String)>,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    let handle = handle.parse().map_err(|_| ApiError::malformed("the path holds no handle"))?;
    caller.must_be(&handle)?;
    let sender: Primary = sender.parse().map_err(|_| ApiError::malformed("the path holds no key"))?;
    while state.store.delete_requests(caller.holder.id.inbox(), sender).await? == PORTION {}
    Ok(StatusCode::NO_CONTENT)
}

fn not_given_out() -> ApiError {
    ApiError::malformed("the inbox has not assigned this number")
}

fn describe(state: &AppState, status: Status) -> InboxStatus {
    let limits = state.admission.quota().map(|quota| InboxLimits {
        waiting: quota.waiting,
        bytes: quota.bytes,
        requests_messages: quota.requests.messages,
        requests_bytes: quota.requests.bytes,
    });
    InboxStatus {
        epoch: state.store.epoch().to_owned(),
        last: status.last,
        acknowledged: status.acknowledged,
        keep_days: status.keep,
        messages: status.usage.held.messages,
        bytes: status.usage.held.bytes,
        waiting: status.usage.waiting,
        requests: RequestsHeld { messages: status.requests.messages, bytes: status.requests.bytes },
        limits,
    }
}
