//! What the user does.

use serde::{Deserialize, Serialize};

use crate::kernel::secret::Secret;

/// Where to go in a thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Jump {
    /// To the message in this row.
    Row(String),
    /// To the first message at or after this time, Unix seconds.
    Time(u64),
}

/// What the user changes in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupChange {
    /// "Add" with a handle.
    Add(String),
    /// "Remove" beside a member, confirmed.
    Remove(String),
    /// "Make admin" beside a member.
    Promote(String),
    /// "Rename group".
    Rename(String),
    /// "Leave group", confirmed; also "Leave" on a request.
    Leave,
    /// "Accept" on a request.
    Accept,
    /// "Invite link": make a link, unless there is one.
    Invite,
    /// "Revoke link".
    RevokeLink,
    /// "Approve" beside a handle in the list "Asking to join".
    Approve(String),
    /// "Decline" beside a handle in the list "Asking to join".
    Decline(String),
}

/// What the user does, as reported by the page. Crosses from the page to the worker, and from tab to tab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UiEvent {
    /// The tab shows another screen, or became visible or hidden. Also the first event of every tab.
    Looking {
        /// The conversation on screen: a handle as in the URL, perhaps with `@server`.
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
    /// /join: "Later" below the recovery phrase, which skips the check of the words for now.
    PhraseConfirmationPutOff,
    /// /join: "Confirm phrase" with the requested words.
    PhraseConfirmed {
        /// The words, in the order of [`JoinStep::Confirm`](crate::view::JoinStep::Confirm).
        words: Vec<Secret>,
    },
    /// /join: back one step.
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

    /// /link: "Continue".
    LinkBegun {
        /// Empty for none.
        passphrase: Secret,
    },
    /// /link: "Cancel"; in the settings, "Cancel" below "Link a device".
    LinkCancelled,

    /// The lock screen's "Unlock".
    UnlockSubmitted {
        /// The passphrase as typed.
        passphrase: Secret,
    },
    /// /settings: "Lock now".
    LockPressed,
    /// /settings: "Set passphrase", "Change passphrase" or "Remove passphrase".
    PassphraseChanged {
        /// The current passphrase, if there is one.
        current: Secret,
        /// The new one; empty for none.
        new: Secret,
    },
    /// /settings: "Show recovery phrase".
    PhraseShown,
    /// /settings: the user confirmed words of the recovery phrase, so it is safe.
    PhraseKept,
    /// /settings: the phrase is hidden again.
    PhraseHidden,
    /// /settings: "Show rotation phrase".
    RotationPhraseShown,
    /// /settings: the rotation phrase is hidden again.
    RotationPhraseHidden,
    /// /settings: "I have written it down": from now on the phrase is not stored anywhere.
    RotationPhraseKept,
    /// /settings: "Change key".
    KeyChangeSubmitted {
        /// The 24 words of the rotation phrase.
        phrase: Secret,
    },
    /// /settings: "Remove" beside a device, confirmed.
    DeviceRemoved {
        /// The device's id.
        device: String,
    },
    /// /settings: the checkbox "Refuse old messages".
    OldMessagesRefused {
        /// Whether it is checked now.
        on: bool,
    },
    /// /settings: the checkbox "Keep history for my recovery words".
    BackupChanged {
        /// Whether it is checked now.
        on: bool,
    },
    /// /settings: "Continue" with the code of another browser, or the address that has it.
    LinkCodeTyped {
        /// The text.
        text: Secret,
    },
    /// /settings: "Link".
    LinkConfirmed,
    /// /settings: "Rename" beside a device.
    DeviceRenamed {
        /// The device's id.
        device: String,
        /// What the user calls it; empty for no name.
        name: String,
    },
    /// The user dismissed the alarm about their own key history.
    OwnChainAlarmDismissed,
    /// Ask the browser for persistent storage.
    PersistPressed,
    /// /settings: "Export my data".
    ExportPressed,
    /// /settings: "Sign out of this browser", with the words confirmed as safe.
    SignOutConfirmed,
    /// /settings: "Delete account", confirmed.
    DeletionConfirmed,

    /// "New conversation": "Start".
    ConversationStarted {
        /// `bob`, `@bob` or `bob@kez.lat`.
        to: String,
    },
    /// "New group": "Create group".
    GroupCreated {
        /// The name.
        name: String,
        /// The members, each as in "New conversation".
        members: Vec<String>,
    },
    /// The dialog "New group" was closed, or its result was shown.
    GroupDialogClosed,
    /// A change in the dialog "Group members".
    GroupChanged {
        /// The group's id.
        gid: String,
        /// The change.
        change: GroupChange,
    },
    /// /g: "Ask to join".
    JoinAsked {
        /// The part of the link after `#`.
        link: String,
    },
    /// The dialog "New conversation" was closed, or its result was shown.
    ConversationDialogClosed,
    /// "Send".
    SendPressed {
        /// The conversation.
        handle: String,
        /// A ULID that the page chose, so that a press that is reported twice is one message.
        id: String,
        /// The text.
        text: String,
    },
    /// The composer's text changed. The page reports it once typing pauses, and when the user leaves.
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
    /// The top of the thread was scrolled into view: show older messages too.
    OlderWanted {
        /// The conversation.
        handle: String,
    },
    /// The bottom of the thread was scrolled into view, and newer messages follow: show them too.
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
    /// Show the part of the thread with this message, and scroll to it.
    JumpWanted {
        /// The conversation.
        handle: String,
        /// Where to go.
        to: Jump,
    },
    /// The text in "Search" changed.
    SearchTyped {
        /// The text; empty to end the search.
        text: String,
        /// The conversation to search; `None` for all.
        within: Option<String>,
    },
    /// "Show all" below the start of a long text.
    WholeTextWanted {
        /// The conversation.
        handle: String,
        /// The message.
        id: String,
    },
    /// A reaction was set or withdrawn.
    ReactionSet {
        /// The conversation.
        handle: String,
        /// The row of the message.
        id: String,
        /// The emoji.
        emoji: String,
        /// Whether it is set.
        on: bool,
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
        /// The blocked handle.
        handle: String,
    },
    /// "Send report".
    ReportSubmitted {
        /// The conversation.
        handle: String,
        /// The user's note.
        note: String,
    },
    /// The dialog "Report" was closed.
    ReportClosed,
    /// "Verify": the user confirms that the safety number matches, or withdraws that.
    VerifiedChanged {
        /// The conversation.
        handle: String,
        /// The key on screen, as in [`ThreadView::primary`](crate::view::ThreadView::primary).
        primary: String,
        /// Whether it matches.
        verified: bool,
    },
    /// The user accepts a contact's new key.
    NewKeyAccepted {
        /// The conversation.
        handle: String,
        /// The key on screen. Only this key is accepted.
        primary: String,
    },
    /// "Try again" in a conversation that has stopped.
    TryAgainPressed {
        /// The conversation.
        handle: String,
    },
    /// The user dismissed the alarm about a person's key history.
    ChainAlarmDismissed {
        /// The person.
        handle: String,
    },
    /// /settings: "Discard" beside waiting mail.
    WaitingDiscarded {
        /// The key whose mail is discarded; `None` for all waiting mail.
        key: Option<String>,
    },
    /// /settings: "Keep on the server".
    KeepChosen {
        /// The number of days; `None` for ever.
        days: Option<u16>,
    },
    /// The user dismissed a notice.
    NoticeDismissed,
}
