//! What crosses between the page and its worker, and between the workers of several tabs.
//!
//! Both ends come from one build, so the format is Postcard: a fraction of the code and the time that JSON takes. None of
//! it is ever stored. Between tabs, the URL of the worker's module goes in front, because tabs update one after the other.

use js_sys::Uint8Array;
use kez_client::event::{TabId, UiEvent};
use kez_client::view::View;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsCast, JsValue};

/// A message as bytes; none where it cannot be written, which no type here is.
pub(crate) fn bytes(message: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(message).unwrap_or_default()
}

/// A message in the form in which it crosses.
pub(crate) fn encode(message: &impl Serialize) -> JsValue {
    packed(&bytes(message))
}

/// What [`bytes`] made, in the form in which it crosses.
pub(crate) fn packed(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

/// The bytes that crossed; none for anything else.
pub(crate) fn unpacked(data: &JsValue) -> Vec<u8> {
    data.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec).unwrap_or_default()
}

/// The message that crossed; `None` for anything else.
pub(crate) fn decode<T: DeserializeOwned>(data: &JsValue) -> Option<T> {
    postcard::from_bytes(&unpacked(data)).ok()
}

/// From the page to its worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToWorker {
    /// The first message.
    Hello {
        /// The tab's name.
        tab: TabId,
        /// The handle that this browser remembers outside the database.
        remembered: Option<String>,
    },
    /// A person did something.
    Ui(UiEvent),
    /// The browser says whether there is a network.
    Network { online: bool },
    /// How the storage is kept.
    Storage { persisted: bool, used: Option<u64> },
}

/// From the worker to its page: what only a page can do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToPage {
    /// Show this.
    View(Box<View>),
    /// Remember, or forget, that this browser has an account.
    Remember { handle: Option<String> },
    /// Ask the browser to keep the storage, and answer with [`ToWorker::Storage`].
    PersistStorage,
    /// Let the person save a file.
    Download { name: String, bytes: Vec<u8> },
}

/// Between the workers, over a channel that all of them hear, and every script of this origin too. No key and no phrase
/// crosses from the leader to others.
#[cfg(feature = "worker")]
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Between {
    /// A follower is there, and its page shows this: the leader has to know before it tells the page what to show.
    Here { tab: TabId, looking: Option<UiEvent> },
    /// A new leader is there: followers say [`Between::Here`] and send again what was not acknowledged.
    Leader,
    /// A follower's event, numbered from 1.
    Event { tab: TabId, n: u64, event: UiEvent },
    /// The leader has dealt with a follower's events up to this number: what they changed is stored.
    Done { tab: TabId, n: u64 },
    /// What a follower's page shows.
    View { tab: TabId, view: Box<View> },
    /// A file for the person in front of a follower's page.
    Download { tab: TabId, name: String, bytes: Vec<u8> },
    /// The account was deleted: followers forget that there was one.
    Deleted,
}
