//! A link before it is signed.

use super::body::Body;
use super::device::Device;
use super::hash::Hash;
use super::link::{KeyAndSignature, Link, Payload};
use super::refused::LinkRefused;
use crate::canonical_json::{self, Numbers};
use crate::identity::{Primary, SecretIdentity};
use crate::signature::Signature;

/// The next link of a chain, made by [`super::Chain::draft`]. The chain checks it on append, like any other link.
#[derive(Clone, Debug)]
pub struct Draft(pub(super) Payload);

impl Draft {
    /// Signs the link.
    ///
    /// # Errors
    /// [`LinkRefused::Malformed`] when no signer could make this link valid: an init that is not the first link, or a
    /// device without its own signature.
    pub fn sign(self, signer: &SecretIdentity) -> Result<Link, LinkRefused> {
        let signature = signature(&self.0, signer);
        Link::put_together(self.0, signature, None)
    }

    /// Signs `add_device`, also with the device's own key.
    ///
    /// # Errors
    /// [`LinkRefused::Malformed`] when the link adds no device, or another one.
    pub fn sign_with_device(
        self,
        signer: &SecretIdentity,
        device: &SecretIdentity,
    ) -> Result<Link, LinkRefused> {
        let (signature, countersignature) = (signature(&self.0, signer), signature(&self.0, device));
        Link::put_together(self.0, signature, Some(countersignature))
    }
}

/// An `add_device` link whose device is another browser: there the payload is signed by the device's key.
impl Draft {
    /// The canonical JSON of the payload, which both keys sign.
    pub fn payload(&self) -> String {
        String::from_utf8(self.0.signed_bytes()).unwrap_or_default()
    }

    /// Parses a payload strictly: writing it again must give the same canonical text.
    ///
    /// # Errors
    /// [`LinkRefused::Malformed`] or [`LinkRefused::UnknownKind`].
    pub fn parse(json: &[u8]) -> Result<Self, LinkRefused> {
        let value = canonical_json::parse(json, Numbers::IntegersOnly)
            .map_err(|error| LinkRefused::malformed(error.to_string()))?;
        let payload = Payload::from_value(&value)?;
        if payload.signed_bytes() != canonical_json::text(&value).into_bytes() {
            return Err(LinkRefused::malformed("a field is malformed or unknown"));
        }
        Ok(Self(payload))
    }

    /// The device that the link adds, if it adds one.
    pub const fn device(&self) -> Option<&Device> {
        match &self.0.body {
            Body::AddDevice(device) => Some(device),
            _ => None,
        }
    }

    /// The place of the link: the root of its chain, its number, and the hash of the link before it.
    pub const fn place(&self) -> (Primary, u64, Option<Hash>) {
        (self.0.root, self.0.seqno, self.0.prev)
    }

    /// The countersignature of the device.
    pub fn countersign(&self, device: &SecretIdentity) -> Signature {
        device.sign(&self.0.signed_bytes())
    }

    /// Signs the link, whose device has countersigned it elsewhere.
    ///
    /// # Errors
    /// [`LinkRefused::Malformed`] when the link adds no device, [`LinkRefused::BadSignature`] when the countersignature is
    /// not the device's.
    pub fn sign_countersigned(self, signer: &SecretIdentity, sig: Signature) -> Result<Link, LinkRefused> {
        let Some(device) = self.device() else {
            return Err(LinkRefused::malformed("only add_device has a countersignature"));
        };
        let countersignature = KeyAndSignature { key: device.key, sig };
        let signature = signature(&self.0, signer);
        let link = Link::put_together(self.0, signature, Some(countersignature))?;
        link.verify().map_err(|_| LinkRefused::BadSignature)?;
        Ok(link)
    }
}

fn signature(payload: &Payload, signer: &SecretIdentity) -> KeyAndSignature {
    KeyAndSignature { key: signer.public(), sig: signer.sign(&payload.signed_bytes()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Seed;
    use crate::sigchain::{Chain, DeviceId};
    use crate::time::Timestamp;

    fn key(byte: u8) -> SecretIdentity {
        SecretIdentity::from_seed(Seed::from_bytes([byte; 32]))
    }

    fn chain() -> Chain {
        let (me, next) = (key(1), Hash::of_key(&key(2).public()));
        let mut chain = Chain::new(me.public().primary());
        let init = Body::Init { primary: me.public(), next };
        let link = chain.draft(init, Timestamp::from_unix(1_795_374_000)).sign(&me).unwrap();
        chain.append(&link).unwrap();
        chain
    }

    fn adds(device: &SecretIdentity) -> Body {
        Body::AddDevice(Device {
            device: DeviceId::from_bytes([7; 16]),
            key: device.public(),
            name: "browser".parse().unwrap(),
            expires_at: Timestamp::from_unix(1_895_374_000),
        })
    }

    #[test]
    fn a_device_countersigns_elsewhere() {
        let (mut chain, device) = (chain(), key(3));
        let draft = chain.draft(adds(&device), Timestamp::from_unix(1_795_374_001));
        let there = Draft::parse(draft.payload().as_bytes()).unwrap();
        assert_eq!((there.payload(), there.place()), (draft.payload(), draft.place()));
        assert_eq!(there.place(), (chain.root(), 2, chain.head()));
        assert_eq!(there.device().map(|device| device.key), Some(device.public()));
        let link = draft.sign_countersigned(&key(1), there.countersign(&device)).unwrap();
        chain.append(&link).unwrap();
    }

    #[test]
    fn only_the_devices_own_signature_completes_the_link() {
        let (chain, device) = (chain(), key(3));
        let draft = chain.draft(adds(&device), Timestamp::from_unix(1_795_374_001));
        let other = draft.countersign(&key(4));
        assert_eq!(draft.clone().sign_countersigned(&key(1), other), Err(LinkRefused::BadSignature));
        let removes = Body::SetCapabilities { min_version: 1 };
        let plain = chain.draft(removes, Timestamp::from_unix(1_795_374_001));
        let signature = plain.countersign(&device);
        assert!(matches!(plain.sign_countersigned(&key(1), signature), Err(LinkRefused::Malformed(_))));
    }

    #[test]
    fn a_payload_is_parsed_strictly() {
        let payload = chain().draft(adds(&key(3)), Timestamp::from_unix(1_795_374_001)).payload();
        assert!(Draft::parse(payload.replace("\"seqno\":2", "\"seqno\":2,\"more\":1").as_bytes()).is_err());
        assert!(Draft::parse(payload.replace("add_device", "add_devices").as_bytes()).is_err());
        assert!(Draft::parse(b"{}").is_err());
    }
}
