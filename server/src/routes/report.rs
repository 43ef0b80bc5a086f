//! `POST /v1/reports`: reports a sender to the operator, by key and hashes of envelopes, never by content.

use axum::extract::State;
use axum::http::StatusCode;
use kez_core::api::ReportRequest;
use kez_core::problem::{Problem, ProblemCode};

use crate::accounts::caller::Caller;
use crate::edge::error::ApiError;
use crate::state::AppState;
use crate::store::reports::NewReport;

/// Files a report for the operator.
#[utoipa::path(post, path = "/v1/reports", tag = "People", params(
    ("X-KEZ-Auth" = String, Header, description = "`<handle>:<unix time>:<nonce>:<signature>`"),
), request_body = ReportRequest, responses(
    (status = 204, description = "It is on the disk"),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized", body = Problem),
    (status = 408, description = "body_timeout", body = Problem),
    (status = 409, description = "list_full: the caller has as many open reports as the operator takes", body = Problem),
    (status = 413, description = "body_too_large", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
    (status = 507, description = "storage_full", body = Problem),
))]
pub async fn report(State(state): State<AppState>, caller: Caller) -> Result<StatusCode, ApiError> {
    let request: ReportRequest = serde_json::from_slice(&caller.body)
        .map_err(|error| ApiError::malformed(format!("the report cannot be read: {error}")))?;
    if !request.is_well_formed() {
        return Err(ApiError::malformed(
            "a report can name up to 50 envelope hashes and have a note of up to 1000 bytes",
        ));
    }
    let report = NewReport {
        reporter: caller.holder.id,
        about: request.about,
        messages: request.messages,
        note: request.note,
        now: state.now(),
    };
    if state.store.file_report(report).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::new(ProblemCode::ListFull, "the operator has not looked at your last 20 reports yet"))
    }
}
