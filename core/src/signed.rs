//! Signed objects: a tagged payload and one signature over its canonical bytes.
//!
//! ```json
//! {"kez": "<tag>", "payload": {"type": "kez.<...>", "version": 1, ...},
//!  "signature": {"alg": "ed25519-sha512-jcs", "key": "ed25519:<hex>", "sig": "<128 hex>"}}
//! ```

use std::ops::Deref;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::canonical_json::{self, MalformedJson, NotCanonical, Numbers};
use crate::identity::{Primary, PublicIdentity, SecretIdentity};
use crate::sigchain::Hash;
use crate::signature::{BadSignature, Signature};

/// A kind of statement that an identity key signs. The `type` inside the signed bytes prevents one kind from being
/// taken for another, so every implementor fixes it (and `version`) in its own serialised form.
pub trait Payload: Serialize + DeserializeOwned {
    /// The tag under `kez`, which must agree with the payload's `type`.
    const TAG: &'static str;

    /// The key named in the payload, which must be the signer. `None` when the payload names only the root of its
    /// author, and a device of that root signs: then [`Signed::verify_by`] is the only check that succeeds.
    fn signer(&self) -> Option<Primary>;
}

/// A signed object with a checked shape: tag, type, version, algorithm and keys agree. The signature itself is
/// unchecked; [`Signed::verify`] checks it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signed<P> {
    kez: String,
    payload: P,
    signature: SignatureBlock,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureBlock {
    alg: Algorithm,
    key: PublicIdentity,
    sig: Signature,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Algorithm {
    #[serde(rename = "ed25519-sha512-jcs")]
    Ed25519Sha512Jcs,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked<P> {
    kez: String,
    payload: P,
    signature: SignatureBlock,
}

/// A payload whose signature was verified. There is no other way to build one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<P>(P);

impl<P: Payload> Signed<P> {
    /// Signs a payload.
    ///
    /// # Errors
    /// [`NotCanonical`] when the payload has no canonical form.
    pub fn sign(payload: P, signer: &SecretIdentity) -> Result<Self, NotCanonical> {
        let sig = signer.sign(&canonical_json::to_bytes(&payload)?);
        let signature = SignatureBlock { alg: Algorithm::Ed25519Sha512Jcs, key: signer.public(), sig };
        Ok(Self { kez: P::TAG.to_owned(), payload, signature })
    }

    /// Parses a signed object strictly (see [`canonical_json::parse`]). Checks that tag, type, version, algorithm and
    /// keys agree and that the key is acceptable.
    ///
    /// # Errors
    /// [`MalformedJson`] for everything else.
    pub fn parse(json: &[u8]) -> Result<Self, MalformedJson> {
        let value = canonical_json::parse(json, Numbers::IntegersOnly)?;
        let Unchecked::<P> { kez, payload, signature } =
            serde_json::from_value(value).map_err(|error| MalformedJson::new(error.to_string()))?;
        if kez != P::TAG {
            return Err(MalformedJson::new(format!("the tag is not {}", P::TAG)));
        }
        if payload.signer().is_some_and(|signer| signer != signature.key.primary()) {
            return Err(MalformedJson::new("the signature's key is not the one that the payload names"));
        }
        Ok(Self { kez, payload, signature })
    }

    /// Verifies the signature over the canonical bytes of the payload, by the key that the payload names.
    ///
    /// # Errors
    /// [`BadSignature`] when it is invalid, or when the payload names no key.
    pub fn verify(self) -> Result<Verified<P>, BadSignature> {
        if self.payload.signer().is_none() {
            return Err(BadSignature);
        }
        self.verify_signature()
    }

    /// Verifies the signature by a key that the caller knows to belong to the author: a live device of their chain.
    ///
    /// # Errors
    /// [`BadSignature`] when another key signed, or the signature is invalid.
    pub fn verify_by(self, device: &PublicIdentity) -> Result<Verified<P>, BadSignature> {
        if self.signature.key != *device {
            return Err(BadSignature);
        }
        self.verify_signature()
    }

    fn verify_signature(self) -> Result<Verified<P>, BadSignature> {
        let signed = canonical_json::to_bytes(&self.payload).map_err(|_| BadSignature)?;
        self.signature.key.verify(&signed, &self.signature.sig)?;
        Ok(Verified(self.payload))
    }

    /// What it says. Nothing is verified yet.
    pub const fn payload(&self) -> &P {
        &self.payload
    }

    /// The key that signed.
    pub const fn key(&self) -> &PublicIdentity {
        &self.signature.key
    }

    /// The canonical JSON text of the whole object, signature included.
    ///
    /// # Errors
    /// [`NotCanonical`] when the payload has no canonical form.
    pub fn to_json(&self) -> Result<String, NotCanonical> {
        String::from_utf8(canonical_json::to_bytes(self)?).map_err(|_| NotCanonical)
    }

    /// The SHA-256 of [`Signed::to_json`], which identifies the object.
    ///
    /// # Errors
    /// [`NotCanonical`] when the payload has no canonical form.
    pub fn hash(&self) -> Result<Hash, NotCanonical> {
        Ok(Hash::of_json(&self.to_json()?))
    }
}

impl<P> Deref for Verified<P> {
    type Target = P;

    fn deref(&self) -> &P {
        &self.0
    }
}

/// The number 1, the only valid version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub(crate) struct VersionOne;

impl TryFrom<u64> for VersionOne {
    type Error = &'static str;

    fn try_from(number: u64) -> Result<Self, &'static str> {
        if number == 1 { Ok(Self) } else { Err("an unknown version") }
    }
}

impl From<VersionOne> for u64 {
    fn from(_: VersionOne) -> Self {
        1
    }
}
