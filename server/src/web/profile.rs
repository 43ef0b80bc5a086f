//! `GET /u/{handle}`: the public profile of a handle.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kez_app::Profile;
use kez_core::handle::Handle;

use super::ProfileUnavailable;
use super::document::{Document, REVALIDATE};
use super::pages::Pages;

/// The page of a handle: 404 when no account holds it, 503 while the storage does not answer.
pub(super) async fn profile(
    State(pages): State<Arc<Pages>>,
    Path(handle): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let Ok(handle) = handle.parse::<Handle>() else { return unknown_profile(&pages, &method, &headers) };
    match find(&pages, &handle).await {
        Ok(Some(profile)) => {
            let html = Profile::render(Some(profile), &pages.assets);
            Document::page_for(html, &headers).answer(&method, &headers, StatusCode::OK, REVALIDATE)
        }
        Ok(None) => unknown_profile(&pages, &method, &headers),
        Err(unavailable) => {
            let retry = [(header::RETRY_AFTER, HeaderValue::from_static("5"))];
            (StatusCode::SERVICE_UNAVAILABLE, retry, unavailable.to_string()).into_response()
        }
    }
}

async fn find(pages: &Pages, handle: &Handle) -> Result<Option<Profile>, ProfileUnavailable> {
    let Some(lookup) = pages.profiles.profile(handle).await? else { return Ok(None) };
    let history = pages.profiles.history(&lookup).await?;
    let (handle, primary) = (lookup.handle.to_string(), lookup.primary.to_string());
    Ok(Some(Profile { handle, fqhn: lookup.fqhn, primary, history }))
}

fn unknown_profile(pages: &Pages, method: &Method, headers: &HeaderMap) -> Response {
    pages.unknown_profile.answer(method, headers, StatusCode::NOT_FOUND, REVALIDATE)
}
