//! One link: its bytes, its hash, and its signer.

use serde_json::{Map, Value};

use super::MAX_LINK_BYTES;
use super::body::{Body, Fields};
use super::hash::Hash;
use super::refused::LinkRefused;
use crate::canonical_json::{self, Numbers};
use crate::identity::{Primary, PublicIdentity};
use crate::signature::{BadSignature, Signature};
use crate::time::Timestamp;

const TAG: &str = "sigchain_link";
const TYPE: &str = "kez.sigchain.link";
const ALG: &str = "ed25519-sha512-jcs";

/// A link whose shape was checked: every field is well-formed, every key is acceptable, and every key that must be
/// named is named. [`super::Chain::append`] checks the link's position, its signer's authority and the signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    payload: Payload,
    signature: KeyAndSignature,
    countersignature: Option<KeyAndSignature>,
    json: String,
    hash: Hash,
}

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Payload {
    pub(super) root: Primary,
    pub(super) seqno: u64,
    pub(super) prev: Option<Hash>,
    pub(super) created_at: Timestamp,
    pub(super) body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyAndSignature {
    pub(super) key: PublicIdentity,
    pub(super) sig: Signature,
}

impl Link {
    /// Parses a link strictly: writing it again must give the same canonical text. White space and the order of fields
    /// are free.
    ///
    /// # Errors
    /// [`LinkRefused::Malformed`] or [`LinkRefused::UnknownKind`].
    pub fn parse(json: &[u8]) -> Result<Self, LinkRefused> {
        if json.len() > MAX_LINK_BYTES {
            return Err(LinkRefused::malformed("it is over 8 KiB"));
        }
        let value = canonical_json::parse(json, Numbers::IntegersOnly)
            .map_err(|error| LinkRefused::malformed(error.to_string()))?;
        let payload = Payload::from_value(value.get("payload").unwrap_or(&Value::Null))?;
        let signature = KeyAndSignature::from_value(value.get("signature").unwrap_or(&Value::Null))?;
        let countersignature = value.get("countersignature").map(KeyAndSignature::from_value).transpose()?;
        let link = Self::put_together(payload, signature, countersignature)?;
        // This one comparison refuses unknown fields at every depth, and a wrong tag, type, version or algorithm.
        if link.json.as_bytes() != canonical_json::text(&value).as_bytes() {
            return Err(LinkRefused::malformed("a field is malformed or unknown"));
        }
        Ok(link)
    }

    pub(super) fn put_together(
        payload: Payload,
        signature: KeyAndSignature,
        countersignature: Option<KeyAndSignature>,
    ) -> Result<Self, LinkRefused> {
        payload.check()?;
        match (&payload.body, &countersignature) {
            (Body::AddDevice(device), Some(counter)) if counter.key == device.key => {}
            (Body::AddDevice(_), _) => return Err(LinkRefused::malformed("the device's key must sign too")),
            (_, Some(_)) => return Err(LinkRefused::malformed("only add_device has a countersignature")),
            (_, None) => {}
        }
        let mut object = Map::new();
        object.insert("kez".into(), TAG.into());
        object.insert("payload".into(), payload.to_value());
        object.insert("signature".into(), signature.to_value());
        if let Some(countersignature) = &countersignature {
            object.insert("countersignature".into(), countersignature.to_value());
        }
        let json = canonical_json::object_text(&object);
        let hash = Hash::of_json(&json);
        Ok(Self { payload, signature, countersignature, json, hash })
    }

    /// The root of the chain that the link belongs to.
    pub const fn root(&self) -> Primary {
        self.payload.root
    }

    /// Its sequence number in the chain, from 1.
    pub const fn seqno(&self) -> u64 {
        self.payload.seqno
    }

    /// The hash of the previous link; none for the first.
    pub const fn prev(&self) -> Option<Hash> {
        self.payload.prev
    }

    /// The time of creation, according to its signer.
    pub const fn created_at(&self) -> Timestamp {
        self.payload.created_at
    }

    /// Its statement.
    pub const fn body(&self) -> &Body {
        &self.payload.body
    }

    /// The key that signed it.
    pub const fn signer(&self) -> &PublicIdentity {
        &self.signature.key
    }

    /// The canonical JSON of the whole signed object.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// Its hash: that of [`Link::json`].
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// Verifies the signature, and the countersignature if there is one.
    ///
    /// # Errors
    /// [`BadSignature`] when one is invalid.
    pub fn verify(&self) -> Result<(), BadSignature> {
        let signed = self.payload.signed_bytes();
        self.signature.key.verify(&signed, &self.signature.sig)?;
        self.countersignature.as_ref().map_or(Ok(()), |counter| counter.key.verify(&signed, &counter.sig))
    }
}

impl Payload {
    /// Checks the rules between kind and position that hold in every chain.
    fn check(&self) -> Result<(), LinkRefused> {
        match &self.body {
            Body::Init { primary, .. } if primary.primary() != self.root => {
                Err(LinkRefused::malformed("init names another primary than the root"))
            }
            body if matches!(body, Body::Init { .. }) != (self.seqno == 1) => {
                Err(LinkRefused::malformed("the first link is init, and no other link is"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn signed_bytes(&self) -> Vec<u8> {
        canonical_json::text(&self.to_value()).into_bytes()
    }

    fn to_value(&self) -> Value {
        let mut fields = Map::new();
        fields.insert("type".into(), TYPE.into());
        fields.insert("version".into(), 1.into());
        fields.insert("root".into(), self.root.to_string().into());
        fields.insert("seqno".into(), self.seqno.into());
        fields.insert("prev".into(), self.prev.map_or(Value::Null, |prev| prev.to_string().into()));
        fields.insert("created_at".into(), self.created_at.to_string().into());
        fields.insert("body".into(), self.body.to_value());
        Value::Object(fields)
    }

    pub(super) fn from_value(value: &Value) -> Result<Self, LinkRefused> {
        let fields = Fields(value);
        Ok(Self {
            root: fields.key("root")?.primary(),
            seqno: fields.integer("seqno")?,
            prev: if value.get("prev") == Some(&Value::Null) { None } else { Some(fields.parse("prev")?) },
            created_at: fields.parse("created_at")?,
            body: Body::from_value(value.get("body").unwrap_or(&Value::Null))?,
        })
    }
}

impl KeyAndSignature {
    fn to_value(&self) -> Value {
        let mut fields = Map::new();
        fields.insert("alg".into(), ALG.into());
        fields.insert("key".into(), self.key.to_string().into());
        fields.insert("sig".into(), self.sig.to_string().into());
        Value::Object(fields)
    }

    fn from_value(value: &Value) -> Result<Self, LinkRefused> {
        let fields = Fields(value);
        Ok(Self { key: fields.key("key")?, sig: fields.parse("sig")? })
    }
}
