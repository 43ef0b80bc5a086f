//! `GET /v1/groups/{gid}/log`: a page of the log of a group, as far as the caller may read it.

use std::io::Write as _;

use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::IntoResponse;
use kez_core::api::{InboxPage, MAX_PAGE_BYTES};
use kez_core::problem::Problem;

use super::path::GroupInPath;
use super::unknown_group;
use crate::accounts::caller::Caller;
use crate::edge::error::ApiError;
use crate::edge::query;
use crate::relay::items;
use crate::relay::logs::page_of_group;
use crate::state::AppState;
use crate::store::PageLimit;

/// Reads a page of the log of a group.
///
/// It holds the items after the cursor and after the one from which the caller reads, and up to the one that took the
/// caller out.
#[utoipa::path(get, path = "/v1/groups/{gid}/log", tag = "Groups", params(
    ("gid" = String, Path),
    ("since" = Option<u64>, Query, description = "The cursor; 0 when absent"),
    ("limit" = Option<u64>, Query, minimum = 1, maximum = 1000, description = "100 when absent"),
    ("X-KEZ-Auth" = String, Header, description = "`<caller>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 200, description = "The items after the cursor; `envelope` is the item", body = InboxPage),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized", body = Problem),
    (status = 404, description = "unknown_group", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
))]
pub async fn log(
    State(state): State<AppState>,
    GroupInPath(gid): GroupInPath,
    RawQuery(query): RawQuery,
    caller: Caller,
) -> Result<impl IntoResponse, ApiError> {
    let (since, limit) = query::cursor_and_limit(query.as_deref())?;
    let account = caller.holder.id;
    let place = state.store.membership(account, gid).await?.ok_or_else(unknown_group)?;
    let since = since.max(place.since);
    let limit = PageLimit { items: limit, bytes: MAX_PAGE_BYTES };
    let page = page_of_group(&state.store, account, place.number, since, limit).await?;
    // Read after the page, so that it is never lower than the last item of the page.
    let last = state.store.last_seq(place.number.log()).await?;
    let last = place.until.map_or(last, |until| last.min(until));
    let next = page.last().map_or(since, |item| item.seq);
    state.metrics.delivered_by_page(page.len());
    let mut body = br#"{"items":"#.to_vec();
    items::write(&mut body, &page);
    // Writing to a `Vec` cannot fail.
    let _ = write!(body, r#","next":{next},"last":{last},"epoch":"{}"}}"#, state.store.epoch());
    Ok(([(header::CONTENT_TYPE, "application/json")], body))
}
