//! The message envelope: what the relay stores and cannot read.
//!
//! ```json
//! {"v": 1, "type": "kez.chat.message", "from": "ed25519:<hex>", "to": "ed25519:<hex>", "nonce": "<24 hex>",
//!  "ciphertext": "<base64url>", "created_at": "2026-11-22T19:00:00Z", "sig": "<128 hex>"}
//! ```
//!
//! key = HKDF-SHA256(ikm = X25519 secret, salt = nonce, info = "kez-chat-msg-v1") (RFC 5869); ciphertext =
//! AES-256-GCM(key, nonce, plaintext) with the tag at its end (NIST SP 800-38D); `sig` is over the canonical bytes of
//! everything else. A fresh nonce for each message makes a fresh key for each message.

use std::fmt;
use std::str::FromStr;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Aead, KeyInit};
use base64ct::{Base64UrlUnpadded, Encoding};
use hkdf::Hkdf;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::canonical_json::{self, Numbers};
use crate::hex;
use crate::identity::{Peer, Primary, SecretIdentity, SharedSecret};
use crate::signature::Signature;
use crate::time::Timestamp;

/// The most bytes that an envelope's JSON may have: 256 KiB.
pub const MAX_BYTES: usize = 256 * 1024;

const TYPE: &str = "kez.chat.message";
const KEY_INFO: &[u8] = b"kez-chat-msg-v1";

/// The SHA-256 of an envelope's canonical bytes, signature included. It identifies the envelope for deduplication and
/// in `chain.prev`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvelopeHash([u8; 32]);

/// An envelope ready to be posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedEnvelope {
    /// The canonical JSON text. The sender must send exactly these bytes, also on every retry.
    pub json: String,
    /// Its hash.
    pub hash: EnvelopeHash,
}

/// Why sealing failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The envelope would exceed [`MAX_BYTES`].
    #[error("the message is too long: its envelope would be over 256 KiB")]
    TooLarge,
}

/// Why an envelope was not opened. Each failure has its own name, and none of them blocks the envelopes that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum OpenError {
    /// `v` is not 1, whatever the other fields hold.
    #[error("its version is not one that this app knows")]
    UnsupportedVersion,
    /// The shape is wrong.
    #[error("it is malformed")]
    Malformed,
    /// `to` is another key.
    #[error("it was sealed for another recipient")]
    WrongRecipient,
    /// `from` is neither the key of a known contact nor resolved through the registry.
    #[error("its sender is unknown")]
    UnknownSender,
    /// The signature is invalid.
    #[error("its signature is invalid: it was altered in transit or forged")]
    BadSignature,
    /// The signature is valid, but the ciphertext does not decrypt.
    #[error("it could not be decrypted")]
    NotDecryptable,
}

/// An envelope whose version and shape are checked, and nothing else yet.
#[derive(Clone, Debug)]
pub struct Envelope {
    from: Primary,
    to: Primary,
    nonce: [u8; 12],
    ciphertext: Vec<u8>,
    created_at: Timestamp,
    signature: Signature,
    signed_bytes: Vec<u8>,
    hash: EnvelopeHash,
}

/// The content of an envelope after every check: it is from the peer, for this user, and unchanged.
#[derive(Clone)]
pub struct OpenedMessage {
    /// Who sent it.
    pub from: Primary,
    /// When the sender says it was sealed.
    pub created_at: Timestamp,
    /// The envelope's hash.
    pub hash: EnvelopeHash,
    /// The plaintext's bytes.
    pub plaintext: Zeroizing<Vec<u8>>,
}

/// Seals a plaintext from `me` to `to`.
///
/// # Errors
/// [`SealError::TooLarge`] when the envelope would exceed [`MAX_BYTES`].
pub fn seal(
    me: &SecretIdentity,
    to: &Peer,
    plaintext: &[u8],
    now: Timestamp,
    rng: &mut impl rand_core::CryptoRng,
) -> Result<SealedEnvelope, SealError> {
    let mut nonce = [0; 12];
    rng.fill_bytes(&mut nonce);
    let ciphertext =
        cipher(to.shared(), &nonce).encrypt(&nonce.into(), plaintext).map_err(|_| SealError::TooLarge)?;
    let mut fields = Map::new();
    fields.insert("v".into(), 1.into());
    fields.insert("type".into(), TYPE.into());
    fields.insert("from".into(), me.public().to_string().into());
    fields.insert("to".into(), to.identity().to_string().into());
    fields.insert("nonce".into(), hex::encode(&nonce).into());
    fields.insert("ciphertext".into(), Base64UrlUnpadded::encode_string(&ciphertext).into());
    fields.insert("created_at".into(), now.to_string().into());
    let signature = me.sign(canonical_json::object_text(&fields).as_bytes());
    fields.insert("sig".into(), signature.to_string().into());
    let json = canonical_json::object_text(&fields);
    if json.len() > MAX_BYTES {
        return Err(SealError::TooLarge);
    }
    let hash = EnvelopeHash::of(json.as_bytes());
    Ok(SealedEnvelope { json, hash })
}

