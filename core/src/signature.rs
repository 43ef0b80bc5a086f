//! Ed25519 signatures (RFC 8032), verified strictly and spelled as 128 lower-case hexadecimal digits.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::hex;
use crate::identity::PublicIdentity;

/// A signature in text form. It has not been verified by being parsed, and must never serve as an id.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

/// The signature is not valid for this key and these bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not match the key and the signed text")]
pub struct BadSignature;

/// The text is not 128 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signature is 128 lower-case hexadecimal digits")]
pub struct InvalidSignatureText;

impl Signature {
    pub(crate) const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn to_bytes(self) -> [u8; 64] {
        self.0
    }

    pub(crate) fn to_dalek(self) -> ed25519_dalek::Signature {
        ed25519_dalek::Signature::from_bytes(&self.0)
    }
}

/// Verifies a signature over arbitrary bytes, with key and signature as text: the one verifier for the whole project.
///
/// `public_key` is 64 lower-case hexadecimal digits and must pass [`PublicIdentity::parse`]; `signature` is 128. The
/// check is that of [`PublicIdentity::verify`].
///
/// # Errors
/// [`BadSignature`] when the key or the signature is malformed or the signature is invalid.
pub fn verify_ed25519_hex(public_key: &str, message: &[u8], signature: &str) -> Result<(), BadSignature> {
    let key = PublicIdentity::parse(&format!("ed25519:{public_key}")).map_err(|_| BadSignature)?;
    key.verify(message, &signature.parse().map_err(|_| BadSignature)?)
}

impl FromStr for Signature {
    type Err = InvalidSignatureText;

    fn from_str(text: &str) -> Result<Self, InvalidSignatureText> {
        hex::decode(text).map(Self).ok_or(InvalidSignatureText)
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(..)")
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
