//! The pages of the app, rendered when the server starts, and the other files.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use kez_app::{Assets, Page, Profile};

use super::document::{Document, REVALIDATE};
use super::site::Site;
use super::{ProfileLookup, profile};
use crate::edge::gate::{Gate, within_rate};
use crate::edge::limits::Kind;

/// The route of profiles, the only pages that differ between requests.
const PROFILE: &str = "/u/{handle}";

/// The state shared by the routes.
pub(super) struct Pages {
    site: Site,
    rendered: HashMap<Page, Document>,
    /// The page for a handle that no account holds.
    pub(super) unknown_profile: Document,
    pub(super) assets: Assets,
    pub(super) profiles: Arc<dyn ProfileLookup>,
}

impl Pages {
    /// Renders every page that is the same for every user.
    pub(super) fn new(site: Site, assets: &Assets, profiles: Arc<dyn ProfileLookup>) -> Self {
        let rendered =
            Page::ALL.into_iter().map(|page| (page, Document::page(kez_app::render(page, assets)))).collect();
        let unknown_profile = Document::page(Profile::render(None, assets));
        Self { site, rendered, unknown_profile, assets: assets.clone(), profiles }
    }

    fn answer(&self, page: Page, method: &Method, headers: &HeaderMap) -> Response {
        let status = if page == Page::NotFound { StatusCode::NOT_FOUND } else { StatusCode::OK };
        match self.rendered.get(&page) {
            Some(document) => document.answer(method, headers, status, REVALIDATE),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

/// The routes of the app's own router, and of the other files.
pub(super) fn router(pages: Pages, gate: Gate) -> Router {
    let mut router = Router::new();
    let profile = get(profile::profile).layer(from_fn_with_state((gate, Kind::Lookup), within_rate));
    for listing in leptos_axum::generate_route_list(kez_app::App) {
        let handler = if listing.path() == PROFILE { profile.clone() } else { get(page) };
        router = router.route(listing.path(), handler);
    }
    router.fallback(file_or_not_found).with_state(Arc::new(pages))
}

/// The answer depends only on the path of the request and its accepted encodings, so it is the same for every user.
async fn page(State(pages): State<Arc<Pages>>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    pages.answer(Page::at(uri.path()), &method, &headers)
}

async fn file_or_not_found(
    State(pages): State<Arc<Pages>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if method != Method::GET && method != Method::HEAD {
        let allow = [(header::ALLOW, HeaderValue::from_static("GET,HEAD"))];
        return (StatusCode::METHOD_NOT_ALLOWED, allow).into_response();
    }
    match pages.site.file(uri.path()) {
        Some(file) => file.document.answer(&method, &headers, StatusCode::OK, file.cache),
        None => pages.answer(Page::at(uri.path()), &method, &headers),
    }
}
