//! The sealed messages between the two browsers of a link.
//!
//! Secret = X25519(one side's secret, the other side's key), never all zero (RFC 7748, section 6.1). Each side has a key:
//! HKDF-SHA256(ikm = secret, salt = SHA-256(JCS(offer)), info = `kez-link-v1 old` or `kez-link-v1 new`) (RFC 5869).
//! Message n of a side is AES-256-GCM(key, nonce = n, plaintext, additional data = `old` or `new`), the tag at its end.
//! The nonce is n as 12 bytes, big-endian; a side seals one message under each number.

use std::fmt;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::LinkOffer;
use crate::api::Base64Url;
use crate::identity::NoSharedSecret;

/// One side of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The browser that belongs to the account already.
    Old,
    /// The browser that made the offer.
    New,
}

/// An X25519 public key, written as base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Base64Url", into = "Base64Url")]
pub struct BoxKey([u8; 32]);

/// The secret of a [`BoxKey`], for one link only.
pub struct LinkSecret(StaticSecret);

/// The keys of both sides. Wiped from memory when dropped.
pub struct LinkKeys {
    old: Zeroizing<[u8; 32]>,
    new: Zeroizing<[u8; 32]>,
}

/// A message was not sealed by the other side under this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message was not sealed by the other browser of this link")]
pub struct NotOpened;

impl Side {
    /// The name, which is also the additional data of its messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }
}

impl LinkSecret {
    /// A new secret.
    pub fn random(rng: &mut impl rand_core::CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(bytes.as_mut_slice());
        Self::from_bytes(*bytes)
    }

    /// The secret with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes.into())
    }

    /// Its public key.
    pub fn public(&self) -> BoxKey {
        BoxKey(PublicKey::from(&self.0).to_bytes())
    }

    /// The keys of a link, from this side's secret and the other side's key.
    ///
    /// # Errors
    /// [`NoSharedSecret`] when the agreement gives an all-zero secret.
    pub fn keys(&self, theirs: &BoxKey, offer: &LinkOffer) -> Result<LinkKeys, NoSharedSecret> {
        let shared = self.0.diffie_hellman(&theirs.0.into());
        if !shared.was_contributory() {
            return Err(NoSharedSecret);
        }
        let salt = offer.hash().map_err(|_| NoSharedSecret)?;
        let expand = Hkdf::<Sha256>::new(Some(salt.as_bytes()), shared.as_bytes());
        let key = |side: Side| {
            let mut key = Zeroizing::new([0; 32]);
            let expanded = expand.expand_multi_info(&[b"kez-link-v1 ", side.name().as_bytes()], key.as_mut());
            debug_assert!(expanded.is_ok(), "HKDF-SHA256 can produce 8,160 bytes");
            key
        };
        Ok(LinkKeys { old: key(Side::Old), new: key(Side::New) })
    }
}

impl LinkKeys {
    /// Seals message `n` of a side. A side must never seal two texts under one number.
    ///
    /// # Errors
    /// [`NotOpened`] never occurs for texts of the sizes of this protocol; it is passed on so that nothing panics.
    pub fn seal(&self, from: Side, n: u64, plaintext: &[u8]) -> Result<Vec<u8>, NotOpened> {
        let payload = Payload { msg: plaintext, aad: from.name().as_bytes() };
        self.cipher(from).encrypt(&nonce(n).into(), payload).map_err(|_| NotOpened)
    }

    /// Opens message `n` of a side.
    ///
    /// # Errors
    /// [`NotOpened`] when it was sealed under other keys, by the other side or under another number, or was changed.
    pub fn open(&self, from: Side, n: u64, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
        let payload = Payload { msg: sealed, aad: from.name().as_bytes() };
        let opened = self.cipher(from).decrypt(&nonce(n).into(), payload);
        opened.map(Zeroizing::new).map_err(|_| NotOpened)
    }

    fn cipher(&self, from: Side) -> Aes256Gcm {
        let key = match from {
            Side::Old => &self.old,
            Side::New => &self.new,
        };
        Aes256Gcm::new(&(**key).into())
    }
}

fn nonce(n: u64) -> [u8; 12] {
    u128::from(n).to_be_bytes().last_chunk().copied().unwrap_or_default()
}

impl TryFrom<Base64Url> for BoxKey {
    type Error = &'static str;

    fn try_from(Base64Url(bytes): Base64Url) -> Result<Self, &'static str> {
        bytes.try_into().map(Self).map_err(|_| "an X25519 key has 32 bytes")
    }
}

impl From<BoxKey> for Base64Url {
    fn from(key: BoxKey) -> Self {
        Self(key.0.to_vec())
    }
}

impl fmt::Debug for LinkSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkSecret(..)")
    }
}

impl fmt::Debug for LinkKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKeys(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{SecretIdentity, Seed};
    use crate::sigchain::DeviceId;

    fn offer(secret: &LinkSecret, nonce: u8) -> LinkOffer {
        let key = SecretIdentity::from_seed(Seed::from_bytes([3; 32])).public();
        LinkOffer::new(secret.public(), DeviceId::from_bytes([5; 16]), key, [nonce; 16])
    }

    #[test]
    fn both_sides_derive_the_same_keys() {
        let (new, old) = (LinkSecret::from_bytes([4; 32]), LinkSecret::from_bytes([9; 32]));
        let at_new = new.keys(&old.public(), &offer(&new, 1)).unwrap();
        let at_old = old.keys(offer(&new, 1).box_key(), &offer(&new, 1)).unwrap();
        let sealed = at_old.seal(Side::Old, 1, b"hello").unwrap();
        assert_eq!(at_new.open(Side::Old, 1, &sealed).unwrap().as_slice(), b"hello");
        assert_eq!(format!("{old:?} {at_old:?}"), "LinkSecret(..) LinkKeys(..)");
    }

    #[test]
    fn a_message_opens_as_the_one_that_was_sealed_only() {
        let (new, old) = (LinkSecret::from_bytes([4; 32]), LinkSecret::from_bytes([9; 32]));
        let keys = old.keys(&new.public(), &offer(&new, 1)).unwrap();
        let sealed = keys.seal(Side::Old, 1, b"hello").unwrap();
        assert_eq!(keys.open(Side::New, 1, &sealed), Err(NotOpened));
        assert_eq!(keys.open(Side::Old, 2, &sealed), Err(NotOpened));
        assert_eq!(keys.open(Side::Old, 1, sealed.get(1..).unwrap()), Err(NotOpened));
        let other = old.keys(&new.public(), &offer(&new, 2)).unwrap();
        assert_eq!(other.open(Side::Old, 1, &sealed), Err(NotOpened), "another offer is another link");
    }

    #[test]
    fn an_all_zero_secret_is_refused() {
        let secret = LinkSecret::from_bytes([4; 32]);
        // The identity and a point of order 8 (RFC 7748, section 6.1).
        for low_order in [[0; 32], {
            let mut one = [0; 32];
            one[0] = 1;
            one
        }] {
            let keys = secret.keys(&BoxKey(low_order), &offer(&secret, 1));
            assert_eq!(keys.map(drop), Err(NoSharedSecret));
        }
    }
}
