//! The bodies with which the owner of an inbox manages it: docs/SPEC.md, section 6.

use serde::{Deserialize, Deserializer, Serialize};

use crate::handle::Handle;
use crate::identity::Primary;
use crate::sigchain::Hash;

/// The longest time, in days, for which an owner may keep acknowledged messages on the server.
pub const MAX_KEEP_DAYS: u16 = 3650;

/// The SHA-256 of an envelope's bytes as posted. The server returns it once it has stored them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[0-9a-f]{64}$"))]
#[serde(transparent)]
pub struct Receipt(Hash);

impl Receipt {
    /// The receipt for these bytes.
    pub fn of(envelope: &[u8]) -> Self {
        Self(Hash::of(envelope))
    }

    /// The 32 bytes of the hash.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

/// `POST /v1/inbox/{handle}/ack`: one of the owner's browsers has stored every message up to `seq`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AckInbox {
    /// The epoch that `seq` belongs to.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[0-9a-f]{16}$"))]
    pub epoch: String,
    /// The last sequence number up to which every message is stored.
    pub seq: u64,
}

/// The request target of [`AckInbox`].
pub fn ack_target(handle: &Handle) -> String {
    format!("/v1/inbox/{handle}/ack")
}

/// The request target that answers with [`InboxStatus`].
pub fn status_target(handle: &Handle) -> String {
    format!("/v1/inbox/{handle}/status")
}

/// The request target of [`KeepMessages`].
pub fn keep_target(handle: &Handle) -> String {
    format!("/v1/inbox/{handle}/keep")
}

/// The request target that deletes the message requests from one key.
pub fn requests_target(handle: &Handle, sender: &Primary) -> String {
    format!("/v1/inbox/{handle}/requests/{sender}")
}

/// How many days the server keeps acknowledged messages: 1 to [`MAX_KEEP_DAYS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = u16, minimum = 1, maximum = 3650))]
#[serde(try_from = "u64", into = "u16")]
pub struct KeepDays(u16);

/// The number is not from 1 to [`MAX_KEEP_DAYS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("messages are kept for 1 to 3650 days, or for ever")]
pub struct InvalidKeepDays;

impl KeepDays {
    /// The number of days.
    pub const fn days(self) -> u16 {
        self.0
    }

    /// The same period in seconds.
    pub fn seconds(self) -> u64 {
        u64::from(self.0) * 24 * 60 * 60
    }
}

impl TryFrom<u64> for KeepDays {
    type Error = InvalidKeepDays;

    fn try_from(days: u64) -> Result<Self, InvalidKeepDays> {
        let days = u16::try_from(days).map_err(|_| InvalidKeepDays)?;
        if (1..=MAX_KEEP_DAYS).contains(&days) { Ok(Self(days)) } else { Err(InvalidKeepDays) }
    }
}

impl From<KeepDays> for u16 {
    fn from(KeepDays(days): KeepDays) -> Self {
        days
    }
}

/// `PUT /v1/inbox/{handle}/keep`: how long the server keeps acknowledged messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct KeepMessages {
    /// The number of days; `null` means forever.
    #[serde(deserialize_with = "present")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub days: Option<KeepDays>,
}

/// Reads an `Option` whose field is required: an absent field is not the same as `null`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<KeepDays>, D::Error> {
    Option::deserialize(deserializer)
}

/// The contents of an inbox: the answer to `GET /v1/inbox/{handle}/status` and to [`AckInbox`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InboxStatus {
    /// As in [`super::InboxPage`].
    pub epoch: String,
    /// As in [`super::InboxPage`].
    pub last: u64,
    /// The highest acknowledged sequence number; 0 before the first acknowledgement.
    pub acknowledged: u64,
    /// How many days the server keeps acknowledged messages; `null` means forever.
    pub keep_days: Option<KeepDays>,
    /// The number of all messages.
    pub messages: u64,
    /// The size of all envelopes in bytes.
    pub bytes: u64,
    /// The number of messages not yet acknowledged.
    pub waiting: u64,
    /// Messages from senders whom the owner has not accepted.
    pub requests: RequestsHeld,
    /// The limits of this inbox; `null` on a server without limits.
    pub limits: Option<InboxLimits>,
}

/// Message requests in an inbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RequestsHeld {
    /// The number of messages.
    pub messages: u64,
    /// The size of their envelopes in bytes.
    pub bytes: u64,
}

/// The limits of an inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InboxLimits {
    /// The largest number of messages not yet acknowledged.
    pub waiting: u64,
    /// The largest total size of all envelopes in bytes.
    pub bytes: u64,
    /// The largest number of message requests.
    pub requests_messages: u64,
    /// The largest total size of their envelopes in bytes.
    pub requests_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_days_are_within_bounds() {
        let parse = serde_json::from_str::<KeepMessages>;
        assert_eq!(parse(r#"{"days":null}"#).unwrap(), KeepMessages { days: None });
        assert_eq!(parse(r#"{"days":3650}"#).unwrap().days.unwrap().days(), 3650);
        for refused in ["{}", r#"{"days":0}"#, r#"{"days":3651}"#, r#"{"days":-1}"#, r#"{"days":1.5}"#] {
            assert!(parse(refused).is_err(), "{refused}");
        }
        let json = serde_json::to_string(&KeepMessages { days: Some(30.try_into().unwrap()) });
        assert_eq!(json.unwrap(), r#"{"days":30}"#);
    }

    #[test]
    fn a_receipt_is_the_sha_256_of_the_bytes_as_sent() {
        let receipt = serde_json::to_string(&Receipt::of(b"{}")).unwrap();
        assert_eq!(receipt, "\"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\"");
        assert_ne!(Receipt::of(b"{ }"), Receipt::of(b"{}"));
    }
}
