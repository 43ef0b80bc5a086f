//! The bodies of the HTTP API and the frames of the live stream, shared by server and client.

mod base64;
mod groups;
mod inbox;
mod key_packages;
mod links;
mod people;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::value::RawValue;

use crate::handle::{Handle, ServerName};
use crate::identity::{Primary, PublicIdentity};
use crate::mls::GroupId;
use crate::registration::HandleRegistration;
use crate::signed::{Signed, Verified};
use crate::time::Timestamp;

pub use base64::Base64Url;
pub use groups::{
    AskForNews, CommitStored, CommitToGroup, CreateGroup, GROUPS_TARGET, GroupCreated, GroupDetails,
    GroupExistsProblem, GroupKind, GroupList, GroupRole, GroupSummary, ItemStored, News, OfferState,
    PostItem, StaleEpochProblem, WelcomeToGroup, commits_target, group_target, log_target, messages_target,
    news_target, state_target,
};
pub use inbox::{
    AckInbox, InboxLimits, InboxStatus, InvalidKeepDays, KeepDays, KeepMessages, MAX_KEEP_DAYS, Receipt,
    RequestsHeld, ack_target, keep_target, requests_target, status_target,
};
pub use key_packages::{
    CLAIM_TARGET, ClaimPackages, ClaimedPackage, KeepPackages, MAX_CLAIMED_HANDLES, MAX_KEY_PACKAGE_BYTES,
    MAX_KEY_PACKAGES, PackagesClaimed, PackagesKept, UnclaimedPackages, key_packages_target,
};
pub use links::{LinkMessage, LinkState, PutLink, link_messages_target, link_target};
pub use people::{ChainEnd, LookUpPeople, MAX_PEOPLE, PEOPLE_TARGET, People, PersonFound};

/// The largest request body in bytes: 512 KiB.
pub const MAX_BODY_BYTES: usize = 512 * 1024;
/// The number of items on an inbox page when the query gives none.
pub const DEFAULT_PAGE_ITEMS: u64 = 100;
/// The largest number of items on an inbox page.
pub const MAX_PAGE_ITEMS: u64 = 1000;
/// A page of the inbox ends when its envelopes reach 2 MiB.
pub const MAX_PAGE_BYTES: usize = 2 * 1024 * 1024;

/// `GET /v1/u/{handle}`, `GET /v1/by-primary/{key}` and the answer to a registration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Lookup {
    /// The handle.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "alice"))]
    pub handle: Handle,
    /// `<handle>@<server>`.
    pub fqhn: String,
    /// The key that holds the handle.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub primary: Primary,
    /// Where the signed history of the key is.
    pub sigchain_url: String,
    /// When the server accepted the registration.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub registered_at: Timestamp,
    /// The signed registration as accepted. A client must verify it before trusting anything else in this answer.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub registration: Box<RawValue>,
    /// Proof that the head of the key's sigchain is in the server's log: an [`crate::log::inclusion::Inclusion`].
    /// Present where this server keeps both the chain and the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<crate::log::inclusion::Inclusion>))]
    pub log: Option<Box<RawValue>>,
}

/// The registry's answer does not prove what it claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server's answer does not prove that this handle belongs to this key")]
pub struct LookupNotProven;

impl Lookup {
    /// Verifies that the owner of the key signed for this handle on `server`, and that the rest of the answer agrees.
    /// The caller must still compare the handle or key with the one it asked for.
    ///
    /// # Errors
    /// [`LookupNotProven`] when anything disagrees.
    pub fn verify(&self, server: &ServerName) -> Result<(Handle, PublicIdentity), LookupNotProven> {
        let registration = Self::verify_registration(self.registration.get())?;
        let agrees = registration.handle() == self.handle.as_str()
            && registration.server() == server.as_str()
            && registration.primary().primary() == self.primary;
        if agrees { Ok((self.handle.clone(), *registration.primary())) } else { Err(LookupNotProven) }
    }

    fn verify_registration(json: &str) -> Result<Verified<HandleRegistration>, LookupNotProven> {
        let signed: Signed<HandleRegistration> =
            Signed::parse(json.as_bytes()).map_err(|_| LookupNotProven)?;
        signed.verify().map_err(|_| LookupNotProven)
    }
}

