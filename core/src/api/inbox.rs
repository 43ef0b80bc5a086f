//! The bodies with which the owner of an inbox controls it: docs/SPEC.md, section 6.

use serde::{Deserialize, Deserializer, Serialize};

use crate::handle::Handle;
use crate::identity::Primary;
use crate::sigchain::Hash;

/// The most days for which an owner may ask that acknowledged messages stay.
pub const MAX_KEEP_DAYS: u16 = 3650;

/// The SHA-256 of an envelope's bytes as they were posted: what a server answers once it holds them.
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

/// `POST /v1/inbox/{handle}/ack`: one of the owner's browsers holds every message up to `seq`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AckInbox {
    /// The epoch that `seq` belongs to.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[0-9a-f]{16}$"))]
    pub epoch: String,
    /// The last number up to which everything is held.
    pub seq: u64,
}

/// The target of [`AckInbox`].
pub fn ack_target(handle: &Handle) -> String {
    format!("/v1/inbox/{handle}/ack")
}

/// The target that answers with [`InboxStatus`].
pub fn status_target(handle: &Handle) -> String {
    format!("/v1/inbox/{handle}/status")
}

/// The target of [`KeepMessages`].
pub fn keep_target(handle: &Handle) -> String {
    format!("/v1/inbox/{handle}/keep")
}

/// The target under which the message requests of a key are deleted.
pub fn requests_target(handle: &Handle, sender: &Primary) -> String {
    format!("/v1/inbox/{handle}/requests/{sender}")
}

/// How many days acknowledged messages stay: 1 to [`MAX_KEEP_DAYS`].
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
    /// The number.
    pub const fn days(self) -> u16 {
        self.0
    }

    /// The same in seconds.
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

/// `PUT /v1/inbox/{handle}/keep`: how long acknowledged messages stay on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct KeepMessages {
    /// For so many days; `null` for ever.
    #[serde(deserialize_with = "present")]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub days: Option<KeepDays>,
}

/// An `Option` whose field has to be there: left out is not the same as `null`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<KeepDays>, D::Error> {
    Option::deserialize(deserializer)
}

/// What an inbox holds: the answer to `GET /v1/inbox/{handle}/status` and to [`AckInbox`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InboxStatus {
    /// As in [`super::InboxPage`].
    pub epoch: String,
    /// As in [`super::InboxPage`].
    pub last: u64,
    /// Up to which number the owner holds everything; 0 before the first acknowledgement.
    pub acknowledged: u64,
    /// How many days acknowledged messages stay; for ever when it is `null`.
    pub keep_days: Option<KeepDays>,
    /// All messages.
    pub messages: u64,
    /// Bytes of all envelopes.
    pub bytes: u64,
    /// Messages that are not acknowledged.
    pub waiting: u64,
    /// What comes from senders whom the owner has not accepted.
    pub requests: RequestsHeld,
    /// How much may be held; `null` on a server without limits.
    pub limits: Option<InboxLimits>,
}

/// Message requests in an inbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RequestsHeld {
    /// How many.
    pub messages: u64,
    /// Bytes of their envelopes.
    pub bytes: u64,
}

/// The most that an inbox holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InboxLimits {
    /// Messages that are not acknowledged.
    pub waiting: u64,
    /// Bytes of all envelopes.
    pub bytes: u64,
    /// Message requests.
    pub requests_messages: u64,
    /// Bytes of their envelopes.
    pub requests_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_said_and_within_bounds() {
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
