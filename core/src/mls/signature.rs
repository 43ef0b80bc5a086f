//! What a device signs inside MLS: `SignContent`, a label and a content (RFC 9420, section 5.1.2).
//!
//! ```text
//! struct { opaque label<V> = "MLS 1.0 " + Label; opaque content<V>; } SignContent;
//! ```
//!
//! A device's key also signs requests and statements. No text of theirs can begin like a `SignContent`: the first byte
//! is the length of the label, 0x13 to 0x18.

use crate::identity::{PublicIdentity, SecretIdentity};
use crate::signature::{BadSignature, Signature};

/// The labels with which MLS signs anything in this profile, each after its length and `MLS 1.0 `.
const BEGINNINGS: [&[u8]; 4] = [
    b"\x13MLS 1.0 LeafNodeTBS",
    b"\x14MLS 1.0 GroupInfoTBS",
    b"\x15MLS 1.0 KeyPackageTBS",
    b"\x18MLS 1.0 FramedContentTBS",
];

/// The text is not one that MLS signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a device signs no such text inside MLS")]
pub struct NotMlsText;

/// Signs a `SignContent` with a device's key: 64 bytes, as RFC 8032 writes them.
///
/// # Errors
/// [`NotMlsText`] when the text begins with none of the labels. So no engine can make a device sign anything else.
pub fn sign(device: &SecretIdentity, content: &[u8]) -> Result<[u8; 64], NotMlsText> {
    if BEGINNINGS.iter().any(|beginning| content.starts_with(beginning)) {
        Ok(device.sign(content).to_bytes())
    } else {
        Err(NotMlsText)
    }
}

/// Verifies a signature of 64 bytes, as [`PublicIdentity::verify`] does.
///
/// # Errors
/// [`BadSignature`] when the length is wrong or the signature is invalid.
pub fn verify(device: &PublicIdentity, content: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
    let signature = signature.try_into().map_err(|_| BadSignature)?;
    device.verify(content, &Signature::from_bytes(signature))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Seed;

    #[test]
    fn a_device_signs_the_texts_of_mls_and_no_others() {
        let device = SecretIdentity::from_seed(Seed::from_bytes([5; 32]));
        for beginning in BEGINNINGS {
            assert_eq!(usize::from(beginning[0]), beginning.len() - 1);
            let text = [beginning, b"\x01x"].concat();
            let signature = sign(&device, &text).unwrap();
            assert_eq!(verify(&device.public(), &text, &signature), Ok(()));
            assert_eq!(verify(&device.public(), &text, &signature[..63]), Err(BadSignature));
            assert_eq!(verify(&device.public(), beginning, &signature), Err(BadSignature));
        }
        for other in
            ["kez-chat-auth-v1\n", "{\"type\":\"kez.group.leave\"}", "\u{13}MLS 1.0 OtherNodeTBS", ""]
        {
            assert_eq!(sign(&device, other.as_bytes()), Err(NotMlsText), "{other:?}");
        }
    }
}
