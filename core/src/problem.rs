//! Errors on the wire: problem details (RFC 9457) with a machine-readable `code`.

use serde::{Deserialize, Serialize};

use crate::work::WorkOffer;

/// The machine-readable error code. Its text form is snake case and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// The request cannot be parsed: a wrong content type, invalid JSON, a wrong shape, or an unknown or repeated
    /// parameter.
    Malformed,
    /// The signature of a signed object is invalid.
    BadSignature,
    /// The object was signed for another server.
    WrongServer,
    /// The handle breaks the rule.
    InvalidHandle,
    /// The handle is reserved.
    ReservedHandle,
    /// The object was made too long ago, or in the future.
    Stale,
    /// This handle is taken.
    HandleTaken,
    /// This key already holds a handle.
    PrimaryTaken,
    /// This nkey was removed, and a removed nkey can never be bound again.
    NkeyRemoved,
    /// This nkey is bound to another account.
    NkeyTaken,
    /// The account has reached its limit of nkeys.
    TooManyNkeys,
    /// The account has no such nkey.
    UnknownNkey,
    /// Something else is stored there already; the answer says what.
    Conflict,
    /// The signature is valid, but its key may not sign this.
    NotAuthorised,
    /// The chain has reached its limit of links.
    ChainFull,
    /// No chain begins with this key.
    UnknownChain,
    /// No account has this handle or key.
    UnknownHandle,
    /// The authentication is missing, malformed, stale or wrong.
    Unauthorized,
    /// The envelope is over 256 KiB.
    EnvelopeTooLarge,
    /// The body exceeds the limit of this server.
    BodyTooLarge,
    /// The body did not arrive in time.
    BodyTimeout,
    /// There is no such route.
    NotFound,
    /// The route does not take this method.
    MethodNotAllowed,
    /// Too many requests; `Retry-After` says when to come back.
    RateLimited,
    /// The server is busy or its storage does not answer; `Retry-After` says when to come back.
    Unavailable,
    /// The server's storage is full.
    StorageFull,
    /// The recipient's inbox is full, or the part of it that is open to strangers.
    InboxFull,
    /// The sequence number belongs to another epoch of the inbox.
    EpochChanged,
    /// The list is full.
    ListFull,
    /// There is no such group, or the caller is no member of it.
    UnknownGroup,
    /// The item was made in an epoch that is not the present one; the answer says which is.
    StaleEpoch,
    /// The group exists, or one for the same people; the answer names it.
    GroupExists,
    /// The account has reached its limit of groups.
    TooManyGroups,
    /// The device has reached its limit of key packages.
    TooManyKeyPackages,
    /// The commit breaks a rule of groups, or is no valid commit in its epoch.
    InvalidCommit,
    /// The group has reached its limit of accounts or devices.
    GroupFull,
    /// There is no such link between two browsers, or it has expired.
    UnknownLink,
    /// The server takes no new accounts.
    RegistrationClosed,
    /// The server takes new accounts by invitation only, and this invitation is not valid.
    InviteRefused,
    /// The server took too long to answer.
    Timeout,
    /// A server fault, logged there under the request id.
    Internal,
    /// A code that this version does not know.
    #[serde(other)]
    Unknown,
}

impl ProblemCode {
    /// The HTTP status that goes with the code.
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed
            | Self::WrongServer
            | Self::InvalidHandle
            | Self::ReservedHandle
            | Self::Stale
            | Self::InvalidCommit => 400,
            Self::BadSignature | Self::Unauthorized => 401,
            Self::NotAuthorised
            | Self::ChainFull
            | Self::RegistrationClosed
            | Self::InviteRefused
            | Self::GroupFull => 403,
            Self::UnknownHandle
            | Self::UnknownChain
            | Self::UnknownNkey
            | Self::UnknownGroup
            | Self::UnknownLink
            | Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::BodyTimeout => 408,
            Self::HandleTaken
            | Self::PrimaryTaken
            | Self::ListFull
            | Self::NkeyRemoved
            | Self::NkeyTaken
            | Self::TooManyNkeys
            | Self::EpochChanged
            | Self::StaleEpoch
            | Self::GroupExists
            | Self::TooManyGroups
            | Self::TooManyKeyPackages
            | Self::Conflict => 409,
            Self::EnvelopeTooLarge | Self::BodyTooLarge => 413,
            Self::RateLimited => 429,
            Self::Internal | Self::Unknown => 500,
            Self::Unavailable => 503,
            Self::Timeout => 504,
            Self::StorageFull | Self::InboxFull => 507,
        }
    }

    /// The text form: snake case.
    pub fn name(self) -> String {
        let text = serde_json::to_string(&self).unwrap_or_default();
        text.trim_matches('"').to_owned()
    }

    /// A short summary of the code, the same for every occurrence.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Malformed => "The request could not be read",
            Self::BadSignature => "The signature is invalid",
            Self::WrongServer => "Signed for another server",
            Self::InvalidHandle => "Not a valid handle",
            Self::ReservedHandle => "This handle is reserved",
            Self::Stale => "The timestamp is too old or in the future",
            Self::HandleTaken => "This handle is taken",
            Self::PrimaryTaken => "This key already holds a handle",
            Self::NkeyRemoved => "This nkey was removed",
            Self::NkeyTaken => "This nkey is bound to another account",
            Self::TooManyNkeys => "This account has too many nkeys",
            Self::UnknownNkey => "This account has no such nkey",
            Self::Conflict => "Something else is already there",
            Self::NotAuthorised => "This key is not authorised to sign this",
            Self::ChainFull => "The chain is full",
            Self::UnknownChain => "No such chain",
            Self::UnknownHandle => "No account has this handle or key",
            Self::Unauthorized => "Not authorized",
            Self::EnvelopeTooLarge => "The envelope is too large",
            Self::BodyTooLarge => "The body is too large",
            Self::BodyTimeout => "The body did not arrive in time",
            Self::NotFound => "No such route",
            Self::MethodNotAllowed => "The route does not support this method",
            Self::RateLimited => "Too many requests",
            Self::Unavailable => "The server is busy",
            Self::StorageFull => "The server's storage is full",
            Self::InboxFull => "The inbox is full",
            Self::EpochChanged => "The epoch of the inbox has changed",
            Self::ListFull => "The list is full",
            Self::UnknownGroup => "No such group",
            Self::StaleEpoch => "The group is in another epoch",
            Self::GroupExists => "The group exists already",
            Self::TooManyGroups => "This account has too many groups",
            Self::TooManyKeyPackages => "This device has too many key packages",
            Self::InvalidCommit => "The commit is invalid",
            Self::GroupFull => "The group is full",
            Self::UnknownLink => "No such link",
            Self::RegistrationClosed => "Registration is closed",
            Self::InviteRefused => "An invitation is needed",
            Self::Timeout => "The server took too long",
            Self::Internal | Self::Unknown => "The server failed",
        }
    }
}

/// Problem details as sent: `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// `about:blank`: the title needs no further explanation (RFC 9457, section 4.2.1).
    pub r#type: String,
    /// [`ProblemCode::title`].
    pub title: String,
    /// The HTTP status, repeated.
    pub status: u16,
    /// One clear sentence about this occurrence.
    pub detail: String,
    /// The machine-readable code.
    pub code: ProblemCode,
    /// The proof of work with which a stranger may send despite the refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<WorkOffer>,
}

impl Problem {
    /// A problem with its detail sentence.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            r#type: "about:blank".to_owned(),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            code,
            work: None,
        }
    }
}