/// `POST /v1/messages`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SendMessage {
    /// The recipient, on this server.
    #[cfg_attr(feature = "openapi", schema(example = "bob"))]
    pub to: String,
    /// The envelope: any JSON object up to 256 KiB. The server stores its bytes unchanged.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub envelope: Box<RawValue>,
}

/// The answer to [`SendMessage`], sent once the row is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MessageStored {
    /// The SHA-256 of the envelope's bytes as sent. A different hash means that the envelope has not
    /// reached the server.
    pub receipt: Receipt,
    /// When the server stored it.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
}

/// One envelope in an inbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InboxItem {
    /// Its sequence number in this inbox.
    pub seq: u64,
    /// The envelope's bytes as they were posted.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub envelope: Box<RawValue>,
    /// When the server stored it.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
}

/// `GET /v1/inbox/{handle}`: items after the cursor, in order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InboxPage {
    /// The items.
    pub items: Vec<InboxItem>,
    /// The cursor for the next page: the seq of the last item, or the requested cursor if the page is empty.
    pub next: u64,
    /// The highest sequence number that this inbox has assigned so far; 0 before the first. A cursor above it was not
    /// assigned in this epoch.
    pub last: u64,
    /// 16 hexadecimal digits, chosen anew when the database is created or restored. When the epoch changes, a client
    /// reads again from 0 and skips the messages it already has.
    pub epoch: String,
}

/// The first frame from the client on `GET /v1/inbox/{handle}/live`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LiveHello {
    /// The cursor to read from.
    pub since: u64,
    /// A [`crate::caller_auth`] header value, signed for GET and `/v1/inbox/<handle>/live?since=<n>`, empty body.
    pub auth: String,
    /// If present, the stream also follows the groups of the account: those that are named from these cursors on, the
    /// others from where the account's part begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<BTreeMap<String, u64>>))]
    pub groups: Option<BTreeMap<GroupId, u64>>,
}

/// The path and query that a [`LiveHello`] signs.
pub fn live_target(handle: &Handle, since: u64) -> String {
    format!("/v1/inbox/{handle}/live?since={since}")
}

/// The largest frame from a client on the live stream, in bytes: 64 KiB. A larger message is sent as a POST.
pub const MAX_LIVE_FRAME_BYTES: usize = 64 * 1024;

/// The frame that sends a message on the live stream: a number of the client's choice, at most 2^53 - 1, and the body of
/// `POST /v1/messages`.
pub fn send_frame(id: u64, body: &str) -> String {
    format!(r#"{{"id":{id},"send":{body}}}"#)
}

/// A frame from the server on the live stream.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum LiveFrame {
    /// Items after the cursor, in order: first the backlog, then new items as they arrive.
    Items {
        /// As in [`InboxPage`].
        epoch: String,
        /// As in [`InboxPage`].
        items: Vec<InboxItem>,
        /// As in [`InboxPage`]; only in a full frame, which more items may follow.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last: Option<u64>,
    },
    /// The same for the log of a group.
    Group {
        /// As in [`InboxPage`].
        epoch: String,
        /// The group.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        group: GroupId,
        /// As in [`InboxPage`]; `envelope` is the item.
        items: Vec<InboxItem>,
        /// As in [`InboxPage`]; only in a full frame, which more items may follow.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last: Option<u64>,
    },
    /// Sent once, at the end of the backlog of all logs.
    CaughtUp {
        /// As in [`InboxPage`].
        epoch: String,
        /// The cursor reached.
        caught_up: u64,
    },
    /// The answer to a message that the client sent on the stream: what a signed `POST /v1/messages` would have got.
    Answer {
        /// The number of the message; null for a frame without a readable one.
        id: Option<u64>,
        /// The HTTP status.
        status: u16,
        /// `Retry-After`, in seconds.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
        /// A [`MessageStored`], or problem details.
        #[cfg_attr(feature = "openapi", schema(value_type = Object))]
        body: Box<RawValue>,
    },
    /// The account's own sigchain has grown.
    Chain {
        /// The number of its links.
        chain: u64,
    },
}

#[derive(Deserialize)]
struct FrameFields {
    epoch: Option<String>,
    group: Option<GroupId>,
    items: Option<Vec<InboxItem>>,
    last: Option<u64>,
    caught_up: Option<u64>,
    id: Option<u64>,
    status: Option<u16>,
    retry_after: Option<u64>,
    body: Option<Box<RawValue>>,
    chain: Option<u64>,
}

