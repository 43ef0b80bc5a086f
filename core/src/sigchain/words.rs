//! What a link says, in words for people: the same on profile pages and in settings.

use super::body::Body;

impl Body {
    /// One sentence.
    pub fn in_words(&self) -> String {
        match self {
            Self::Init { primary, .. } => format!("Began with the key {primary}."),
            Self::AddDevice(device) => format!("Added the device \u{201c}{}\u{201d}.", device.name.as_str()),
            Self::RevokeDevice { .. } => "Removed a device.".to_owned(),
            Self::RotatePrimary { primary, .. } => {
                format!("Changed the key to {primary}, as announced before.")
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
