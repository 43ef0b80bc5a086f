//! What the screen shows: plain data, derived from the state for one tab, never stored.

mod account;
mod excerpt;
mod list;
mod thread;

use kez_core::api::RegistrationMode;
use serde::{Deserialize, Serialize};

use crate::event::StorageFault;
use crate::secret::Secret;

pub(crate) use self::account::account;
pub(crate) use self::list::conversations;
pub(crate) use self::thread::thread;
pub use self::thread::{DeliveryState, MessageBody, MessageRow, ThreadState, ThreadView};

/// Everything that one tab shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Who is here.
    pub account: AccountView,
    /// How the server is reached.
    pub connection: Connection,
    /// The list, newest activity first.
    pub conversations: Vec<ConversationRow>,
    /// Everybody who is blocked, by handle.
    pub blocked: Vec<BlockedRow>,
    /// All unread messages together, for the title.
    pub unread: u64,
    /// How far a long catching up is, while there is one.
    pub catching_up: Option<CatchingUp>,
    /// The open conversation.
    pub thread: Option<ThreadView>,
    /// The dialog "New conversation".
    pub new_conversation: NewConversation,
    /// The dialog "Report".
    pub report: ReportView,
    /// Something to tell, until it is dismissed.
    pub notice: Option<Notice>,
    /// How this browser keeps the data.
    pub storage: StorageView,
    /// What the server keeps, once it has said so.
    pub inbox: Option<InboxView>,
    /// Mail of keys that have no name yet.
    pub waiting: Vec<WaitingRow>,
}

impl View {
    /// The same without any words of a phrase: for a tab whose view crosses a channel that others can hear.
    pub fn without_phrases(mut self) -> Self {
        match &mut self.account {
            AccountView::Open(me) => {
                me.phrase = None;
                me.chain.phrase = None;
            }
            AccountView::None { join, .. } => {
                if let JoinStep::Phrase { words } = &mut join.step {
                    words.clear();
                }
                join.invitation = Secret::default();
            }
            AccountView::Loading | AccountView::Locked { .. } | AccountView::Unusable { .. } => {}
        }
        self
    }
}

/// Whether there is an account here, and how far it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountView {
    /// Not known yet: what the server renders, and what shows until the storage has answered.
    #[default]
    Loading,
    /// No account in this browser.
    None {
        /// How far somebody is on /join.
        join: JoinView,
        /// How far somebody is on /restore.
        restore: RestoreView,
        /// Set when an account was here and the browser's storage was lost: its handle.
        lost: Option<String>,
    },
    /// Locked by a passphrase.
    Locked {
        /// Whether an attempt is under way.
        busy: bool,
        /// What was wrong with the last attempt.
        error: Option<String>,
    },
    /// Open.
    Open(Me),
    /// The storage cannot be used.
    Unusable {
        /// Why.
        fault: StorageFault,
    },
}

/// The steps of /join.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinView {
    /// The step.
    pub step: JoinStep,
    /// The text in "Handle", and what stands below it.
    pub handle: String,
    /// Whether the handle can be had.
    pub availability: Availability,
    /// Whom the server takes, once it has said so.
    pub registration: Option<RegistrationMode>,
    /// The text in "Invitation".
    pub invitation: Secret,
    /// What went wrong at this step.
    pub error: Option<String>,
    /// Whether an answer is awaited.
    pub busy: bool,
}

/// Where somebody is on /join.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinStep {
    /// Choosing a handle.
    #[default]
    Handle,
    /// Reading the recovery phrase.
    Phrase {
        /// The 24 words.
        words: Vec<String>,
    },
    /// Typing three of the words.
    Confirm {
        /// Their positions, counted from 1, ascending.
        positions: Vec<u8>,
    },
    /// Choosing a passphrase, or none; then "Create account".
    Passphrase,
}

/// What stands below "Handle".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// Nothing typed yet.
    #[default]
    Empty,
    /// The server is asked.
    Checking,
    /// "Available".
    Available,
    /// "Taken".
    Taken,
    /// A rule is broken, or the handle is reserved.
    Refused {
        /// The rule in words.
        reason: String,
    },
    /// The server could not be asked.
    Unknown,
}

/// How far somebody is on /restore.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreView {
    /// Whether an answer is awaited.
    pub busy: bool,
    /// What went wrong.
    pub error: Option<String>,
}

/// The person whose account this is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Me {
    /// The handle.
    pub handle: String,
    /// The server behind the `@`.
    pub server: String,
    /// `ed25519:<hex>`.
    pub primary: String,
    /// Whether a passphrase locks the account.
    pub has_passphrase: bool,
    /// How far a change of the passphrase is.
    pub passphrase_change: PassphraseView,
    /// Whether the person has shown that they have the recovery phrase.
    pub phrase_confirmed: bool,
    /// The recovery phrase while it is shown in /settings.
    pub phrase: Option<Vec<String>>,
    /// Envelopes that could not be read and belong to no conversation.
    pub unreadable: u64,
    /// The history of one's key.
    pub chain: ChainView,
    /// How far an export or the deletion of the account is.
    pub leaving: LeavingView,
}

/// How far the inbox was read since the account was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatchingUp {
    /// How many messages have come in.
    pub done: u64,
    /// How many there are altogether.
    pub total: u64,
}

/// How far a change of the passphrase is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassphraseView {
    /// Whether the storage is at it.
    pub busy: bool,
    /// What went wrong.
    pub error: Option<String>,
}

