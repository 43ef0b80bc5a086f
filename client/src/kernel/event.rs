//! The inputs of a client, grouped by source.

mod ui;

use serde::{Deserialize, Serialize};

pub use self::ui::{GroupChange, Jump, UiEvent};
use crate::kernel::record::Record;
pub use crate::kernel::record::StorageFault;

/// A browser tab, identified by a random text that it chose.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TabId(pub String);

/// Identifies an HTTP request, to match its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// An input of `Client::handle`.
#[derive(Clone, Debug)]
pub enum Event {
    /// The user did something in a tab.
    Ui(TabId, UiEvent),
    /// A tab was closed, or no longer responds.
    TabClosed(TabId),
    /// The driver has opened the storage.
    Started(Startup),
    /// The answer to an effect on the vault.
    Vault(VaultEvent),
    /// A [`Save`](crate::kernel::effect::Effect::Save) failed. The effects after it in the same batch were dropped.
    SaveFailed(StorageFault),
    /// The answer to a [`Load`](crate::kernel::effect::Effect::Load): all its records. One that is missing, or could not be
    /// opened, has no value.
    Loaded(Result<Vec<Record>, StorageFault>),
    /// The answer to an [`Http`](crate::kernel::effect::Effect::Http) effect.
    Http(RequestId, Result<HttpResponse, NetworkFault>),
    /// An event on the live stream.
    Live(LiveEvent),
    /// An event on the NATS connection.
    Nats(NatsEvent),
    /// The browser reports whether there is a network.
    Network {
        /// Whether the browser believes that it is online.
        online: bool,
    },
    /// The browser reports how it keeps the storage.
    Storage {
        /// Whether the browser has promised not to evict the storage.
        persisted: bool,
        /// Bytes in use, if known.
        used: Option<u64>,
    },
    /// A request to show a phrase, or to continue to where one is shown, was refused in this tab. The phrase would have
    /// to reach the tab over a channel that every script of the page's origin can read.
    PhraseRefused(TabId),
    /// The MLS engine was loaded, or could not be loaded now.
    EngineReady(bool),
    /// The time that `next_wake` returned has come.
    Tick,
}

/// What the driver found when it opened the storage.
#[derive(Clone, Debug)]
pub enum Startup {
    /// No account. `remembered` is the handle that other storage of this browser still holds: there was an account, and
    /// its storage was lost.
    Empty {
        /// The handle, without `@`.
        remembered: Option<String>,
    },
    /// An account whose key is wrapped by a passphrase.
    Locked,
    /// An account that is unlocked.
    Open {
        /// All records, except pages.
        records: Vec<Record>,
        /// Whether a passphrase wraps the key as well.
        has_passphrase: bool,
    },
    /// The storage cannot be used.
    Unusable(StorageFault),
}

/// The result of an effect on the vault.
#[derive(Clone, Debug)]
pub enum VaultEvent {
    /// Created, with the first records in it.
    Created,
    /// Unlocked, with all its records except pages.
    Opened(Vec<Record>),
    /// The passphrase is wrong.
    WrongPassphrase,
    /// The data key is now wrapped by another passphrase, or by none.
    Rewrapped,
    /// The storage failed.
    Failed(StorageFault),
}

/// An answer from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status.
    pub status: u16,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
    /// `Date`, in Unix seconds, if the browser exposes it: for answers of the home server.
    pub date: Option<u64>,
    /// The body's bytes.
    pub body: Vec<u8>,
}

/// No answer: no network, a time-out, or a truncated answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkFault;

/// The events of the live stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiveEvent {
    /// A text frame from the server.
    Frame(String),
    /// The stream was closed, or could not be opened.
    Closed {
        /// The WebSocket close code.
        code: u16,
    },
}

/// The events of the NATS connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatsEvent {
    /// Connected and subscribed.
    Up,
    /// The inbox has something new.
    Hint,
    /// The connection was closed, or could not be made.
    Closed,
    /// The broker asked for a signature over a text that no NATS server sends. Nothing was signed.
    StrangeNonce,
}

/// How this browser stores the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageView {
    /// Whether the browser has promised not to evict the data; `None` before it was asked.
    pub persisted: Option<bool>,
    /// Bytes in use.
    pub used: Option<u64>,
}
