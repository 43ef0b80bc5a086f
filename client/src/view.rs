//! The screen: plain data, derived from the state for one tab, never stored.

mod account;
mod excerpt;
mod group;
mod groups;
mod list;
mod thread;
mod window;

use kez_core::api::RegistrationMode;
use serde::{Deserialize, Serialize};

use crate::kernel::event::StorageFault;
use crate::kernel::secret::Secret;

pub(crate) use self::account::account;
pub use self::group::*;
pub(crate) use self::groups::asked;
pub(crate) use self::list::conversations;
pub use self::thread::*;
pub use crate::account::{Availability, JoinStep, LeavingView, LinkStep, PassphraseView};
pub use crate::chains::ChainAlarm;
pub use crate::devices::LinkingStep;
pub use crate::kernel::event::StorageView;
pub use crate::kernel::reason::{Notice, Reason};
pub use crate::kernel::tabs::{NewConversation, NewGroup, ReportView};
pub use crate::link::{CatchingUp, Connection};
pub use crate::link::{InboxView, Room};
pub use crate::messages::FormerKey;
pub use crate::messages::WaitingRow;
pub use crate::people::{Block, BlockedRow};
pub use crate::search::{MOST_HITS, SearchHit, SearchView};

/// Everything that one tab shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The state of the account.
    pub account: AccountView,
    /// The state of the connection.
    pub connection: Connection,
    /// The list of conversations, newest activity first.
    pub conversations: Vec<ConversationRow>,
    /// All blocked people, by handle.
    pub blocked: Vec<BlockedRow>,
    /// The total of unread messages, for the title.
    pub unread: u64,
    /// Progress through a long backlog, if there is one.
    pub catching_up: Option<CatchingUp>,
    /// The open conversation.
    pub thread: Option<ThreadView>,
    /// The search, while its text is not empty.
    pub search: Option<SearchView>,
    /// The dialog "New conversation".
    pub new_conversation: NewConversation,
    /// The dialog "New group".
    pub new_group: NewGroup,
    /// The groups that the user has asked to join.
    pub asked: Vec<AskedRow>,
    /// The dialog "Report".
    pub report: ReportView,
    /// A notice, until it is dismissed.
    pub notice: Option<Notice>,
    /// How this browser stores the data.
    pub storage: StorageView,
    /// What the server stores, once it has reported that.
    pub inbox: Option<InboxView>,
    /// Mail from keys whose owner is not known yet.
    pub waiting: Vec<WaitingRow>,
}

impl View {
    /// The same view without any recovery words, for a tab that receives it over a channel that others can read.
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

/// Whether there is an account here, and its state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountView {
    /// Not known yet: rendered by the server, and shown until the storage has answered.
    #[default]
    Loading,
    /// No account in this browser.
    None {
        /// The state of /join.
        join: JoinView,
        /// The state of /restore.
        restore: RestoreView,
        /// The state of /link.
        link: LinkView,
        /// The handle of an account whose storage the browser has lost.
        lost: Option<String>,
    },
    /// Locked by a passphrase.
    Locked {
        /// Whether an attempt is under way.
        busy: bool,
        /// Why the last attempt failed.
        error: Option<Reason>,
    },
    /// Open.
    Open(Me),
    /// The storage cannot be used.
    Unusable {
        /// The reason.
        fault: StorageFault,
    },
}

/// The view of /join.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinView {
    /// The step.
    pub step: JoinStep,
    /// The text in "Handle".
    pub handle: String,
    /// Whether the handle is available, as shown below "Handle".
    pub availability: Availability,
    /// Who may register, once the server has said so.
    pub registration: Option<RegistrationMode>,
    /// The text in "Invitation".
    pub invitation: Secret,
    /// What went wrong at this step.
    pub error: Option<Reason>,
    /// Whether a request is in flight.
    pub busy: bool,
}

/// The state of /restore.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreView {
    /// Whether a request is in flight.
    pub busy: bool,
    /// What went wrong.
    pub error: Option<Reason>,
}

/// The state of /link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkView {
    /// The step.
    pub step: LinkStep,
    /// What went wrong.
    pub error: Option<Reason>,
}

