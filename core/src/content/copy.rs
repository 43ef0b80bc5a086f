//! Kind `copy`: `{"with": "ed25519:<hex>", "mine": false, "envelope": "<hash>", "message": {<content>}, "kept_at": "..."}`.
//! One of the user's devices that has the recovery words opens version 1 envelopes for those that have none. It counts only
//! in the group of the user's own devices.

use serde::{Deserialize, Serialize};

use super::Content;
use crate::envelope::EnvelopeHash;
use crate::identity::Primary;
use crate::time::Timestamp;

/// The members of kind `copy`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EnvelopeCopy {
    /// The root of the person whom the conversation is with.
    pub with: Primary,
    /// Whether the user is the author, and not the person.
    pub mine: bool,
    /// The envelope that contained the content.
    pub envelope: EnvelopeHash,
    /// The content.
    pub message: Box<Content>,
    /// When it reached the server or, for the user's own, when it was written.
    pub kept_at: Timestamp,
}
