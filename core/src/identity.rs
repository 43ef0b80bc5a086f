//! Identities: an ed25519 key (RFC 8032), the X25519 key derived from it (RFC 7748), and the only place that accepts a
//! public key.

use std::fmt;
use std::str::FromStr;

use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_dalek::{Signer, SigningKey, Verifier, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::hex;
use crate::signature::{BadSignature, Signature};

/// The 32-byte ed25519 seed of an identity. Wiped from memory when dropped; never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Seed([u8; 32]);

impl Seed {
    /// A seed from its bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A fresh seed from a cryptographic random generator.
    pub fn random(rng: &mut impl rand_core::CryptoRng) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The raw bytes. Anyone who has them can act as this user.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// A public key in its text form, `ed25519:<64 lower-case hex>`: well-formed, but not yet known to be a usable point.
/// Use it to name and compare keys; only [`PublicIdentity`] can verify signatures and agree on secrets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Primary([u8; 32]);

/// The text is not `ed25519:` and 64 lower-case hexadecimal digits, or the point must not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a usable ed25519 public key")]
pub struct InvalidKey;

impl Primary {
    /// A key from its raw bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 64 hexadecimal digits after `ed25519:`.
    pub fn hex(&self) -> String {
        hex::encode(&self.0)
    }

    /// The 32 raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for Primary {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        text.strip_prefix("ed25519:").and_then(hex::decode).map(Self).ok_or(InvalidKey)
    }
}

impl fmt::Display for Primary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519:{}", self.hex())
    }
}

impl fmt::Debug for Primary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Primary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Primary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The neutral element of the curve, compressed: x = 0, y = 1.
const NEUTRAL: [u8; 32] = {
    let mut bytes = [0; 32];
    bytes[0] = 1;
    bytes
};

/// An accepted public key: canonical, not of small order, free of torsion.
///
/// It comes only from [`PublicIdentity::parse`], from the user's own [`SecretIdentity`], or from
/// [`PublicIdentity::accepted_before`] for a key that was accepted earlier.
#[derive(Clone, Copy)]
pub struct PublicIdentity {
    primary: Primary,
    key: VerifyingKey,
}

impl PublicIdentity {
    /// Accepts a public key. The text is `ed25519:<64 lower-case hex>`; the point decompresses, re-compresses to the
    /// same bytes, is not of small order and is free of torsion.
    ///
    /// Without the last two checks, anyone could sign for some keys, and sixteen keys would share one secret.
    ///
    /// # Errors
    /// [`InvalidKey`] for everything else.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        Self::try_from(text.parse::<Primary>()?)
    }

    /// Reads back a key that was accepted before it was stored, in a place that no one else can write to. Skips only
    /// the torsion check, which takes twice as long as verifying a signature.
    ///
    /// # Errors
    /// [`InvalidKey`] when one of the other checks fails.
    pub fn accepted_before(primary: Primary) -> Result<Self, InvalidKey> {
        let point = CompressedEdwardsY(primary.0).decompress().ok_or(InvalidKey)?;
        let key = VerifyingKey::from(point);
        if key.to_bytes() != primary.0 || point.is_small_order() {
            return Err(InvalidKey);
        }
        Ok(Self { primary, key })
    }

    /// The key in its text form.
    pub const fn primary(&self) -> Primary {
        self.primary
    }

    /// Verifies a signature: cofactorless, with a canonical S, and with no point of small order (RFC 8032, section
    /// 5.1.7, and dalek's `verify_strict`).
    ///
    /// It gives the same answer as `verify_strict` in seven eighths of the time, because it does not decompress R or
    /// check the order of both points. This key is accepted, so it is not of small order and has no torsion. Hence the
    /// point that `verify` computes, and compares with R as bytes, has no torsion either. Only one point without
    /// torsion is of small order: the neutral element.
    ///
    /// # Errors
    /// [`BadSignature`] when the signature is invalid.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        let signature = signature.to_dalek();
        if signature.r_bytes() == &NEUTRAL {
            return Err(BadSignature);
        }
        self.key.verify(message, &signature).map_err(|_| BadSignature)
    }

    /// The X25519 public key: the Edwards point mapped to u = (1 + y) / (1 - y) (RFC 7748, section 4.1).
    pub fn x25519_public(&self) -> [u8; 32] {
        self.key.to_montgomery().to_bytes()
    }
}

