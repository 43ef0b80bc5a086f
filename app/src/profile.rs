//! The public profile of a handle, passed from the server to the browser in a `<meta>` element so that both render the
//! same page.

use kez_core::identity::Primary;
use kez_core::safety_number::safety_number;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// The name of the `<meta>` element that carries the profile.
pub(crate) const META_NAME: &str = "kez-profile";

/// The content of a profile page.
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

/// The state of a key history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum History {
    /// Unix seconds and one sentence for each link, oldest first; empty if there are none.
    Told(Vec<(u64, String)>),
    /// The server that keeps the chain does not answer.
    Unreachable,
    /// The chain that the server shows breaks the rules.
    Broken,
}

impl Profile {
    /// The handle in the path of a profile page, `/u/{handle}`.
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

/// The short form of a primary that users can compare by eye: the safety number of the key with itself, twelve groups
/// of five digits. `None` when the text is not a key.
pub(crate) fn fingerprint(primary: &str) -> Option<String> {
    let primary: Primary = primary.parse().ok()?;
    Some(safety_number(&primary, &primary))
}

/// The state of the requested profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProfileState {
    /// The server has rendered it.
    Found(Profile),
    /// The server has answered that no account has the handle.
    Unknown,
    /// The document belongs to another page, so a reload has to ask the server.
    NotLoaded,
}

/// The document's data about `handle`. On the server it comes from the context.
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
