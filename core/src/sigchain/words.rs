//! Describes links in plain words, the same on profile pages and in settings.

use super::body::Body;
use crate::identity::PublicIdentity;

impl Body {
    /// One sentence. It shows only the beginning of a key; the whole key is in the link.
    pub fn in_words(&self) -> String {
        match self {
            Self::Init { primary, .. } => format!("Began with the key {}\u{2026}", beginning(primary)),
            Self::AddDevice(device) => format!("Added the device {}.", quoted(device.name.as_str())),
            Self::RevokeDevice { .. } => "Removed a device.".to_owned(),
            Self::RotatePrimary { primary, .. } => {
                format!("Changed the key to {}\u{2026}, as announced before.", beginning(primary))
            }
            Self::ClaimHandle { handle, server, .. } => format!("Claimed the handle @{handle} on {server}."),
            Self::ReleaseHandle { handle, server } => format!("Gave up the handle @{handle} on {server}."),
            Self::SetCapabilities { min_version } => {
                format!("Reads messages from version {min_version} on.")
            }
            Self::Close { .. } => "Ended this identity for good.".to_owned(),
        }
    }
}

/// A name that its owner chose, quoted so that no reader can mistake it for our own text. It stands in quotation marks,
/// loses any of its own, and is isolated from the direction of the text around it (Unicode TR9, sections 2.4 and 2.5).
fn quoted(name: &str) -> String {
    let plain = name.chars().filter(|c| !changes_direction(*c));
    let plain = plain
        .map(|c| if matches!(c, '"' | '\u{201c}'..='\u{201f}' | '\u{00ab}' | '\u{00bb}') { '\'' } else { c });
    let plain: String = plain.collect();
    format!("\u{201c}\u{2068}{plain}\u{2069}\u{201d}")
}

/// The direction marks, embeddings, overrides and isolates of Unicode TR9.
const fn changes_direction(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `ed25519:` and the first 16 digits.
fn beginning(key: &PublicIdentity) -> String {
    key.to_string().chars().take(24).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_within_its_quotation_marks() {
        assert_eq!(quoted("Alice's phone"), "\u{201c}\u{2068}Alice's phone\u{2069}\u{201d}");
        let sentence = quoted("\u{201d}. Verified by the server. \u{201c}");
        assert_eq!(sentence, "\u{201c}\u{2068}'. Verified by the server. '\u{2069}\u{201d}");
        assert_eq!(quoted("a\u{2069}\u{202e}b\u{200f}\""), "\u{201c}\u{2068}ab'\u{2069}\u{201d}");
    }
}
