//! A link before it is signed.

use super::link::{KeyAndSignature, Link, Payload};
use super::refused::LinkRefused;
use crate::identity::SecretIdentity;

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

fn signature(payload: &Payload, signer: &SecretIdentity) -> KeyAndSignature {
    KeyAndSignature { key: signer.public(), sig: signer.sign(&payload.signed_bytes()) }
}
