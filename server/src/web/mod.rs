//! Pages and assets: everything that is not the API.
//!
//! All pages except the profiles are the same for every user. They are rendered once, when the server starts, and
//! served from memory, like the files of the built site. Paths are only looked up in a table, never on the disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use futures::future::BoxFuture;
use kez_app::{History, Operator, WATCH_ENV};
use kez_core::api::Lookup;
use kez_core::handle::{Handle, ServerName};

use crate::edge::gate::Gate;

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

/// What the pages need to know about their server.
#[derive(Clone)]
pub struct WebSettings {
    /// The directory of the built site (its `pkg/` and the contents of `public/`), if there is one.
    pub web_dir: Option<PathBuf>,
    /// The server name after the `@`.
    pub server: ServerName,
    /// The public address of this server, without a trailing slash.
    pub public_url: String,
    /// The origins, besides its own, that the app connects to.
    pub connect_to: Vec<String>,
    /// The operator of the server.
    pub operator: Operator,
    /// Looks up handles for the profile pages.
    pub profiles: Arc<dyn ProfileLookup>,
    /// Counts profile pages together with the other lookups of their network.
    pub gate: Gate,
}

/// Looks up the record of a handle, in the form of `GET /v1/u/{handle}`.
pub trait ProfileLookup: Send + Sync + 'static {
    /// The record of the handle, or `None` when no account holds it.
    ///
    /// # Errors
    /// [`ProfileUnavailable`] when the storage does not answer; the cause is already logged.
    fn profile<'a>(&'a self, handle: &'a Handle)
    -> BoxFuture<'a, Result<Option<Lookup>, ProfileUnavailable>>;

    /// The history of the record's key.
    ///
    /// # Errors
    /// [`ProfileUnavailable`] when the storage does not answer; the cause is already logged.
    fn history<'a>(&'a self, lookup: &'a Lookup) -> BoxFuture<'a, Result<History, ProfileUnavailable>>;
}

/// The directory of --web-dir cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum WebDirError {
    /// It cannot be read.
    #[error("--web-dir: {dir} cannot be read: {source}", dir = .dir.display())]
    Unreadable {
        /// The directory.
        dir: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// It contains no built web app.
    #[error("--web-dir: {dir} holds no built web app; cargo xtask build makes one in target/site", dir = .0.display())]
    NotBuilt(PathBuf),
}

/// The storage does not answer at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server cannot look up profiles at the moment")]
pub struct ProfileUnavailable;

/// The routes of pages and assets, as the fallback behind those of the API.
///
/// Every answer of the server gets strict default headers (`crate::edge::headers`); headers set here are kept. The whole site
/// is read into memory. Without a directory, a placeholder page is served.
///
/// # Errors
/// [`WebDirError`] when there is a directory without an app.
pub fn router(web: WebSettings) -> Result<Router, WebDirError> {
    let router = match &web.web_dir {
        Some(dir) => {
            let (site, assets) = site_of(dir, web.operator)?;
            pages::router(Pages::new(site, &assets, web.profiles), web.gate)
        }
        None => placeholder::router(&web.server),
    };
    let headers = security_headers::for_app(&web.connect_to, is_watched());
    Ok(router.layer(axum::middleware::map_response_with_state(headers, security_headers::add)))
}

/// Whether the server runs under `cargo leptos watch`.
fn is_watched() -> bool {
    std::env::var_os(WATCH_ENV).is_some()
}

fn site_of(dir: &Path, operator: Operator) -> Result<(Site, kez_app::Assets), WebDirError> {
    // During development, files are read from the disk for every request, under their plain names.
    let site = if is_watched() { Site::watched(dir) } else { Site::loaded(dir) };
    let site = site.map_err(|source| WebDirError::Unreadable { dir: dir.to_owned(), source })?;
    let assets = site.assets(operator).ok_or_else(|| WebDirError::NotBuilt(dir.to_owned()))?;
    Ok((site, assets))
}
