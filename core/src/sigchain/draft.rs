//! A link before it is signed.

use super::link::{KeyAndSignature, Link, Payload};
use super::refused::LinkRefused;
use crate::identity::SecretIdentity;

/// The next link of a chain, made by [`super::Chain::draft`]. Whether the chain takes it is checked when it is
/// appended, like anybody's.
#[derive(Clone, Debug)]
pub struct Draft(pub(super) Payload);

impl Draft {
    /// Signs it.
    ///
    /// # Errors
    /// [`LinkRefused::Malformed`] when such a link can be nobody's: init elsewhere than at the start, or a device
    /// that does not sign.
    pub fn sign(self, signer: &SecretIdentity) -> Result<Link, LinkRefused> {
        let signature = signature(&self.0, signer);
        Link::put_together(self.0, signature, None)
    }

    /// Signs `add_device`, with the device's own key as well.
    ///
    /// # Errors
    /// [`LinkRefused::Malformed`] when it adds no device, or another one.
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