impl Envelope {
    /// Parses an envelope: first its version, then its shape. Unknown fields stay part of the signed bytes and are
    /// otherwise ignored.
    ///
    /// # Errors
    /// [`OpenError::UnsupportedVersion`] or [`OpenError::Malformed`].
    pub fn parse(json: &[u8]) -> Result<Self, OpenError> {
        let Ok(Value::Object(fields)) = canonical_json::parse(json, Numbers::IntegersOnly) else {
            return Err(if is_another_version(json) {
                OpenError::UnsupportedVersion
            } else {
                OpenError::Malformed
            });
        };
        match fields.get("v") {
            Some(version) if version.as_u64() == Some(1) => {}
            Some(_) => return Err(OpenError::UnsupportedVersion),
            None => return Err(OpenError::Malformed),
        }
        Self::from_fields(fields).ok_or(OpenError::Malformed)
    }

    fn from_fields(mut fields: Map<String, Value>) -> Option<Self> {
        let hash = EnvelopeHash::of(canonical_json::object_text(&fields).as_bytes());
        let signature = fields.remove("sig")?.as_str()?.parse().ok()?;
        let text = |name: &str| fields.get(name)?.as_str();
        if text("type")? != TYPE {
            return None;
        }
        Some(Self {
            from: text("from")?.parse().ok()?,
            to: text("to")?.parse().ok()?,
            nonce: hex::decode(text("nonce")?)?,
            ciphertext: Base64UrlUnpadded::decode_vec(text("ciphertext")?).ok()?,
            created_at: text("created_at")?.parse().ok()?,
            signature,
            signed_bytes: canonical_json::object_text(&fields).into_bytes(),
            hash,
        })
    }

    /// The claimed sender: good only for a lookup, until [`Envelope::open`] has verified it.
    pub const fn claimed_sender(&self) -> Primary {
        self.from
    }

    /// The claimed recipient.
    pub const fn recipient(&self) -> Primary {
        self.to
    }

    /// The envelope's hash, for deduplication.
    pub const fn hash(&self) -> EnvelopeHash {
        self.hash
    }

    /// Opens the envelope. In this order, it must be addressed to `me`, come from a peer that `known` finds, be signed
    /// by that peer, and decrypt.
    ///
    /// # Errors
    /// [`OpenError`] names the first check that fails.
    pub fn open<'p>(
        &self,
        me: &SecretIdentity,
        known: impl FnOnce(&Primary) -> Option<&'p Peer>,
    ) -> Result<OpenedMessage, OpenError> {
        if self.to != me.public().primary() {
            return Err(OpenError::WrongRecipient);
        }
        let peer = known(&self.from)
            .filter(|peer| peer.identity().primary() == self.from)
            .ok_or(OpenError::UnknownSender)?;
        peer.identity().verify(&self.signed_bytes, &self.signature).map_err(|_| OpenError::BadSignature)?;
        let plaintext = cipher(peer.shared(), &self.nonce)
            .decrypt(&self.nonce.into(), self.ciphertext.as_slice())
            .map_err(|_| OpenError::NotDecryptable)?;
        Ok(OpenedMessage {
            from: self.from,
            created_at: self.created_at,
            hash: self.hash,
            plaintext: Zeroizing::new(plaintext),
        })
    }
}

/// Whether a text that is not a valid envelope is at least an object that names another version.
fn is_another_version(json: &[u8]) -> bool {
    let value: Option<Value> = serde_json::from_slice(json).ok();
    value.is_some_and(|value| value.get("v").is_some_and(|version| version.as_u64() != Some(1)))
}

fn cipher(shared: &SharedSecret, nonce: &[u8; 12]) -> Aes256Gcm {
    Aes256Gcm::new(&(*message_key(shared, nonce)).into())
}

/// The key of one message: HKDF-SHA256 over the shared secret, salted with the message's nonce.
pub fn message_key(shared: &SharedSecret, nonce: &[u8; 12]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    let expanded = Hkdf::<Sha256>::new(Some(nonce), shared.as_bytes()).expand(KEY_INFO, key.as_mut());
    debug_assert!(expanded.is_ok(), "HKDF-SHA256 can produce 8,160 bytes");
    key
}

impl EnvelopeHash {
    fn of(canonical: &[u8]) -> Self {
        Self(Sha256::digest(canonical).into())
    }

    /// Its 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for OpenedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenedMessage({} from {})", self.hash, self.from)
    }
}

impl fmt::Display for EnvelopeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for EnvelopeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an envelope hash is 64 lower-case hexadecimal digits")]
pub struct InvalidHash;

impl FromStr for EnvelopeHash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        hex::decode(text).map(Self).ok_or(InvalidHash)
    }
}

/// Hexadecimal digits in text formats, bytes in others.
impl Serialize for EnvelopeHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for EnvelopeHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return Deserialize::deserialize(deserializer).map(Self);
        }
        std::borrow::Cow::<str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
