//! `GET /v1/inbox/{handle}`: a page of envelopes, only for the owner of the handle's key.

use std::io::Write as _;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::response::IntoResponse;
use kez_core::api::{InboxPage, MAX_PAGE_BYTES};
use kez_core::caller_auth::{CallerAuth, CallerRequest};
use kez_core::handle::Handle;
use kez_core::inbox_auth::{self, Unauthorized};
use kez_core::problem::Problem;

use super::path::HandleInPath;
use crate::accounts::caller;
use crate::edge::error::ApiError;
use crate::edge::query;
use crate::relay::items;
use crate::state::AppState;
use crate::store::{InboxId, PageLimit};

/// Reads a page.
///
/// The query is checked before the header. The header is that of docs/SPEC.md, section 6, or that of section 8, which a
/// device can sign too.
#[utoipa::path(get, path = "/v1/inbox/{handle}", tag = "Relay", params(
    ("handle" = String, Path),
    ("since" = Option<u64>, Query, description = "The cursor; 0 when absent"),
    ("limit" = Option<u64>, Query, minimum = 1, maximum = 1000, description = "100 when absent"),
    ("X-KEZ-Auth" = String, Header, description = "`<unix time>:<signature>`, or `<caller>:<unix time>:<nonce>:<signature>`"),
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
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    let (since, limit) = query::cursor_and_limit(query.as_deref())?;
    let value = caller::header(&headers).ok_or(Unauthorized)?;
    let inbox = match CallerAuth::parse(value) {
        Ok(auth) => {
            let target = uri.path_and_query().map_or("/", |target| target.as_str());
            let request =
                CallerRequest { server: &state.config.server, method: method.as_str(), target, body: b"" };
            as_caller(&state, &handle, &auth, &request).await?
        }
        Err(Unauthorized) => authenticate(&state, &handle, since, value).await?,
    };
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

/// The caller's own inbox, for a header of section 8.
async fn as_caller(
    state: &AppState,
    handle: &Handle,
    auth: &CallerAuth,
    request: &CallerRequest<'_>,
) -> Result<InboxId, ApiError> {
    if auth.handle() != handle {
        return Err(Unauthorized.into());
    }
    Ok(state.authenticator.authenticate(auth, request).await?.holder.id.inbox())
}

/// Finds the inbox that a header of section 6 authorises. All failures look the same to the caller. The signed text is
/// built from the parsed handle and cursor, never from the raw URL.
async fn authenticate(
    state: &AppState,
    handle: &Handle,
    since: u64,
    value: &str,
) -> Result<InboxId, ApiError> {
    let holder = state.directory.holder(handle).await?.ok_or(Unauthorized)?;
    inbox_auth::verify(value, handle, since, &state.directory.verifier(&holder.key)?, state.now())?;
    Ok(holder.id.inbox())
}
