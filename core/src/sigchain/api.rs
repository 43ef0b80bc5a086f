//! The sigchain types of the HTTP API and of messages, shared by server and client.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::chain::Chain;
use super::hash::Hash;
use crate::identity::Primary;
use crate::problem::Problem;

/// `GET /v1/sigchains/ed25519/{hex}?since=<seqno>`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Links {
    /// The chain's root, as in the path.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub primary: Primary,
    /// How many links the chain has.
    pub length: u64,
    /// The hash of its last link.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub head: Hash,
    /// The links after `since`, in order, as canonical JSON.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Object>))]
    pub links: Vec<Box<RawValue>>,
}

/// `POST /v1/sigchains/ed25519/{hex}`: the link is in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Appended {
    /// Its sequence number.
    pub seqno: u64,
    /// Its hash.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub head: Hash,
}

/// `POST /v1/sigchains/ed25519/{hex}` answered with 409: the problem, and where the chain ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConflictProblem {
    /// Code `conflict`.
    #[serde(flatten)]
    pub problem: Problem,
    /// How many links the chain has; 0 when there is no chain yet.
    pub length: u64,
    /// The hash of its last link.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub head: Option<Hash>,
}

/// `heads` inside every message: the last state that its sender saw of its own chain and of the recipient's, by root.
/// Two contacts who compare them notice a server that shows them different chains.
pub type Heads = BTreeMap<Primary, SeenHead>;

/// The state of a chain as a client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenHead {
    /// The number of links.
    pub length: u64,
    /// The hash of the last link.
    pub head: Hash,
}

impl SeenHead {
    /// The state of a chain; `None` for a chain without links.
    pub fn of(chain: &Chain) -> Option<Self> {
        Some(Self { length: chain.length(), head: chain.head()? })
    }
}
