//! What the user is told, without the words: the app has the sentences, so that it can have them in another language.

use kez_core::handle::InvalidHandle;
use kez_core::recovery_phrase::InvalidPhrase;
use serde::{Deserialize, Serialize};

use crate::kernel::record::StorageFault;

/// Why something did not happen, or what has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The server refused it, in its own words.
    Server(String),
    /// The server refused it with this status, and without a reason.
    Status(u16),
    /// There was no answer, and nothing was changed.
    NoAnswer,
    /// There was no answer yet. The client tries again on its own.
    StillTrying,
    /// The server's configuration is not known yet.
    NotConnected,
    /// The answer does not follow the protocol.
    SenselessAnswer,
    /// The server rejects the signature of this account. A wrong clock causes that.
    SignatureRefused,
    /// The server did not accept the time of a registration.
    WrongClock,
    /// The computer's clock differs from the server's.
    ClockApart {
        /// By how many seconds.
        seconds: u64,
        /// Whether the computer's clock is ahead.
        ahead: bool,
        /// Whether the client goes by the server's clock. It does not if the difference is absurd.
        followed: bool,
    },
    /// The storage failed.
    Storage(StorageFault),
    /// The last change was not saved, so the client has stopped.
    NotSaved(StorageFault),
    /// The message was not sent, because the client has stopped.
    NotSent(StorageFault),
    /// Nothing can be sent, because the client has stopped.
    Stopped,
    /// Another browser has removed this one from the account.
    BrowserRemoved,
    /// This many records could not be read.
    Damaged(u64),
    /// A message could not be read from the storage, so it was not sent.
    DamagedMessage,
    /// The user signed out.
    SignedOut,
    /// The account was deleted.
    AccountDeleted,
    /// A phrase is shown in another tab only.
    PhraseElsewhere,
    /// The page reported something that no page reports.
    OddPage,
    /// The tab that leads does not answer.
    LeaderSilent,

    /// The text is not a handle.
    InvalidHandle(InvalidHandle),
    /// The handle is reserved.
    ReservedHandle,
    /// No valid handle was chosen.
    NoHandle,
    /// The handle is taken.
    HandleTaken(String),
    /// The server requires an invitation.
    InvitationNeeded,
    /// The text is not an invitation.
    InvalidInvitation,
    /// The word at this position of the phrase is another one, counted from 1.
    WrongWord(u8),
    /// The text is not a recovery phrase.
    InvalidPhrase(InvalidPhrase),
    /// The key was replaced by a newer one.
    OldKey,
    /// No account has this key.
    NoAccount,
    /// The answer does not prove that the account has this key.
    UnprovenAccount,
    /// The passphrase is wrong.
    WrongPassphrase,
    /// The current passphrase, typed to change it, is wrong.
    WrongCurrentPassphrase,
    /// The account now has a passphrase.
    PassphraseSet,
    /// The passphrase was changed.
    PassphraseChanged,
    /// The account no longer has a passphrase.
    PassphraseRemoved,

    /// The text is longer than this many KiB.
    TooLong(usize),
    /// The relay refused a message for no reason that it gave, or it cannot be sealed.
    CannotBeSent,
    /// The recipient's inbox is full. The client tries again.
    TheirInboxFull,
    /// The log of the group is full.
    GroupFull,
    /// The text names no handle of this server.
    NoSuchHandle,
    /// The text is not the code of a browser.
    InvalidLinkCode,
    /// No browser offers this code, or it has expired.
    UnknownLinkCode,
    /// The offer is not the one with this code. The server may have replaced it.
    OtherOffer,
    /// The other browser did not answer in time.
    LinkExpired,
    /// The other browser's answer is not valid, or it could not be linked.
    LinkFailed,
    /// The account has as many browsers as it may have.
    DevicesFull,
    /// The browser was linked, so it has no recovery words. Only browsers with the words can do that.
    NoWords,
    /// The handle is the user's own.
    OwnHandle,
    /// The person has not been found yet.
    NotFoundYet,
    /// The person has a new key, which the user has to accept first.
    KeyChanged,
    /// The person has another key than the one that was on screen.
    KeyChangedAgain,
    /// The user has blocked the person.
    Blocked,
    /// The recipient is on another server than this one.
    OtherServer(String),
    /// No account of the server has this handle.
    UnknownHandle {
        /// The handle.
        handle: String,
        /// The server.
        server: String,
    },
    /// The server did not prove who has this handle.
    Unproven(String),
    /// The note is too long.
    NoteTooLong,
    /// The conversation is gone.
    NoConversation,
    /// None of the person's devices is live, so there is none to write to.
    NoDevice,
    /// None of the person's devices could be added to the conversation's group yet.
    NoReader,
    /// The person accepts messages over MLS only, and this browser cannot send them any.
    OldMessagesRefused,

    /// The user's inbox is nearly full.
    InboxNearlyFull,
    /// The user's inbox is full.
    InboxFull,
    /// There is no room for message requests.
    RequestsFull,

    /// A group needs a name.
    GroupNeedsName,
    /// Only an admin of the group can do that.
    NotAdmin,
    /// The user does not belong to the group.
    NotInGroup,
    /// The change of the group was not made.
    GroupNotChanged,
    /// The group has a device that no key history knows. Nothing is sent there.
    UnknownDevice,
    /// The server withholds changes of the group. Nothing is sent there.
    CommitsWithheld,
    /// The group cannot be repaired. Nothing is sent there.
    GroupDamaged,

    /// The key history has not reached the server yet.
    ChainPending,
    /// The key history has changed, so the key was not.
    ChainMoved,
    /// The phrase is not the announced one.
    NotRotationPhrase,

    /// The address is no link to a group, or a part of it is missing.
    BadLink,
    /// The link to a group has expired, is used up, or was revoked.
    LinkRefused,
}

/// A notice to the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What it says.
    pub what: Reason,
    /// Whether it is an error (`role=alert`) rather than news (`role=status`).
    pub error: bool,
}

/// The most characters of a server's text that are kept, so that it cannot fill the screen.
const MOST_CHARACTERS: usize = 300;

impl Reason {
    /// Whether a conversation that has stopped for this reason can be tried again.
    pub const fn can_be_tried_again(&self) -> bool {
        matches!(self, Self::UnknownDevice | Self::CommitsWithheld | Self::GroupDamaged)
    }

    /// The server refused it, in these words.
    pub(crate) fn server(detail: &str) -> Self {
        Self::Server(detail.chars().take(MOST_CHARACTERS).collect())
    }
}
