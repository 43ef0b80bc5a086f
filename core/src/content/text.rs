//! Kind `text`: `{"text": "...", "re": {"by": "ed25519:<hex>", "id": "..."}}`. `re` is optional and names the message
//! that this one answers. It never quotes it.

use serde::{Deserialize, Serialize};

use super::Ref;

/// The members of kind `text`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// The text.
    pub text: String,
    /// The message that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub re: Option<Ref>,
}