/// The user's own account.
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
    /// The state of a passphrase change.
    pub passphrase_change: PassphraseView,
    /// Whether this browser has the recovery phrase. A linked browser has none.
    pub has_words: bool,
    /// Whether the user has confirmed that they have the recovery phrase.
    pub phrase_confirmed: bool,
    /// The recovery phrase while it is shown in /settings.
    pub phrase: Option<Vec<String>>,
    /// The number of unreadable envelopes that belong to no conversation.
    pub unreadable: u64,
    /// The history of the user's own key.
    pub chain: ChainView,
    /// The browsers that belong to the account.
    pub devices: DevicesView,
    /// The state of an export or a deletion.
    pub leaving: LeavingView,
}

/// The devices of the account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DevicesView {
    /// The devices that were not removed, in the order in which they were added.
    pub rows: Vec<DeviceRow>,
    /// Earlier messages on their way to a linked browser, or to this one: how many parts have gone or come, and how many
    /// there are.
    pub history: Option<(u64, u64)>,
    /// Whether there are as many as an account may have, so that this browser has found no room.
    pub full: bool,
    /// Whether a device is being removed.
    pub busy: bool,
    /// Why the last change failed.
    pub error: Option<Reason>,
    /// "Link a device".
    pub linking: LinkingView,
    /// Whether another browser has removed this one.
    pub removed: bool,
    /// Whether messages are kept for the recovery words.
    pub keeps_history: bool,
}

/// "Link a device" in the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkingView {
    /// The step.
    pub step: LinkingStep,
    /// What went wrong.
    pub error: Option<Reason>,
}

/// A device of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRow {
    /// Its id, 32 hexadecimal digits.
    pub id: String,
    /// Its number among all devices that the account ever had, from 1.
    pub number: u64,
    /// What the user calls it; empty for no name.
    pub name: String,
    /// Whether it is this browser.
    pub here: bool,
    /// When it was added, according to the link that certifies it; Unix seconds.
    pub added: u64,
    /// When the server has stored its last message or commit in a group; Unix seconds. `None` for this browser, and for one
    /// that this browser has never heard of.
    pub last_seen: Option<u64>,
}

/// The history of the user's own key, and the options for changing it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainView {
    /// The links of the chain, the first one first; empty if there is no chain.
    pub history: Vec<HistoryRow>,
    /// The alarm about the chain, if any.
    pub alarm: Option<ChainAlarm>,
    /// The handle of the contact whose claim caused the alarm, if any.
    pub alarm_by: Option<String>,
    /// Whether the rotation phrase is still stored here, because the user has not written it down.
    pub phrase_waits: bool,
    /// The rotation phrase while it is shown.
    pub phrase: Option<Vec<String>>,
    /// Whether the key is being changed.
    pub changing: bool,
    /// Why the key has not been changed, or not yet.
    pub error: Option<Reason>,
    /// Another browser has changed the key. This browser has the former key, and can no longer use it.
    pub replaced: bool,
    /// Whether the user accepts messages over MLS only.
    pub refuses_old: bool,
}

/// One link of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryRow {
    /// When the link was made, according to its signer; Unix seconds.
    pub at: u64,
    /// The statement of the link.
    pub text: String,
}

/// A row of the conversation list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationRow {
    /// The contact's handle, or `g/` and a group's id: what follows `/messages/` in the address.
    pub handle: String,
    /// Their key, `ed25519:<hex>`; empty for a group.
    pub primary: String,
    /// The group, if it is one.
    pub group: Option<GroupRow>,
    /// The start of the last message or of the draft, on one line.
    pub preview: Preview,
    /// The last activity, Unix seconds; `None` before the first message.
    pub at: Option<u64>,
    /// The number of unread messages; 0 in a request.
    pub unread: u64,
    /// An unknown sender wrote first: the row is shown below "Requests".
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
    /// The user's own message.
    Mine(String),
    /// "Draft: ..."
    Draft(String),
    /// A message that could not be read.
    Unreadable,
    /// The other person has changed their key.
    KeyReplaced,
    /// The other person has added a device.
    DeviceAdded,
    /// A member of the group wrote this: the handle, without `@`, and the text.
    Member(String, String),
    /// An event of the group.
    Group(GroupLine),
}
