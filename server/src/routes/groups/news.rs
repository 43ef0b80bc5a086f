//! `POST /v1/u/{handle}/news`: what is new in all logs of an account, for clients without a live stream.

use axum::extract::State;
use kez_core::api::{AskForNews, MAX_PAGE_BYTES, MAX_PAGE_ITEMS, News};
use kez_core::envelope;
use kez_core::mls::GroupId;
use kez_core::problem::Problem;
use serde_json::value::RawValue;

use crate::accounts::caller::Caller;
use crate::edge::error::ApiError;
use crate::edge::json::Json;
use crate::relay::logs::{frame, page_of_group};
use crate::routes::path::HandleInPath;
use crate::state::AppState;
use crate::store::{PageLimit, StoreError, StoredMessage};

/// Reads what is new after the caller's cursors, in the inbox and in all groups: as much as 2 MiB.
#[utoipa::path(post, path = "/v1/u/{handle}/news", tag = "Groups", request_body = AskForNews, params(
    ("handle" = String, Path),
    ("X-KEZ-Auth" = String, Header, description = "`<caller>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 200, description = "What is new", body = News),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized", body = Problem),
    (status = 408, description = "body_timeout", body = Problem),
    (status = 413, description = "body_too_large", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
))]
pub async fn news(
    State(state): State<AppState>,
    HandleInPath(handle): HandleInPath,
    caller: Caller,
) -> Result<Json<News>, ApiError> {
    caller.must_be(&handle)?;
    let AskForNews { inbox, groups } = caller.json()?;
    let account = caller.holder.id;
    let mut news = Answer::new(&state);
    let page = state.store.page_after(account.inbox(), inbox, news.limit()).await?;
    news.add(None, &page)?;
    for place in state.store.groups_of(account).await? {
        let since = groups.get(&place.gid).copied().unwrap_or(0).max(place.since);
        let end = place.until.map_or(place.head, |until| until.min(place.head));
        if since >= end {
            continue;
        }
        if news.is_full() {
            news.more = true;
            break;
        }
        let page = page_of_group(&state.store, account, place.number, since, news.limit()).await?;
        news.add(Some(place.gid), &page)?;
    }
    state.metrics.delivered_by_page(news.items);
    Ok(Json(News { epoch: state.store.epoch().to_owned(), frames: news.frames, more: news.more }))
}

/// An answer that grows log by log.
struct Answer<'a> {
    state: &'a AppState,
    frames: Vec<Box<RawValue>>,
    room: usize,
    items: usize,
    more: bool,
}

impl<'a> Answer<'a> {
    const fn new(state: &'a AppState) -> Self {
        Self { state, frames: Vec::new(), room: MAX_PAGE_BYTES, items: 0, more: false }
    }

    const fn limit(&self) -> PageLimit {
        PageLimit { items: MAX_PAGE_ITEMS, bytes: self.room }
    }

    /// Whether an item may be too large for the room that is left.
    const fn is_full(&self) -> bool {
        self.room < envelope::MAX_BYTES
    }

    fn add(&mut self, group: Option<GroupId>, page: &[StoredMessage]) -> Result<(), StoreError> {
        if page.is_empty() {
            return Ok(());
        }
        let bytes: usize = page.iter().map(|item| item.envelope.len()).sum();
        self.room = self.room.saturating_sub(bytes);
        self.items += page.len();
        // A page with room left for any item was the last one of its log.
        self.more |= page.len() as u64 == MAX_PAGE_ITEMS || self.is_full();
        let text = frame(self.state.store.epoch(), group, page, None)?;
        self.frames.push(RawValue::from_string(text).map_err(|_| StoreError::Corrupt("envelope"))?);
        Ok(())
    }
}
