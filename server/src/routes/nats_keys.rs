//! `PUT /v1/u/{handle}/nats-keys` and `DELETE /v1/u/{handle}/nats-keys/{nkey}`: the keys that may receive the hints for
//! an inbox from NATS.

use axum::extract::State;
use axum::http::StatusCode;
use kez_core::nats_binding::NatsBinding;
use kez_core::nkey::PublicNkey;
use kez_core::problem::{Problem, ProblemCode};
use kez_core::signed::Signed;

use super::path::{HandleInPath, Text};
use crate::accounts::caller::Caller;
use crate::edge::error::ApiError;
use crate::state::AppState;
use crate::store::{BindOutcome, NewBinding};

/// Binds an nkey to the caller's account, or renews its binding.
///
/// The checks are made in this order: the caller, the shape of the binding, its signature, server and key, its times.
#[utoipa::path(put, path = "/v1/u/{handle}/nats-keys", tag = "NATS", params(
    ("handle" = String, Path),
    ("X-KEZ-Auth" = String, Header, description = "`<handle>:<unix time>:<nonce>:<signature>`"),
), request_body = Object, responses(
    (status = 204, description = "Bound, until the time that the binding names"),
    (status = 400, description = "malformed, wrong_server, stale", body = Problem),
    (status = 401, description = "unauthorized, also for a device of the account; bad_signature", body = Problem),
    (status = 408, description = "body_timeout", body = Problem),
    (status = 409, description = "nkey_removed, nkey_taken, too_many_nkeys", body = Problem),
    (status = 413, description = "body_too_large", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
    (status = 507, description = "storage_full", body = Problem),
))]
pub async fn bind(
    State(state): State<AppState>,
    HandleInPath(handle): HandleInPath,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    caller.must_be(&handle)?;
    caller.must_hold_the_primary()?;
    let signed: Signed<NatsBinding> = Signed::parse(&caller.body)?;
    let text = signed.to_json().map_err(|error| ApiError::malformed(error.to_string()))?;
    let (binding, now) = (signed.verify()?, state.now());
    binding
        .check(&state.config.server, caller.holder.key, now)
        .map_err(|refused| ApiError::new(refused.code(), refused.to_string()))?;
    let new = NewBinding {
        account: caller.holder.id,
        primary: caller.holder.key,
        nkey: binding.nkey(),
        binding: text,
        expires_at: binding.expires_at(),
        now,
    };
    let refused = |code: ProblemCode| Err(ApiError::new(code, code.title()));
    match state.store.bind_nkey(new).await? {
        BindOutcome::Bound => Ok(StatusCode::NO_CONTENT),
        BindOutcome::Removed => refused(ProblemCode::NkeyRemoved),
        BindOutcome::HeldByAnother => refused(ProblemCode::NkeyTaken),
        BindOutcome::TooMany => refused(ProblemCode::TooManyNkeys),
    }
}

/// Removes the binding of one of the caller's nkeys, for good.
///
/// A connection that was opened with it lasts 15 minutes at most.
#[utoipa::path(delete, path = "/v1/u/{handle}/nats-keys/{nkey}", tag = "NATS", params(
    ("handle" = String, Path),
    ("nkey" = String, Path, description = "`U...`"),
    ("X-KEZ-Auth" = String, Header, description = "`<handle>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 204, description = "It is no longer bound, by this or an earlier request"),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized", body = Problem),
    (status = 404, description = "unknown_nkey", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
    (status = 507, description = "storage_full", body = Problem),
))]
pub async fn remove(
    State(state): State<AppState>,
    Text((handle, nkey)): Text<(String, String)>,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    let handle = handle.parse().map_err(|_| ApiError::malformed("the path holds no handle"))?;
    caller.must_be(&handle)?;
    let nkey: PublicNkey = nkey.parse().map_err(|_| ApiError::malformed("the path holds no nkey"))?;
    if state.store.remove_nkey(caller.holder.id, nkey, state.now()).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        let code = ProblemCode::UnknownNkey;
        Err(ApiError::new(code, code.title()))
    }
}
