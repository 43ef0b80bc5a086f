//! `DELETE /v1/u/{handle}`: the owner deletes the account.

use axum::extract::State;
use axum::http::StatusCode;
use kez_core::handle::Handle;
use kez_core::problem::Problem;

use super::path::HandleInPath;
use crate::accounts::caller::Caller;
use crate::edge::error::ApiError;
use crate::state::AppState;
use crate::store::{AccountId, StoreError};

/// Deletes an account with everything stored for it.
///
/// The handle stays reserved for twelve months, so that it cannot be taken over unnoticed. Live streams close (4401).
/// Messages that the account has sent stay in the inboxes of their recipients.
#[utoipa::path(delete, path = "/v1/u/{handle}", tag = "Account", params(
    ("handle" = String, Path),
    ("X-KEZ-Auth" = String, Header, description = "`<handle>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 204, description = "Deleted, durably"),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized, also for a device of the account", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
))]
pub async fn delete_account(
    State(state): State<AppState>,
    HandleInPath(handle): HandleInPath,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    caller.must_be(&handle)?;
    caller.must_hold_the_primary()?;
    // A separate task, because a caller that disconnects ends the request: between two portions, that would leave an
    // account without messages. The task is tracked with the live streams, because a stopping server waits for those.
    let deletion = state.streams.spawn(delete(state.clone(), caller.holder.id, handle));
    deletion.await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
}

async fn delete(state: AppState, account: AccountId, handle: Handle) -> Result<StatusCode, ApiError> {
    state.store.delete_account(account, state.now()).await?;
    state.directory.holder_changed(account, &handle);
    Ok(StatusCode::NO_CONTENT)
}
