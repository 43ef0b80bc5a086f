//! What a client wants done: performed by a driver in the order given, each answered by an event.
//!
//! A [`Effect::Save`] is durable before the driver starts the effects behind it; when it fails, they are dropped and
//! [`Event::SaveFailed`](crate::event::Event::SaveFailed) follows. HTTP requests run side by side.

use crate::Signer;
use crate::event::TabId;
use crate::record::Record;
use crate::secret::Secret;

/// Names an HTTP request, so that its answer finds its way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// An output of `Client::handle`.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Create the vault (replacing none: there is no account yet) and put the first records into it, in one transaction.
    CreateVault {
        /// Wraps the data key; without one, a key that the browser never hands out does.
        passphrase: Option<Secret>,
        /// The first records.
        records: Vec<Record>,
    },
    /// Unlock the vault.
    UnlockVault {
        /// What was typed.
        passphrase: Secret,
    },
    /// Wrap the data key anew, so that another passphrase opens the vault, or none is needed.
    RewrapVault {
        /// The present passphrase, where there is one.
        current: Option<Secret>,
        /// The new one, or none.
        new: Option<Secret>,
    },
    /// Forget the data key.
    LockVault,
    /// Delete the vault with everything in it. Answered only when that fails.
    DestroyVault,
    /// Let the person save a file. Its content leaves the vault in the clear.
    Download {
        /// In which tab.
        tab: TabId,
        /// The name of the file.
        name: String,
        /// What is in it.
        bytes: Vec<u8>,
    },
    /// Write these records in one durable transaction.
    Save(Vec<Record>),
    /// Ask the server something.
    Http(RequestId, HttpRequest),
    /// Open the live stream and send the first frame once it is open. Replaces one that is open: of that one nothing is
    /// reported any more.
    OpenLive {
        /// Path on the home server.
        path: String,
        /// The first frame.
        hello: String,
    },
    /// Close the live stream; no event follows.
    CloseLive,
    /// Connect to NATS and listen on the subject; replaces a connection that is open. What comes of it is reported as
    /// [`Event::Nats`](crate::event::Event::Nats).
    OpenNats {
        /// The WebSocket address of the broker.
        url: String,
        /// What to subscribe to.
        subject: String,
        /// Answers the broker's challenge.
        signer: Signer,
    },
    /// Close the connection to NATS; no event follows.
    CloseNats,
    /// Leave a note outside the database that this browser has an account, or take it away.
    Remember {
        /// The handle.
        handle: Option<String>,
    },
    /// Ask the browser to keep the storage, and report how it is kept.
    PersistStorage,
}

/// A request to the home server, or to its sigchain server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// Path and query on the home server; a whole address only for a sigchain server.
    pub target: String,
    /// The `X-KEZ-Auth` header, where there is one.
    pub auth: Option<String>,
    /// The `X-KEZ-Invite` header, for a registration that needs one.
    pub invite: Option<String>,
    /// The JSON body, for POST and PUT.
    pub body: Option<String>,
}

/// The methods that a client uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// DELETE.
    Delete,
}

impl Method {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}
