//! The proof that the head of a user's chain is in the log, as sent with a lookup.

use serde::{Deserialize, Serialize};

use super::checkpoint::{Checkpoint, CheckpointError, LogKey};
use super::entry::LogEntry;
use super::merkle::root_of_inclusion;
use crate::identity::Primary;
use crate::sigchain::Hash;

/// A log entry, its position, and its path to a signed root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Inclusion {
    /// The length of the chain.
    pub seqno: u64,
    /// The hash of its last link.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub head: Hash,
    /// The position of the entry in the log, counted from 0.
    pub index: u64,
    /// The size of the tree that the proof is for.
    pub size: u64,
    /// The sibling hashes on the path from the leaf to the root, starting at the leaf (RFC 6962, section 2.1.1).
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub proof: Vec<Hash>,
    /// The signed checkpoint of that size.
    pub checkpoint: String,
}

/// Why a proof is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotIncluded {
    /// The checkpoint is not one of this log.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint and the proof have different tree sizes.
    #[error("the proof and the checkpoint are for different tree sizes")]
    OtherSize,
    /// The proof does not lead to the root of the checkpoint.
    #[error("the proof does not lead to the signed root")]
    OtherRoot,
}

impl Inclusion {
    /// Verifies that the log with this key contains the head of the chain of `root`.
    ///
    /// # Errors
    /// [`NotIncluded`] says why not.
    pub fn verify(&self, root: &Primary, key: &LogKey) -> Result<Checkpoint, NotIncluded> {
        let checkpoint = key.verify(&self.checkpoint)?;
        if checkpoint.size != self.size {
            return Err(NotIncluded::OtherSize);
        }
        let entry = LogEntry { head: self.head, root: *root, seqno: self.seqno };
        let leaf = entry.leaf_hash().map_err(|_| NotIncluded::OtherRoot)?;
        match root_of_inclusion(self.index, self.size, leaf, &self.proof) {
            Some(root) if root == checkpoint.root => Ok(checkpoint),
            _ => Err(NotIncluded::OtherRoot),
        }
    }
}
