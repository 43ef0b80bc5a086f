//! The messages between the page and its worker, and between the workers of several tabs.
//!
//! Both ends come from one build, so the format is Postcard: it takes a fraction of the code and time of JSON. The
//! messages are never stored. Between tabs, each message is preceded by the URL of the worker's module, because tabs
//! are updated at different times.

use js_sys::Uint8Array;
use kez_client::event::{TabId, UiEvent};
use kez_client::view::View;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsCast, JsValue};

/// Serialises a message; empty if that fails, which no type here does.
pub(crate) fn bytes(message: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(message).unwrap_or_default()
}

/// Encodes a message for sending.
pub(crate) fn encode(message: &impl Serialize) -> JsValue {
    packed(&bytes(message))
}

/// Wraps the output of [`bytes`] for sending.
pub(crate) fn packed(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

/// The received bytes; empty for any other value.
pub(crate) fn unpacked(data: &JsValue) -> Vec<u8> {
    data.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec).unwrap_or_default()
}

/// The received message; `None` for any other value.
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
        /// The handle that this browser stores outside the database.
        remembered: Option<String>,
    },
    /// A user action.
    Ui(UiEvent),
    /// Whether the browser reports a network.
    Network { online: bool },
    /// Whether the storage is persistent, and how much of it is used.
    Storage { persisted: bool, used: Option<u64> },
}

/// From the worker to its page: tasks that only a page can perform.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToPage {
    /// Show this view.
    View(Box<View>),
    /// Store, or clear, the note that this browser has an account.
    Remember { handle: Option<String> },
    /// Ask the browser to make the storage persistent, and answer with [`ToWorker::Storage`].
    PersistStorage,
    /// Offer a file to the user for saving.
    Download { name: String, bytes: Vec<u8> },
}

/// Between the workers, over a channel that every worker and every script of this origin can read. The leader sends no
/// key and no phrase over it.
#[cfg(feature = "worker")]
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum TabMessage {
    /// A follower introduces itself, with what its page shows. The leader needs this before it sends the page a view.
    Here { tab: TabId, looking: Option<UiEvent> },
    /// A new leader is running: followers answer with [`TabMessage::Here`] and send again the events that were not
    /// acknowledged.
    Leader,
    /// A follower's event, numbered from 1.
    Event { tab: TabId, n: u64, event: UiEvent },
    /// The leader has processed a follower's events up to this number, and their changes are stored.
    Done { tab: TabId, n: u64 },
    /// The view for a follower's page.
    View { tab: TabId, view: Box<View> },
    /// A file for the user of a follower's page.
    Download { tab: TabId, name: String, bytes: Vec<u8> },
    /// The account was deleted: followers clear their note of it.
    Deleted,
}
