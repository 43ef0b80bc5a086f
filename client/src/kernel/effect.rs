//! The outputs of a client. The driver performs them in the given order, and reports their results as events.
//!
//! A [`Effect::Save`] is durable before the driver starts the effects after it. When it fails, they are dropped and
//! [`Event::SaveFailed`](crate::kernel::event::Event::SaveFailed) follows. HTTP requests run concurrently.

pub use crate::kernel::event::RequestId;
use crate::kernel::event::TabId;
use crate::kernel::record::{Kind, Record};
use crate::kernel::secret::Secret;
use crate::kernel::signer::Signer;

/// An output of `Client::handle`.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Create the vault and write the first records to it, in one transaction. It replaces no other vault: there is
    /// no account yet.
    CreateVault {
        /// Wraps the data key. Without a passphrase, a non-extractable key of the browser wraps it.
        passphrase: Option<Secret>,
        /// The first records.
        records: Vec<Record>,
    },
    /// Unlock the vault.
    UnlockVault {
        /// The passphrase as typed.
        passphrase: Secret,
    },
    /// Rewrap the data key under another passphrase, or under none.
    RewrapVault {
        /// The current passphrase, if there is one.
        current: Option<Secret>,
        /// The new one, or none.
        new: Option<Secret>,
    },
    /// Forget the data key.
    LockVault,
    /// Delete the vault with all its records. Answered only on failure.
    DestroyVault,
    /// Offer the user a file to save. Its content leaves the vault in the clear.
    Download {
        /// The tab to use.
        tab: TabId,
        /// The file name.
        name: String,
        /// The content.
        bytes: Vec<u8>,
    },
    /// Write these records in one durable transaction.
    Save(Vec<Record>),
    /// Read these records. Always the last effect, and answered by
    /// [`Event::Loaded`](crate::kernel::event::Event::Loaded) before any other event.
    Load(Vec<(Kind, String)>),
    /// Send a request to the server.
    Http(RequestId, HttpRequest),
    /// Open the live stream and send the first frame once it is open. Replaces an open stream, whose events are no
    /// longer reported.
    OpenLive {
        /// The path on the home server.
        path: String,
        /// The first frame.
        hello: String,
    },
    /// Send a text frame on the live stream. If it is not open, a
    /// [`LiveEvent::Closed`](crate::kernel::event::LiveEvent::Closed) follows.
    SendLive {
        /// The frame.
        frame: String,
    },
    /// Close the live stream; no event follows.
    CloseLive,
    /// Connect to NATS and subscribe to the subject. Replaces an open connection. Results are reported as
    /// [`Event::Nats`](crate::kernel::event::Event::Nats).
    OpenNats {
        /// The WebSocket address of the broker.
        url: String,
        /// The subject.
        subject: String,
        /// Signs the broker's challenge.
        signer: Signer,
    },
    /// Close the connection to NATS; no event follows.
    CloseNats,
    /// Record outside the database that this browser has an account, or remove that record.
    Remember {
        /// The handle.
        handle: Option<String>,
    },
    /// Ask the browser for persistent storage, and report the result.
    PersistStorage,
    /// Load the MLS engine, unless it is loaded. An [`Event::EngineReady`](crate::kernel::event::Event::EngineReady) follows.
    BringEngine,
}

/// A request to the home server, or to its sigchain server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// Path and query on the home server; a full URL only for a sigchain server.
    pub target: String,
    /// The `X-KEZ-Auth` header, if any.
    pub auth: Option<String>,
    /// The `X-KEZ-Invite` header, for a registration that needs an invitation.
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
    /// The method's name in HTTP.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}
