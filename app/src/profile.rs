//! The public profile of a handle: what the server knows of it, carried to the browser in a `<meta>` element so that
//! both render the same page.

use kez_core::identity::Primary;
use kez_core::safety_number::safety_number;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// The name of the `<meta>` element that carries the profile.
pub(crate) const META_NAME: &str = "kez-profile";

/// What a profile page shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The handle, without `@`.
    pub handle: String,
    /// `alice@kez.lat`.
    pub fqhn: String,
    /// `ed25519:<hex>`.
    pub primary: String,
    /// The history of the key.
    pub history: History,
}

/// What is known of the history of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum History {
    /// Unix seconds and one sentence for each link, the first first; empty where there is none.
    Told(Vec<(u64, String)>),
    /// The server that keeps it does not answer.
    Unreachable,
    /// What the server that keeps it shows breaks the rules.
    Broken,
}

impl Profile {
    /// The handle whose profile stands under a path, `/u/{handle}`.
    pub(crate) fn handle_in(path: &str) -> Option<&str> {
        let handle = path.strip_prefix("/u/")?.trim_end_matches('/');
        (!handle.is_empty() && !handle.contains('/')).then_some(handle)
    }

    /// The document's title.
    pub(crate) fn title(&self) -> String {
        format!("@{} · KEZ Chat", self.handle)
    }

    /// One sentence for search engines and link previews.
    #[cfg(feature = "ssr")]
    pub(crate) fn description(&self) -> String {
        format!("Write to {} with end-to-end encryption on KEZ Chat.", self.fqhn)
    }
}

/// The short form of a primary that people can compare by eye: the safety number of the key with itself, twelve groups
/// of five digits. `None` when the text is no key.
pub(crate) fn fingerprint(primary: &str) -> Option<String> {
    let primary: Primary = primary.parse().ok()?;
    Some(safety_number(&primary, &primary))
}

/// What is known of the profile that a page asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProfileState {
    /// The server has rendered it.
    Found(Profile),
    /// The server has said that nobody has the handle.
    Unknown,
    /// The document is of another page: only the server can tell, after a reload.
    NotLoaded,
}

/// What the document says about `handle`. On the server it comes from the context.
pub(crate) fn profile_of(handle: &str) -> ProfileState {
    if let Some(state) = use_context::<ProfileState>() {
        return state;
    }
    match carried_by_document() {
        None => ProfileState::NotLoaded,
        Some(None) => ProfileState::Unknown,
        Some(Some(profile)) if profile.handle == handle => ProfileState::Found(profile),
        Some(Some(_)) => ProfileState::NotLoaded,
    }
}

fn carried_by_document() -> Option<Option<Profile>> {
    if cfg!(not(target_arch = "wasm32")) {
        return None;
    }
    let meta = document().query_selector(&format!("meta[name={META_NAME}]")).ok().flatten()?;
    serde_json::from_slice(meta.get_attribute("content")?.as_bytes()).ok()
}
