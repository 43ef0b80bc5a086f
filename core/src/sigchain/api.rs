//! What goes over HTTP and inside messages about chains, used by both ends.

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

/// `POST /v1/sigchains/ed25519/{hex}`: the link stands in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Appended {
    /// Its place.
    pub seqno: u64,
    /// Its hash.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub head: Hash,
}

/// `POST /v1/sigchains/ed25519/{hex}` answered 409: where the chain ends, beside the problem.
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

/// `heads` inside every message: what its sender last saw of the sender's own chain and of the recipient's, by root.
/// Two friends who compare notice a server that shows them different chains.
pub type Heads = BTreeMap<Primary, SeenHead>;

/// How far somebody has seen a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenHead {
    /// How many links.
    pub length: u64,
    /// The hash of the last of them.
    pub head: Hash,
}

impl SeenHead {
    /// What there is to say of a chain; nothing when it has no link.
    pub fn of(chain: &Chain) -> Option<Self> {
        Some(Self { length: chain.length(), head: chain.head()? })
    }
}
