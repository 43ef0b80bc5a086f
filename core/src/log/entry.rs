//! The statement of a log leaf: the chain of this root has this link at this position.

use serde::{Deserialize, Serialize};

use super::merkle::leaf_hash;
use crate::canonical_json::{self, MalformedJson, NotCanonical, Numbers};
use crate::identity::Primary;
use crate::sigchain::Hash;

/// An entry of the log, in canonical JSON: `{"head":"<64 hex>","root":"ed25519:<64 hex>","seqno":3}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogEntry {
    /// The hash of the link that became the chain's head: the SHA-256 of the canonical JSON of the whole signed link.
    pub head: Hash,
    /// The first primary of the chain, which names it.
    pub root: Primary,
    /// The position of the link in its chain, counted from 1.
    pub seqno: u64,
}

impl LogEntry {
    /// The bytes to hash into the tree.
    ///
    /// # Errors
    /// [`NotCanonical`] never occurs for these fields; it is passed on so that nothing panics.
    pub fn to_bytes(&self) -> Result<Vec<u8>, NotCanonical> {
        canonical_json::to_bytes(self)
    }

    /// Parses an entry in canonical form.
    ///
    /// # Errors
    /// [`MalformedJson`] for everything else.
    pub fn parse(bytes: &[u8]) -> Result<Self, MalformedJson> {
        let value = canonical_json::parse(bytes, Numbers::IntegersOnly)?;
        let entry: Self =
            serde_json::from_value(value).map_err(|error| MalformedJson::new(error.to_string()))?;
        if entry.to_bytes().is_ok_and(|canonical| canonical == bytes) {
            Ok(entry)
        } else {
            Err(MalformedJson::new("not canonical"))
        }
    }

    /// The hash of the leaf for this entry.
    ///
    /// # Errors
    /// As [`LogEntry::to_bytes`].
    pub fn leaf_hash(&self) -> Result<Hash, NotCanonical> {
        Ok(leaf_hash(&self.to_bytes()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_spelling_is_accepted() {
        let text =
            format!(r#"{{"head":"{}","root":"ed25519:{}","seqno":3}}"#, "ab".repeat(32), "cd".repeat(32));
        let entry = LogEntry::parse(text.as_bytes()).unwrap();
        assert_eq!((entry.seqno, entry.to_bytes().unwrap()), (3, text.clone().into_bytes()));
        for other in [text.replace(',', ", "), text.replace("3}", "3,\"x\":1}"), text.replace("ab", "AB")] {
            assert!(LogEntry::parse(other.as_bytes()).is_err(), "{other}");
        }
    }
}
