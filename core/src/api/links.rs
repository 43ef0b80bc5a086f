//! Bodies of the routes of links between two browsers: docs/SPEC.md, section 19.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Base64Url;
use crate::link::{BoxKey, Side};
use crate::sigchain::Hash;

/// The request target of [`PutLink`], and of the answer [`LinkState`].
pub fn link_target(id: Hash) -> String {
    format!("/v1/links/{id}")
}

/// The request target of [`LinkMessage`].
pub fn link_messages_target(id: Hash) -> String {
    format!("/v1/links/{id}/messages")
}

/// `PUT /v1/links/{id}`: what a new browser offers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PutLink {
    /// A [`crate::link::LinkOffer`] of at most 8 KiB. The server stores its bytes unchanged.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub offer: Box<RawValue>,
}

/// `GET /v1/links/{id}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LinkState {
    /// The offer. Refuse it unless it has the code that the user gave.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub offer: Box<RawValue>,
    /// The messages so far, those of `old` before those of `new`, by number.
    pub messages: Vec<LinkMessage>,
}

/// `POST /v1/links/{id}/messages`: a sealed message of one side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LinkMessage {
    /// The side.
    pub from: Side,
    /// Its number among the messages of this side, 1 to 4.
    pub n: u64,
    /// The X25519 key of the old browser, in its first message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub r#box: Option<BoxKey>,
    /// The sealed plaintext, at most 64 KiB.
    pub sealed: Base64Url,
}
