//! `GET /u/{handle}`: the public profile of a handle.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kez_app::Profile;
use kez_core::api::Lookup;
use kez_core::handle::Handle;

use super::document::{Document, REVALIDATE};
use super::pages::Pages;

/// The page of a handle: 404 when nobody has it, 503 while the storage does not answer.
pub(super) async fn profile(
    State(pages): State<Arc<Pages>>,
    Path(handle): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let Ok(handle) = handle.parse::<Handle>() else { return nobody(&pages, &method, &headers) };
    match pages.profiles.profile(&handle).await {
        Ok(Some(lookup)) => {
            let html = Profile::render(Some(shown(&lookup)), &pages.assets);
            Document::page_for(html, &headers).answer(&method, &headers, StatusCode::OK, REVALIDATE)
        }
        Ok(None) => nobody(&pages, &method, &headers),
        Err(unavailable) => {
            let retry = [(header::RETRY_AFTER, HeaderValue::from_static("5"))];
            (StatusCode::SERVICE_UNAVAILABLE, retry, unavailable.to_string()).into_response()
        }
    }
}

fn shown(lookup: &Lookup) -> Profile {
    Profile {
        handle: lookup.handle.to_string(),
        fqhn: lookup.fqhn.clone(),
        primary: lookup.primary.to_string(),
        history: Vec::new(),
    }
}

fn nobody(pages: &Pages, method: &Method, headers: &HeaderMap) -> Response {
    pages.nobody.answer(method, headers, StatusCode::NOT_FOUND, REVALIDATE)
}