impl TryFrom<Primary> for PublicIdentity {
    type Error = InvalidKey;

    fn try_from(primary: Primary) -> Result<Self, InvalidKey> {
        let accepted = Self::accepted_before(primary)?;
        if accepted.key.to_edwards().is_torsion_free() { Ok(accepted) } else { Err(InvalidKey) }
    }
}

impl PartialEq for PublicIdentity {
    fn eq(&self, other: &Self) -> bool {
        self.primary == other.primary
    }
}

impl Eq for PublicIdentity {}

impl fmt::Display for PublicIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.primary.fmt(f)
    }
}

impl fmt::Debug for PublicIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.primary.fmt(f)
    }
}

impl Serialize for PublicIdentity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.primary.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PublicIdentity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(Primary::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// A user's own keys, derived from the [`Seed`]. Wiped from memory when dropped; never printed.
pub struct SecretIdentity {
    seed: Seed,
    signing: SigningKey,
    agreement: x25519_dalek::StaticSecret,
    public: PublicIdentity,
}

impl SecretIdentity {
    /// Derives the keys from a seed. X25519 uses the clamped first half of SHA-512(seed).
    pub fn from_seed(seed: Seed) -> Self {
        let signing = SigningKey::from_bytes(seed.as_bytes());
        let scalar = Zeroizing::new(signing.to_scalar_bytes());
        let key = signing.verifying_key();
        let public = PublicIdentity { primary: Primary(key.to_bytes()), key };
        Self { seed, signing, agreement: x25519_dalek::StaticSecret::from(*scalar), public }
    }

    /// The public half.
    pub const fn public(&self) -> PublicIdentity {
        self.public
    }

    /// The seed, to show as words or to store sealed.
    pub const fn seed(&self) -> &Seed {
        &self.seed
    }

    /// Signs bytes that this crate composed itself. Not public: an identity key must never sign bytes chosen by another
    /// party.
    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        Signature::from_bytes(self.signing.sign(message).to_bytes())
    }

    /// X25519 with another user's public key.
    ///
    /// # Errors
    /// [`NoSharedSecret`] when the result is all zero.
    pub fn agree(&self, theirs: &PublicIdentity) -> Result<SharedSecret, NoSharedSecret> {
        let shared = self.agreement.diffie_hellman(&theirs.x25519_public().into());
        if !shared.was_contributory() {
            return Err(NoSharedSecret);
        }
        Ok(SharedSecret(shared.to_bytes()))
    }
}

impl fmt::Debug for SecretIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretIdentity({})", self.public)
    }
}

/// The X25519 result for one pair of users: 32 bytes, the same on both sides, never all zero.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SharedSecret([u8; 32]);

impl SharedSecret {
    /// The raw output of X25519, input keying material for HKDF.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

/// X25519 gave an all-zero secret (RFC 7748, section 6.1), which anyone can compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key agreement produced no shared secret")]
pub struct NoSharedSecret;

/// A user whose key was accepted, with the secret shared with them. The secret is agreed once and used for every
/// message.
#[derive(Clone, Debug)]
pub struct Peer {
    identity: PublicIdentity,
    shared: SharedSecret,
}

impl Peer {
    /// Agrees on the secret between `me` and `them`. Both may be the same key, for a user's own copies.
    ///
    /// # Errors
    /// [`NoSharedSecret`] when the agreement gives an all-zero secret.
    pub fn new(me: &SecretIdentity, them: PublicIdentity) -> Result<Self, NoSharedSecret> {
        Ok(Self { identity: them, shared: me.agree(&them)? })
    }

    /// Their key.
    pub const fn identity(&self) -> &PublicIdentity {
        &self.identity
    }

    pub(crate) const fn shared(&self) -> &SharedSecret {
        &self.shared
    }
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::scalar::Scalar;

    use super::*;

    #[test]
    fn debug_never_shows_a_secret() {
        let me = SecretIdentity::from_seed(Seed::from_bytes([7; 32]));
        let peer = Peer::new(&me, me.public()).unwrap();
        for text in [format!("{:?}", me.seed()), format!("{me:?}"), format!("{peer:?}")] {
            assert!(!text.contains("0707") && !text.contains("7, 7"), "{text}");
            assert!(!text.contains(&hex::encode(peer.shared().as_bytes())), "{text}");
        }
    }

