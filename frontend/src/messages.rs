//! What crosses between the page and its worker, and between the workers of several tabs: JSON texts.

use kez_client::event::{TabId, UiEvent};
use kez_client::view::View;
use serde::{Deserialize, Serialize};

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
}

/// Between the workers, over a channel that all of them hear.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Between {
    /// A follower is there.
    Here { tab: TabId },
    /// A new leader is there: followers say [`Between::Here`] and send again what was not acknowledged.
    Leader,
    /// A follower's event, numbered from 1.
    Event { tab: TabId, n: u64, event: UiEvent },
    /// The leader has dealt with a follower's events up to this number: what they changed is stored.
    Done { tab: TabId, n: u64 },
    /// What a follower's page shows.
    View { tab: TabId, view: Box<View> },
    /// The data key of an account that a passphrase locks, for the worker that may have to take over. It stays among
    /// the workers of this origin; a page's script that could listen here could read the screen as well.
    Unlocked { key: kez_client::secret::Secret },
    /// The account was locked: followers forget the key.
    Locked,
}
