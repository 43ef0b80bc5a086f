//! Pages and assets: everything that is not the API.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::response::Html;
use futures::future::BoxFuture;
use kez_core::api::Lookup;
use kez_core::handle::{Handle, ServerName};

/// What the pages need to know of the server that they stand on.
#[derive(Clone)]
pub struct WebSettings {
    /// The directory of the built site (its `pkg/` and the contents of `public/`), where there is one.
    pub web_dir: Option<PathBuf>,
    /// The name behind the `@`.
    pub server: ServerName,
    /// The address that people reach this server under, without a slash at the end.
    pub public_url: String,
    /// Who holds a handle, for the profile pages.
    pub profiles: Arc<dyn ProfileLookup>,
}

/// Finds the record of a handle, as `GET /v1/u/{handle}` answers it.
pub trait ProfileLookup: Send + Sync + 'static {
    /// The record of the handle, or `None` when nobody holds it.
    ///
    /// # Errors
    /// [`ProfileUnavailable`] when the storage does not answer; the cause is logged already.
    fn profile<'a>(&'a self, handle: &'a Handle) -> BoxFuture<'a, Result<Option<Lookup>, ProfileUnavailable>>;
}

/// The storage does not answer at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server cannot look people up at the moment")]
pub struct ProfileUnavailable;

/// The routes of pages and assets, to stand behind those of the API as their fallback.
///
/// Every answer of the server gets strict default headers (`crate::headers`); what is set here stays as it is.
pub fn router(web: WebSettings) -> Router {
    let page = format!(
        "<!DOCTYPE html><html lang=en><meta charset=utf-8><title>KEZ Chat</title><p>KEZ Chat relay of {}.",
        web.server
    );
    Router::new().route("/", axum::routing::get(|| async { Html(page) }))
}