    #[test]
    fn alternative_spellings_of_a_key_are_refused() {
        let primary = SecretIdentity::from_seed(Seed::from_bytes([7; 32])).public().to_string();
        assert!(PublicIdentity::parse(&primary).is_ok());
        for alias in [
            primary.to_uppercase(),
            primary.replace("ed25519:", "ED25519:"),
            primary.replace("ed25519:", ""),
            format!(" {primary}"),
            format!("{primary}\n"),
            format!("{primary}00"),
        ] {
            assert_eq!(PublicIdentity::parse(&alias), Err(InvalidKey), "{alias:?}");
        }
    }

    #[test]
    fn a_stored_small_order_key_is_refused() {
        let mine = SecretIdentity::from_seed(Seed::from_bytes([7; 32])).public();
        assert_eq!(PublicIdentity::accepted_before(mine.primary()), Ok(mine));
        for point in curve25519_dalek::constants::EIGHT_TORSION {
            let primary = Primary::from_bytes(point.compress().0);
            assert_eq!(PublicIdentity::accepted_before(primary), Err(InvalidKey), "{primary}");
        }
        assert_eq!(PublicIdentity::accepted_before(Primary::from_bytes([0xff; 32])), Err(InvalidKey));
    }

    /// The result of `verify_strict`, which [`PublicIdentity::verify`] must match.
    fn strictly(me: &SecretIdentity, message: &[u8], signature: [u8; 64]) -> bool {
        let strict = me.public.key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(&signature));
        let ours = me.public.verify(message, &Signature::from_bytes(signature));
        assert_eq!(ours.is_ok(), strict.is_ok(), "{}", hex::encode(&signature));
        strict.is_ok()
    }

    /// A signature that only the owner of the key can make: with r = 0, any point of small order can be its R.
    fn signature_without_r(me: &SecretIdentity, r: [u8; 32], message: &[u8]) -> [u8; 64] {
        use sha2::{Digest, Sha512};
        let hash = Sha512::new().chain_update(r).chain_update(me.public.key.as_bytes()).chain_update(message);
        let s = Scalar::from_bytes_mod_order_wide(&hash.finalize().into()) * me.signing.to_scalar();
        [r, s.to_bytes()].concat().try_into().unwrap()
    }

    #[test]
    fn a_signature_with_a_small_order_r_is_invalid() {
        let me = SecretIdentity::from_seed(Seed::from_bytes([7; 32]));
        for point in curve25519_dalek::constants::EIGHT_TORSION {
            assert!(!strictly(&me, b"text", signature_without_r(&me, point.compress().0, b"text")));
        }
        // Only R is wrong: without the check of its order, this signature would be valid.
        let neutral = ed25519_dalek::Signature::from_bytes(&signature_without_r(&me, NEUTRAL, b"text"));
        assert!(me.public.key.verify(b"text", &neutral).is_ok());
    }

    #[test]
    fn a_signature_with_any_bit_changed_is_invalid() {
        let me = SecretIdentity::from_seed(Seed::from_bytes([7; 32]));
        let signature = me.sign(b"text").to_bytes();
        assert!(strictly(&me, b"text", signature));
        assert!(!strictly(&me, b"test", signature));
        for bit in 0..512 {
            let mut changed = signature;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!strictly(&me, b"text", changed), "bit {bit}");
        }
        // The same signature with L added to S (RFC 8032, section 5.1.7: 0 <= S < L), and the same with torsion in R.
        let l_minus_1 = (-Scalar::ONE).to_bytes();
        let mut changed = signature;
        let mut carry = 1;
        for (byte, l) in changed[32..].iter_mut().zip(l_minus_1) {
            let sum = u16::from(*byte) + u16::from(l) + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        assert!(!strictly(&me, b"text", changed));
        let r = CompressedEdwardsY(signature[..32].try_into().unwrap()).decompress().unwrap();
        for point in &curve25519_dalek::constants::EIGHT_TORSION[1..] {
            let mut changed = signature;
            changed[..32].copy_from_slice(&(r + point).compress().0);
            assert!(!strictly(&me, b"text", changed));
        }
    }
}
