//! Which leaves are valid: those of the devices that the call names as certified, and no others.

use std::sync::Arc;

use kez_core::mls::LeafId;
use kez_core::mls::credential::Credential;
use kez_core::mls::reply::Why;
use mls_rs_core::error::IntoAnyError;
use mls_rs_core::extension::ExtensionList;
use mls_rs_core::identity::{
    BasicCredential, CredentialType, IdentityProvider, MemberValidationContext, SigningIdentity,
};
use mls_rs_core::time::MlsTime;

use crate::context::Context;

/// The provider of identities for one call.
#[derive(Clone)]
pub(crate) struct Devices(pub(crate) Arc<Context>);

/// A leaf is refused. The context has the reason.
#[derive(Debug)]
pub(crate) struct Refused;

impl IntoAnyError for Refused {}

impl Devices {
    fn refuse(&self, why: Why) -> Refused {
        self.0.note(why);
        Refused
    }
}

impl IdentityProvider for Devices {
    type Error = Refused;

    /// A device that no chain certifies is only noted, so that the reply names all of them and not the first.
    fn validate_member(
        &self,
        signing_identity: &SigningIdentity,
        made_at: Option<MlsTime>,
        _: MemberValidationContext<'_>,
    ) -> Result<(), Refused> {
        let credential = credential(signing_identity).ok_or_else(|| self.refuse(Why::Malformed))?;
        match self.0.certified(&credential.leaf()) {
            Ok(None) => Ok(()),
            Ok(Some(known))
                if known.credential == credential
                    && known.key.as_bytes().as_slice() == signing_identity.signature_key.as_bytes() =>
            {
                // A leaf that already stands in a tree is validated without a time.
                match (known.ended, made_at) {
                    (Some(ended), Some(at)) if at.seconds_since_epoch() >= ended.unix() => {
                        Err(self.refuse(Why::NotLive))
                    }
                    _ => Ok(()),
                }
            }
            Ok(Some(_)) => Err(self.refuse(Why::Contradicted)),
            Err(_) => {
                self.0.note_unknown(credential.leaf());
                Ok(())
            }
        }
    }

    fn validate_external_sender(
        &self,
        _: &SigningIdentity,
        _: Option<MlsTime>,
        _: Option<&ExtensionList>,
    ) -> Result<(), Refused> {
        Err(self.refuse(Why::Invalid))
    }

    fn identity(&self, signing_identity: &SigningIdentity, _: &ExtensionList) -> Result<Vec<u8>, Refused> {
        let LeafId { root, device } = leaf(signing_identity).ok_or_else(|| self.refuse(Why::Malformed))?;
        Ok([root.as_bytes().as_slice(), device.as_bytes()].concat())
    }

    fn valid_successor(
        &self,
        predecessor: &SigningIdentity,
        successor: &SigningIdentity,
        _: &ExtensionList,
    ) -> Result<bool, Refused> {
        Ok(leaf(predecessor).is_some_and(|old| leaf(successor) == Some(old)))
    }

    fn supported_types(&self) -> Vec<CredentialType> {
        vec![BasicCredential::credential_type()]
    }
}

/// The credential of a leaf; `None` when it is not one of this profile.
pub(crate) fn credential(identity: &SigningIdentity) -> Option<Credential> {
    Credential::parse(identity.credential.as_basic()?.identifier()).ok()
}

/// The device of a leaf.
pub(crate) fn leaf(identity: &SigningIdentity) -> Option<LeafId> {
    credential(identity).map(|credential| credential.leaf())
}
