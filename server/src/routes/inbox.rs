//! `GET /v1/inbox/{handle}`: a page of envelopes, only for the owner of the handle's key.

use std::io::Write as _;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use kez_core::api::{DEFAULT_PAGE_ITEMS, InboxPage, MAX_PAGE_BYTES, MAX_PAGE_ITEMS};
use kez_core::handle::Handle;
use kez_core::inbox_auth::{self, Unauthorized};
use kez_core::problem::Problem;

use super::path::HandleInPath;
use crate::accounts::caller;
use crate::edge::error::ApiError;
use crate::edge::query;
use crate::relay::items;
use crate::state::AppState;
use crate::store::{AccountId, PageLimit};

/// Reads a page.
///
/// The query is checked before the header. The signed text is built from the parsed handle and cursor, never from the
/// raw URL.
#[utoipa::path(get, path = "/v1/inbox/{handle}", tag = "Relay", params(
    ("handle" = String, Path),
    ("since" = Option<u64>, Query, description = "The cursor; 0 when absent"),
    ("limit" = Option<u64>, Query, minimum = 1, maximum = 1000, description = "100 when absent"),
    ("X-KEZ-Auth" = String, Header, description = "`<unix time>:<signature>`"),
), responses(
    (status = 200, description = "The items after the cursor", body = InboxPage),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized, also for an unknown handle", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
))]
pub async fn inbox(
    State(state): State<AppState>,
    HandleInPath(handle): HandleInPath,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    let (since, limit) = cursor_and_limit(query.as_deref())?;
    let inbox = authenticate(&state, &handle, since, &headers).await?;
    let limit = PageLimit { items: limit, bytes: MAX_PAGE_BYTES };
    let page = state.store.page_after(inbox, since, limit).await?;
    // Read after the page, so that it is never lower than the last item of the page.
    let last = state.store.last_seq(inbox).await?;

    state.metrics.delivered_by_page(page.len());
    let next = page.last().map_or(since, |item| item.seq);
    let mut body = br#"{"items":"#.to_vec();
    items::write(&mut body, &page);
    // Writing to a `Vec` cannot fail.
    let _ = write!(body, r#","next":{next},"last":{last},"epoch":"{}"}}"#, state.store.epoch());
    Ok(([(header::CONTENT_TYPE, "application/json")], body))
}

fn cursor_and_limit(query: Option<&str>) -> Result<(u64, u64), ApiError> {
    let [since, limit] = query::numbers(query, ["since", "limit"])?;
    let limit = limit.unwrap_or(DEFAULT_PAGE_ITEMS);
    if !(1..=MAX_PAGE_ITEMS).contains(&limit) {
        return Err(ApiError::malformed("limit must be from 1 to 1000"));
    }
    Ok((since.unwrap_or(0), limit))
}

/// Finds the inbox that the header authorises. All failures look the same to the caller.
async fn authenticate(
    state: &AppState,
    handle: &Handle,
    since: u64,
    headers: &HeaderMap,
) -> Result<AccountId, ApiError> {
    let value = caller::header(headers).ok_or(Unauthorized)?;
    let holder = state.directory.holder(handle).await?.ok_or(Unauthorized)?;
    inbox_auth::verify(value, handle, since, &state.directory.verifier(&holder)?, state.now())?;
    Ok(holder.id)
}