/// Written by hand: the derived code for untagged enums first copies the text into a tree, which does not preserve the
/// bytes of an envelope.
impl<'de> Deserialize<'de> for LiveFrame {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let FrameFields { epoch, group, items, last, caught_up, id, status, retry_after, body, chain } =
            FrameFields::deserialize(deserializer)?;
        if let (None, None, Some(chain)) = (&epoch, &status, chain) {
            return Ok(Self::Chain { chain });
        }
        match (epoch, items, caught_up, status, body) {
            (Some(epoch), Some(items), None, None, None) => Ok(match group {
                Some(group) => Self::Group { epoch, group, items, last },
                None => Self::Items { epoch, items, last },
            }),
            (Some(epoch), None, Some(caught_up), None, None) => Ok(Self::CaughtUp { epoch, caught_up }),
            (None, None, None, Some(status), Some(body)) => {
                Ok(Self::Answer { id, status, retry_after, body })
            }
            _ => Err(de::Error::custom("a frame holds either items, or caught_up, or an answer, or chain")),
        }
    }
}

/// The live stream's close code for bad authentication, a deleted account or a rotated key.
pub const CLOSE_UNAUTHORIZED: u16 = 4401;

/// `GET /v1/u/{handle}/contacts` and `GET /v1/u/{handle}/blocks`: the handles on a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct HandleList {
    /// In alphabetical order.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub handles: Vec<Handle>,
}

/// `GET /v1/config`: what a client needs to know before it does anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServerConfig {
    /// The server name, the part after the `@`.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "kez.lat"))]
    pub server: ServerName,
    /// The server's version.
    pub version: String,
    /// Size limits.
    pub limits: Limits,
    /// Who may register.
    pub registration: RegistrationMode,
    /// The URL template of the live stream, with a `{handle}` placeholder; a path on this origin.
    pub live_url: Option<String>,
    /// The NATS WebSocket URL for browsers, if the server offers one.
    pub nats_ws_url: Option<String>,
    /// The base URL of the sigchains, to which `/ed25519/<hex>` is appended: a path on this origin, or the address of a
    /// sigchain server. When it is absent, this server's users have no sigchains.
    #[serde(default)]
    pub sigchains_url: Option<String>,
    /// How to contact the operator of the server: a `mailto:` or `https:` address.
    #[serde(default)]
    pub contact: Option<String>,
    /// The URL of the terms of service.
    #[serde(default)]
    pub terms_url: Option<String>,
}

/// The size limits that a client must respect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Limits {
    /// The largest envelope in bytes of JSON.
    pub envelope_bytes: u64,
    /// The largest request body in bytes.
    pub body_bytes: u64,
    /// The largest number of items on an inbox page.
    pub page_items: u64,
    /// The largest inbox page in bytes.
    pub page_bytes: u64,
}

impl Limits {
    /// The limits of this protocol version.
    pub const PROTOCOL: Self = Self {
        envelope_bytes: crate::envelope::MAX_BYTES as u64,
        body_bytes: MAX_BODY_BYTES as u64,
        page_items: MAX_PAGE_ITEMS,
        page_bytes: MAX_PAGE_BYTES as u64,
    };
}

/// Who may register on a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum RegistrationMode {
    /// Anyone.
    Open,
    /// Anyone with an invitation.
    Invite,
    /// No one.
    Closed,
}

/// `POST /v1/reports`: reports a sender to the operator. It names keys and hashes, never content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReportRequest {
    /// The key that sent the messages.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "ed25519:<64 hex>"))]
    pub about: Primary,
    /// Hashes of their envelopes (SHA-256 of the canonical form, 64 hex), at most [`ReportRequest::MOST_MESSAGES`].
    #[cfg_attr(feature = "openapi", schema(max_items = 50))]
    pub messages: Vec<String>,
    /// The reporter's note, at most [`ReportRequest::MOST_NOTE_BYTES`] bytes.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 1000))]
    pub note: String,
}

impl ReportRequest {
    /// The most messages in a report.
    pub const MOST_MESSAGES: usize = 50;
    /// The most bytes of a note.
    pub const MOST_NOTE_BYTES: usize = 1000;

