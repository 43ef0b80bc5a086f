//! What a link says, in words for people: the same on profile pages and in settings.

use super::body::Body;
use crate::identity::PublicIdentity;

impl Body {
    /// One sentence. A key is told by its beginning: whoever needs the whole of it reads the link.
    pub fn in_words(&self) -> String {
        match self {
            Self::Init { primary, .. } => format!("Began with the key {}\u{2026}", beginning(primary)),
            Self::AddDevice(device) => format!("Added the device \u{201c}{}\u{201d}.", device.name.as_str()),
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

/// `ed25519:` and the first 16 digits.
fn beginning(key: &PublicIdentity) -> String {
    key.to_string().chars().take(24).collect()
}
