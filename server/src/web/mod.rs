//! Pages and assets: everything that is not the API.
//!
//! All pages but the profiles are the same for everybody. They are rendered once, when the server starts, and served
//! from memory; so are the files of the built site. Paths are only ever looked up in a table, never on the disk.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use futures::future::BoxFuture;
use kez_app::{History, WATCH_ENV};
use kez_core::api::Lookup;
use kez_core::handle::{Handle, ServerName};

use crate::around::Gate;

mod document;
mod encoding;
mod mime;
mod pages;
mod placeholder;
mod profile;
mod security_headers;
mod site;

use pages::Pages;
use site::Site;

/// What the pages need to know of the server that they stand on.
#[derive(Clone)]
pub struct WebSettings {
    /// The directory of the built site (its `pkg/` and the contents of `public/`), where there is one.
    pub web_dir: Option<PathBuf>,
    /// The name behind the `@`.
    pub server: ServerName,
    /// The address that people reach this server under, without a slash at the end.
    pub public_url: String,
    /// The origins, besides its own, that the app connects to.
    pub connect_to: Vec<String>,
    /// Who holds a handle, for the profile pages.
    pub profiles: Arc<dyn ProfileLookup>,
    /// Counts profile pages with the other look-ups of their network.
    pub gate: Gate,
}

/// Finds the record of a handle, as `GET /v1/u/{handle}` answers it.
pub trait ProfileLookup: Send + Sync + 'static {
    /// The record of the handle, or `None` when nobody holds it.
    ///
    /// # Errors
    /// [`ProfileUnavailable`] when the storage does not answer; the cause is logged already.
    fn profile<'a>(&'a self, handle: &'a Handle)
    -> BoxFuture<'a, Result<Option<Lookup>, ProfileUnavailable>>;

    /// The history of the record's key.
    ///
    /// # Errors
    /// [`ProfileUnavailable`] when the storage does not answer; the cause is logged already.
    fn history<'a>(&'a self, lookup: &'a Lookup) -> BoxFuture<'a, Result<History, ProfileUnavailable>>;
}

/// The storage does not answer at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server cannot look people up at the moment")]
pub struct ProfileUnavailable;

/// The routes of pages and assets, to stand behind those of the API as their fallback.
///
/// Every answer of the server gets strict default headers (`crate::headers`); what is set here stays as it is. Reads the
/// whole site into memory; when that fails, the log says why and a placeholder page stands in.
pub fn router(web: WebSettings) -> Router {
    let router = match site_of(&web) {
        Some((site, assets)) => pages::router(Pages::new(site, &assets, web.profiles), web.gate),
        None => placeholder::router(&web.server),
    };
    let headers = security_headers::for_app(&web.connect_to, is_watched());
    router.layer(axum::middleware::map_response_with_state(headers, security_headers::add))
}

/// Whether `cargo leptos watch` runs this server.
fn is_watched() -> bool {
    std::env::var_os(WATCH_ENV).is_some()
}

fn site_of(web: &WebSettings) -> Option<(Site, kez_app::Assets)> {
    let dir = web.web_dir.as_deref()?;
    // While developing, files are read from the disk for every request, under their plain names.
    let loaded = if is_watched() { Site::watched(dir) } else { Site::loaded(dir) };
    let site = loaded
        .inspect_err(
            |error| tracing::error!(%error, dir = %dir.display(), "the web directory cannot be read"),
        )
        .ok()?;
    let assets = site.assets();
    if assets.is_none() {
        tracing::error!(dir = %dir.display(), "the web directory holds no pkg/kez-chat.css with the modules beside it");
    }
    Some((site, assets?))
}
