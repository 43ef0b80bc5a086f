//! Kind `sent`: `{"to": "ed25519:<hex>", "message": {<content>}}`. A client seals a copy of each content that it sent to
//! its own key, for the user's other browsers. From any other sender it has no meaning.

use serde::{Deserialize, Serialize};

use super::Content;
use crate::identity::Primary;

/// The members of kind `sent`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sent {
    /// The key that the content was sealed to.
    pub to: Primary,
    /// The content as it was sent.
    pub message: Box<Content>,
}
