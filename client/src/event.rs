//! What can happen to a client: grouped by who causes it.

use serde::{Deserialize, Serialize};

use crate::effect::RequestId;
use crate::record::Record;
use crate::secret::Secret;

/// One browser tab, named by a random text that it chose.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TabId(pub String);

/// An input of `Client::handle`.
#[derive(Clone, Debug)]
pub enum Event {
    /// A person did something in a tab.
    Ui(TabId, UiEvent),
    /// A tab was closed, or does not answer any more.
    TabClosed(TabId),
    /// The driver has looked into the storage.
    Started(Startup),
    /// The answer to an effect on the vault.
    Vault(VaultEvent),
    /// A [`Save`](crate::effect::Effect::Save) did not take place. The effects behind it in the same batch were dropped.
    SaveFailed(StorageFault),
    /// The answer to an [`Http`](crate::effect::Effect::Http) effect.
    Http(RequestId, Result<HttpResponse, NetworkFault>),
    /// Something on the live stream.
    Live(LiveEvent),
    /// Something at NATS.
    Nats(NatsEvent),
    /// The browser says whether there is a network at all.
    Network {
        /// Whether it believes so.
        online: bool,
    },
    /// The browser said how the storage is kept.
    Storage {
        /// Whether the browser promised not to evict it.
        persisted: bool,
        /// Bytes in use, where known.
        used: Option<u64>,
    },
    /// In this tab somebody wanted to see a phrase, or to go on to where one is shown. It would have to cross to that tab
    /// over a channel that every script of the page's origin can hear.
    PhraseRefused(TabId),
    /// Time has passed: the moment that `next_wake` named has come.
    Tick,
}

/// What the driver found when it opened the storage.
#[derive(Clone, Debug)]
pub enum Startup {
    /// No account. `remembered` is the handle that other storage of this browser still knows: the account was here and
    /// the storage was lost.
    Empty {
        /// The handle, without `@`.
        remembered: Option<String>,
    },
    /// An account whose key is wrapped by a passphrase.
    Locked,
    /// An account that is open.
    Open {
        /// All its records.
        records: Vec<Record>,
        /// Whether a passphrase wraps its key all the same.
        has_passphrase: bool,
    },
    /// The storage cannot be used.
    Unusable(StorageFault),
}

/// What became of an effect on the vault.
#[derive(Clone, Debug)]
pub enum VaultEvent {
    /// Created, and the first records are in it.
    Created,
    /// Unlocked: all its records.
    Opened(Vec<Record>),
    /// The passphrase is wrong.
    WrongPassphrase,
    /// The data key is wrapped by another passphrase, or by none.
    Rewrapped,
    /// The storage failed.
    Failed(StorageFault),
}

/// Why the storage did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum StorageFault {
    /// The browser's quota is used up.
    #[error("this browser's storage for KEZ Chat is full")]
    Full,
    /// Another tab holds an older version of the database open, or the browser refuses storage.
    #[error("this browser does not let KEZ Chat use its storage")]
    Unavailable,
    /// A record did not open: it was changed from outside, or belongs to another account.
    #[error("the stored data is damaged")]
    Damaged,
}

/// An answer from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status.
    pub status: u16,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
    /// `Date`, in Unix seconds, where the browser tells it: for answers of the home server.
    pub date: Option<u64>,
    /// The body's bytes.
    pub body: Vec<u8>,
}

/// No answer came: no network, a time-out, or the answer broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkFault;

/// What happens on the live stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiveEvent {
    /// A text frame from the server.
    Frame(String),
    /// It is closed, or could not be opened.
    Closed {
        /// The WebSocket close code.
        code: u16,
    },
}

/// What happens at NATS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatsEvent {
    /// Connected and subscribed.
    Up,
    /// The inbox has something new.
    Hint,
    /// The connection has ended, or did not come about.
    Closed,
    /// The broker asked for a signature over something that no NATS server sends. Nothing was signed.
    StrangeNonce,
}