/// How far a report to the operator is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportView {
    /// It is being written.
    #[default]
    Open,
    /// It is on its way.
    Sending,
    /// The server has stored it.
    Sent,
    /// It was not sent.
    Failed(String),
}

/// How far "Export my data" or "Delete account" is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeavingView {
    /// Whether an answer is awaited.
    pub busy: bool,
    /// What went wrong.
    pub error: Option<String>,
}

/// The history of one's own key, and what can be done with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainView {
    /// What the chain says, the first link first; empty while there is no chain.
    pub history: Vec<HistoryRow>,
    /// Something is wrong with it.
    pub alarm: Option<ChainAlarm>,
    /// Whose word the alarm rests on: the handle of a contact.
    pub alarm_by: Option<String>,
    /// The rotation phrase is kept here until the person has written it down.
    pub phrase_waits: bool,
    /// The rotation phrase while it is shown.
    pub phrase: Option<Vec<String>>,
    /// Whether the key is being changed.
    pub changing: bool,
    /// Why the key was not changed, or not yet.
    pub error: Option<String>,
    /// Another browser has changed the key: this one has the former and can do nothing more with it.
    pub replaced: bool,
}

/// One link of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryRow {
    /// When its signer says that it was made, Unix seconds.
    pub at: u64,
    /// What it says.
    pub text: String,
}

/// What is wrong with a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChainAlarm {
    /// The server shows fewer links than it did before.
    Shorter,
    /// The server shows another chain than before.
    Forked,
    /// Somebody else was shown another chain.
    Contradicted,
    /// Somebody else was shown more links than the server shows here.
    Withheld,
    /// There is a link of a kind that this version does not know.
    UnknownKind,
    /// A link does not follow, is not authorised, or is not signed by whom it says.
    Broken,
    /// Its owner has ended it for good.
    Closed,
    /// One's own chain has a link that this browser did not make.
    NotMine,
}

impl ChainAlarm {
    /// Whether it says that the chain as shown is not to be gone on with.
    pub(crate) const fn is_about_server(self) -> bool {
        !matches!(self, Self::NotMine)
    }
}

/// Which replaced key a message was sealed with or for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormerKey {
    /// It was signed with a key that its sender has replaced.
    Theirs,
    /// It was sealed for a key that one has replaced oneself.
    Mine,
}

/// The status "Connection".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Connection {
    /// Not reached yet, or being reached again.
    #[default]
    Connecting,
    /// Reached.
    Online,
    /// No network, or the server does not answer.
    Offline,
}

/// One row of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationRow {
    /// Whom it is with.
    pub handle: String,
    /// Their key, `ed25519:<hex>`.
    pub primary: String,
    /// The start of the last message or of the draft, on one line.
    pub preview: Preview,
    /// When it was last active, Unix seconds; `None` before the first message.
    pub at: Option<u64>,
    /// Unread messages; none that count in a request.
    pub unread: u64,
    /// Somebody unknown wrote first: the row stands below "Requests".
    pub request: bool,
    /// Whether the safety number was compared.
    pub verified: bool,
}

/// The second line of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preview {
    /// No message yet.
    Nothing,
    /// Their message.
    Theirs(String),
    /// One's own message.
    Mine(String),
    /// "Draft: ..."
    Draft(String),
    /// A message that could not be read.
    Unreadable,
}

/// How far a block is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// There is none.
    #[default]
    None,
    /// Nothing that they send is heard.
    Set,
    /// It is lifted, which the server does not know yet: it goes on keeping back what they send.
    Lifting,
}

/// One row of the list "Blocked".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockedRow {
    /// Who it is.
    pub handle: String,
    /// Whether the server has still to hear that the block is lifted ([`Block::Lifting`]).
    pub lifting: bool,
    /// Whether the server says that it knows of no such block. It goes on counting here until the person lifts it, or
    /// blocks once more.
    pub in_doubt: bool,
}

/// The dialog "New conversation".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewConversation {
    /// Whether the handle is being looked up.
    pub busy: bool,
    /// What went wrong.
    pub error: Option<String>,
    /// The handle that was found: the page navigates to `/messages/{handle}` and closes the dialog.
    pub started: Option<String>,
}

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// One clear sentence.
    pub text: String,
    /// Whether it is an error (`role=alert`) rather than news (`role=status`).
    pub error: bool,
}

/// Mail that waits until somebody says whose key has signed it: the server, or the person who accepts a new key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingRow {
    /// The key, `ed25519:<hex>`.
    pub key: String,
    /// How many messages wait.
    pub messages: u64,
    /// Since when, Unix seconds.
    pub since: u64,
}

/// How much room there is in the inbox on the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Room {
    /// There is room.
    #[default]
    Enough,
    /// There is room for message requests no more.
    RequestsFull,
    /// There will be none soon.
    NearlyFull,
    /// There is none.
    Full,
}

/// What the server keeps for this account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxView {
    /// Whether there is room for more.
    pub room: Room,
    /// How many messages the server keeps.
    pub messages: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// How many bytes there may be; none on a server without limits.
    pub most_bytes: Option<u64>,
    /// For how many days the server keeps what is stored here too; none for ever.
    pub keep_days: Option<u16>,
    /// Whether a change of that is on its way.
    pub busy: bool,
    /// Why it was not changed.
    pub error: Option<String>,
}

/// How this browser keeps the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageView {
    /// Whether the browser promised not to evict it; `None` before it was asked.
    pub persisted: Option<bool>,
    /// Bytes in use.
    pub used: Option<u64>,
}