    /// Whether sizes and hashes are valid.
    pub fn is_well_formed(&self) -> bool {
        let hash = |text: &String| {
            text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        self.messages.len() <= Self::MOST_MESSAGES
            && self.note.len() <= Self::MOST_NOTE_BYTES
            && !self.note.contains('\0')
            && self.messages.iter().all(hash)
    }
}

/// `GET /v1/healthz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// The server name, the part after the `@`.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "kez.lat"))]
    pub server: ServerName,
    /// The server's version.
    pub version: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_frames_read_back_with_the_envelopes_bytes() {
        let json = r#"{"epoch":"00112233aabbccdd","items":[{"seq":7,"envelope":{"b": 1.50,"a":2},"created_at":"2026-11-22T19:00:00Z"}]}"#;
        let LiveFrame::Items { items, last, .. } = serde_json::from_str(json).unwrap() else {
            panic!("no items")
        };
        assert_eq!((items[0].seq, items[0].envelope.get(), last), (7, r#"{"b": 1.50,"a":2}"#, None));
        let json = r#"{"epoch":"00112233aabbccdd","items":[],"last":9}"#;
        let frame: LiveFrame = serde_json::from_str(json).unwrap();
        assert!(matches!(frame, LiveFrame::Items { last: Some(9), .. }));
        assert_eq!(serde_json::to_string(&frame).unwrap(), json);
        let json = format!(r#"{{"epoch":"00112233aabbccdd","group":"{}","items":[]}}"#, "07".repeat(16));
        let frame: LiveFrame = serde_json::from_str(&json).unwrap();
        assert!(matches!(frame, LiveFrame::Group { group, .. } if group == GroupId::from_bytes([7; 16])));
        assert_eq!(serde_json::to_string(&frame).unwrap(), json);
        let json = r#"{"epoch":"00112233aabbccdd","caught_up":7}"#;
        assert!(matches!(serde_json::from_str(json).unwrap(), LiveFrame::CaughtUp { caught_up: 7, .. }));
    }

    #[test]
    fn answers_on_the_live_stream_read_back() {
        let answer = |json: &str| match serde_json::from_str(json).unwrap() {
            LiveFrame::Answer { id, status, retry_after, body } => {
                (id, status, retry_after, body.get().to_owned())
            }
            other => panic!("no answer: {other:?}"),
        };
        let stored = r#"{"id": 7, "status": 201, "body": {"receipt": "00", "created_at":"..."}}"#;
        let body = r#"{"receipt": "00", "created_at":"..."}"#.to_owned();
        assert_eq!(answer(stored), (Some(7), 201, None, body));
        let refused = r#"{"id":9007199254740991,"status":429,"retry_after":3,"body":{}}"#;
        assert_eq!(answer(refused), (Some((1 << 53) - 1), 429, Some(3), "{}".to_owned()));
        assert_eq!(answer(r#"{"id":null,"status":400,"body":{}}"#), (None, 400, None, "{}".to_owned()));
        let frame: LiveFrame = serde_json::from_str(refused).unwrap();
        assert_eq!(serde_json::to_string(&frame).unwrap(), refused);
    }

    #[test]
    fn a_frame_is_one_of_the_three() {
        for neither in [
            r#"{"epoch":"00112233aabbccdd"}"#,
            r#"{"epoch":"00112233aabbccdd","items":[],"caught_up":7}"#,
            r#"{"epoch":"00112233aabbccdd","items":[],"status":201,"body":{}}"#,
            r#"{"epoch":"00112233aabbccdd","id":7,"status":201,"body":{}}"#,
            r#"{"items":[]}"#,
            r#"{"id":7,"status":201}"#,
            r#"{"id":7,"body":{}}"#,
            r#"{"id":7,"status":70000,"body":{}}"#,
            r#"{"id":-7,"status":201,"body":{}}"#,
            r#"{"id":"7","status":201,"body":{}}"#,
            "{}",
            "[]",
        ] {
            assert!(serde_json::from_str::<LiveFrame>(neither).is_err(), "{neither}");
        }
    }

    #[test]
    fn a_message_on_the_live_stream_is_a_number_and_the_body_of_the_post() {
        let body = r#"{"to":"bob","envelope":{"b": 1.50}}"#;
        assert_eq!(send_frame(7, body), r#"{"id":7,"send":{"to":"bob","envelope":{"b": 1.50}}}"#);
    }
}