/// What a person does, as the page reports it. Crosses from the page to the worker, and from tab to tab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UiEvent {
    /// The tab shows another screen, or became visible or hidden. Also the first thing that a tab says.
    Looking {
        /// The conversation on screen: a handle as it stands in the URL, perhaps with `@server`.
        at: Option<String>,
        /// Whether the tab is visible and focused, so that what is on screen counts as read.
        visible: bool,
    },

    /// /join: the text in "Handle" changed.
    HandleTyped {
        /// The text.
        text: String,
    },
    /// /join: the text in "Invitation" changed.
    InvitationTyped {
        /// The text.
        text: Secret,
    },
    /// /join: "Continue" with an available handle.
    HandleChosen,
    /// /join: "Continue" below the recovery phrase.
    PhraseSeen,
    /// /join: "Later" below the recovery phrase: the words are not asked back now.
    PhraseConfirmationPutOff,
    /// /join: "Confirm phrase" with the words asked for.
    PhraseConfirmed {
        /// The words, in the order of [`JoinStep::Confirm`](crate::view::JoinStep::Confirm).
        words: Vec<Secret>,
    },
    /// /join: one step back.
    JoinBack,
    /// /join: "Create account".
    AccountCreated {
        /// Empty for none.
        passphrase: Secret,
    },
    /// /restore: "Restore account".
    RestoreSubmitted {
        /// The 24 words.
        phrase: Secret,
        /// Empty for none.
        passphrase: Secret,
    },

    /// The lock screen's "Unlock".
    UnlockSubmitted {
        /// What was typed.
        passphrase: Secret,
    },
    /// /settings: "Lock now".
    LockPressed,
    /// /settings: "Set passphrase", "Change passphrase" or "Remove passphrase".
    PassphraseChanged {
        /// The present passphrase, where there is one.
        current: Secret,
        /// The new one; empty for none.
        new: Secret,
    },
    /// /settings: "Show recovery phrase".
    PhraseShown,
    /// /settings: words of the recovery phrase were typed back, so it is safe.
    PhraseKept,
    /// /settings: the phrase is hidden again.
    PhraseHidden,
    /// /settings: "Show rotation phrase".
    RotationPhraseShown,
    /// /settings: it is hidden again.
    RotationPhraseHidden,
    /// /settings: "I have written it down": the phrase is kept nowhere from here on.
    RotationPhraseKept,
    /// /settings: "Change key".
    KeyChangeSubmitted {
        /// The 24 words of the rotation phrase.
        phrase: Secret,
    },
    /// The alarm about one's own key history was read.
    OwnChainAlarmDismissed,
    /// Ask the browser to keep the storage.
    PersistPressed,
    /// /settings: "Export my data".
    ExportPressed,
    /// /settings: "Sign out of this browser", and the words are safe.
    SignOutConfirmed,
    /// /settings: "Delete account", and confirmed.
    DeletionConfirmed,

    /// "New conversation": "Start".
    ConversationStarted {
        /// `bob`, `@bob` or `bob@kez.lat`.
        to: String,
    },
    /// The dialog "New conversation" was closed, or its answer was seen.
    ConversationDialogClosed,
    /// "Send".
    SendPressed {
        /// The conversation.
        handle: String,
        /// A ULID that the page made, so that the same press that is reported twice is one message.
        id: String,
        /// What was written.
        text: String,
    },
    /// The composer's text changed (the page reports it once typing pauses, and when it leaves).
    DraftChanged {
        /// The conversation.
        handle: String,
        /// The text; empty for none.
        text: String,
    },
    /// "Retry" on a failed message.
    RetryPressed {
        /// The conversation.
        handle: String,
        /// The message.
        id: String,
    },
    /// "Delete" on a failed message.
    DeletePressed {
        /// The conversation.
        handle: String,
        /// The message.
        id: String,
    },
    /// The top of the thread came into sight: show older messages too.
    OlderWanted {
        /// The conversation.
        handle: String,
    },
    /// The bottom of the thread came into sight, and newer messages follow: show them too.
    NewerWanted {
        /// The conversation.
        handle: String,
    },
    /// Show the first messages of the thread.
    OldestWanted {
        /// The conversation.
        handle: String,
    },
    /// Show the newest messages of the thread.
    LatestWanted {
        /// The conversation.
        handle: String,
    },
    /// "Show all" below the start of a long text.
    WholeTextWanted {
        /// The conversation.
        handle: String,
        /// The message.
        id: String,
    },
    /// "Accept" on a message request.
    RequestAccepted {
        /// The conversation.
        handle: String,
    },
    /// "Decline" on a message request.
    RequestDeclined {
        /// The conversation.
        handle: String,
    },
    /// "Block".
    BlockPressed {
        /// The conversation.
        handle: String,
    },
    /// "Unblock".
    UnblockPressed {
        /// Who is blocked.
        handle: String,
    },
    /// "Send report".
    ReportSubmitted {
        /// The conversation.
        handle: String,
        /// What the person writes about it.
        note: String,
    },
    /// The dialog "Report" was closed.
    ReportClosed,
    /// "Verify": the person says that the safety number matches, or takes it back.
    VerifiedChanged {
        /// The conversation.
        handle: String,
        /// The key on screen, as in [`ThreadView::primary`](crate::view::ThreadView::primary).
        primary: String,
        /// Whether it matches.
        verified: bool,
    },
    /// The person accepts a contact's new key.
    NewKeyAccepted {
        /// The conversation.
        handle: String,
        /// The key on screen: no other is accepted.
        primary: String,
    },
    /// The alarm about a contact's key history was read.
    ChainAlarmDismissed {
        /// The conversation.
        handle: String,
    },
    /// /settings: "Throw away" beside mail that waits.
    WaitingDiscarded {
        /// The key that it waits for; none for all of it.
        key: Option<String>,
    },
    /// /settings: "Keep on the server".
    KeepChosen {
        /// For how many days; none for ever.
        days: Option<u16>,
    },
    /// A notice was read.
    NoticeDismissed,
}
