//! Nkeys: ed25519 keys in the NATS text form. This is base32 (RFC 4648, section 6) of a role prefix, the 32 bytes, and
//! a CRC-16 (<https://docs.nats.io/reference/reference-protocols/nats-protocol/nkeys>).
//!
//! A client must sign the broker's nonce before the broker has proved anything to it. So an nkey serves this purpose
//! only: it is never an identity, and [`SecretNkey::sign_nonce`] signs only a nonce that a broker drew at random.

use std::fmt;
use std::str::FromStr;

use base32ct::{Base32UpperUnpadded, Encoding};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::Zeroizing;

use crate::identity::{Primary, PublicIdentity, SecretIdentity, Seed};
use crate::signature::{BadSignature, Signature};

/// The prefix of a seed; the role's prefix follows.
const SEED_PREFIX: u8 = 18 << 3;

/// The role of a key. The first letter of the text gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// `A`: an account, whose key signs for its users.
    Account,
    /// `N`: a NATS server.
    Server,
    /// `U`: a connecting user.
    User,
}

/// A public nkey whose point passed the checks of [`PublicIdentity`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicNkey {
    role: Role,
    key: PublicIdentity,
}

/// A key pair. Wiped from memory when dropped; never printed.
pub struct SecretNkey {
    role: Role,
    keys: SecretIdentity,
}

/// The text is not an nkey of a role that this protocol knows, or its point must not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a usable nkey")]
pub struct InvalidNkey;

/// Not a nonce from a NATS server, which has 11 to 32 characters of `A-Za-z0-9_-`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the broker sent a nonce that no NATS server sends")]
pub struct StrangeNonce;

impl Role {
    const fn prefix(self) -> u8 {
        match self {
            Self::Account => 0,
            Self::Server => 13 << 3,
            Self::User => 20 << 3,
        }
    }

    fn of_prefix(prefix: u8) -> Option<Self> {
        [Self::Account, Self::Server, Self::User].into_iter().find(|role| role.prefix() == prefix)
    }
}

impl PublicNkey {
    /// The role of the key.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Verifies a 64-byte signature strictly.
    ///
    /// # Errors
    /// [`BadSignature`] when it has another length or is invalid.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        let bytes = signature.try_into().map_err(|_| BadSignature)?;
        self.key.verify(message, &Signature::from_bytes(bytes))
    }
}

impl FromStr for PublicNkey {
    type Err = InvalidNkey;

    fn from_str(text: &str) -> Result<Self, InvalidNkey> {
        let [prefix, key @ ..] = decode::<33>(text)?;
        let role = Role::of_prefix(prefix).ok_or(InvalidNkey)?;
        let key = PublicIdentity::try_from(Primary::from_bytes(key)).map_err(|_| InvalidNkey)?;
        Ok(Self { role, key })
    }
}

impl fmt::Display for PublicNkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![self.role.prefix()];
        bytes.extend_from_slice(self.key.primary().as_bytes());
        f.write_str(&encode(&mut bytes))
    }
}

impl fmt::Debug for PublicNkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for PublicNkey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicNkey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl SecretNkey {
    /// A fresh key pair.
    pub fn random(role: Role, rng: &mut impl rand_core::CryptoRng) -> Self {
        Self { role, keys: SecretIdentity::from_seed(Seed::random(rng)) }
    }

    /// Parses a seed in its text form, `SU...`.
    ///
    /// # Errors
    /// [`InvalidNkey`] for any other text.
    pub fn from_seed_text(text: &str) -> Result<Self, InvalidNkey> {
        let bytes = Zeroizing::new(decode::<34>(text)?);
        let [first, second, seed @ ..] = *bytes;
        // The role's prefix spans both bytes, after the five bits of the seed prefix.
        let prefix = (first & 0b111) << 5 | second >> 3;
        if first & 0b1111_1000 != SEED_PREFIX || second & 0b111 != 0 {
            return Err(InvalidNkey);
        }
        let role = Role::of_prefix(prefix).ok_or(InvalidNkey)?;
        Ok(Self { role, keys: SecretIdentity::from_seed(Seed::from_bytes(seed)) })
    }

    /// The seed in its text form, for storage.
    pub fn seed_text(&self) -> Zeroizing<String> {
        let prefix = self.role.prefix();
        let mut bytes = Zeroizing::new(vec![SEED_PREFIX | prefix >> 5, prefix << 3]);
        bytes.extend_from_slice(self.keys.seed().as_bytes());
        Zeroizing::new(encode(&mut bytes))
    }

    /// The public half.
    pub const fn public(&self) -> PublicNkey {
        PublicNkey { role: self.role, key: self.keys.public() }
    }

    /// Signs bytes that the holder composed. For bytes from a broker, use [`SecretNkey::sign_nonce`].
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.keys.sign(message).to_bytes()
    }

    /// Answers a broker's challenge.
    ///
    /// # Errors
    /// [`StrangeNonce`] for a text that might not be a challenge. Such a text is not signed.
    pub fn sign_nonce(&self, nonce: &str) -> Result<[u8; 64], StrangeNonce> {
        if is_nonce(nonce) { Ok(self.sign(nonce.as_bytes())) } else { Err(StrangeNonce) }
    }
}

impl fmt::Debug for SecretNkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretNkey({})", self.public())
    }
}

/// A signature in the form that NATS clients send: base64url without padding.
pub fn signature_text(signature: &[u8; 64]) -> String {
    Base64UrlUnpadded::encode_string(signature)
}

/// Whether the text looks like a nonce of a NATS server: base64url, and too short to be anything that is signed
/// elsewhere.
pub fn is_nonce(text: &str) -> bool {
    (11..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// Appends the checksum and encodes the bytes.
fn encode(bytes: &mut Vec<u8>) -> String {
    let checksum = crc16(bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    Base32UpperUnpadded::encode_string(bytes)
}

/// The `N` bytes before the checksum. The text must be their only valid spelling.
fn decode<const N: usize>(text: &str) -> Result<[u8; N], InvalidNkey> {
    let bytes = Zeroizing::new(Base32UpperUnpadded::decode_vec(text).map_err(|_| InvalidNkey)?);
    let (payload, checksum) = bytes.split_at_checked(N).ok_or(InvalidNkey)?;
    let canonical = *Base32UpperUnpadded::encode_string(&bytes) == *text;
    if !canonical || checksum != crc16(payload).to_le_bytes() {
        return Err(InvalidNkey);
    }
    payload.try_into().map_err(|_| InvalidNkey)
}

/// CRC-16/XMODEM: polynomial 0x1021, no reflection, initial value 0.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(
            crc ^ u16::from(*byte) << 8,
            |crc, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_xmodem() {
        // The check value for this CRC in the published catalogues.
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }

    #[test]
    fn only_server_nonces_are_signed() {
        let key = SecretNkey { role: Role::User, keys: SecretIdentity::from_seed(Seed::from_bytes([7; 32])) };
        let signature = key.sign_nonce("bV8Eb-nZ_a3Qq0s").unwrap();
        assert_eq!(key.public().verify(b"bV8Eb-nZ_a3Qq0s", &signature), Ok(()));
        for hostile in [
            "",
            "short",
            "GET\n/v1/inbox/alice\nsince=0\n1795374000",
            "kez-chat-auth-v1\nkez.lat",
            r#"{"type":"kez.chat.message"}"#,
            "bV8Eb nZ_a3Qq0s",
            "bV8Eb-nZ_a3Qq0s=",
            "bV8Eb-nZ_a3Qq0\u{e9}",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert_eq!(key.sign_nonce(hostile), Err(StrangeNonce), "{hostile:?}");
        }
    }
}
