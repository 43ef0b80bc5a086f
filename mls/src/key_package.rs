//! What a server checks of a key package before it hands it out (RFC 9420, section 10).

use std::sync::Arc;

use kez_core::identity::Primary;
use kez_core::mls::{MAX_PACKAGE_SECONDS, MIN_PACKAGE_SECONDS};
use kez_core::sigchain::{DeviceId, Hash};
use kez_core::time::Timestamp;
use mls_rs::MlsMessage;
use mls_rs::extension::ExtensionType;
use mls_rs::external_client::ExternalClient;
use mls_rs::group::{LeafNode, LeafNodeSource};
use mls_rs::mls_rs_codec::{MlsDecode, MlsEncode};
use mls_rs::time::MlsTime;

use crate::context::Context;
use crate::crypto::{SUITE, Suite};
use crate::devices::{Devices, credential};
use crate::rules::POLICY;

/// A key package whose shape, signatures and lifetime were checked. The server compares root, device, seqno, link and key
/// with the chain of the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedPackage {
    /// The root of the account.
    pub root: Primary,
    /// The device.
    pub device: DeviceId,
    /// The sequence number of the link that added it.
    pub seqno: u64,
    /// The hash of that link.
    pub link: Hash,
    /// The leaf's signature key.
    pub key: Primary,
    /// The reference (RFC 9420, section 5.2).
    pub reference: [u8; 32],
    /// From when on it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid.
    pub not_after: Timestamp,
    /// Whether it is of last resort.
    pub last_resort: bool,
}

/// Why a key package is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPackage {
    /// It is no key package, or one of another suite.
    #[error("this is no key package of suite 1")]
    Malformed,
    /// A signature is invalid, or a key is not usable.
    #[error("the key package does not verify")]
    Invalid,
    /// The credential is not of this profile.
    #[error("the credential is not of this profile")]
    Credential,
    /// The leaf does not list the policy among its capabilities.
    #[error("the key package does not support groups of this profile")]
    Capabilities,
    /// It is not valid now, lasts over 90 days, or ends within a day.
    #[error("the key package's lifetime is over 90 days, or it is not valid for another day")]
    Lifetime,
}

/// Checks a key package, an `MLSMessage`.
///
/// # Errors
/// [`BadPackage`] names the first check that fails.
pub fn check(bytes: &[u8], now: Timestamp) -> Result<CheckedPackage, BadPackage> {
    let message = MlsMessage::from_bytes(bytes).map_err(|_| BadPackage::Malformed)?;
    let package = message.as_key_package().ok_or(BadPackage::Malformed)?;
    if package.cipher_suite() != SUITE {
        return Err(BadPackage::Malformed);
    }
    let credential = credential(package.signing_identity()).ok_or(BadPackage::Credential)?;
    let leaf = leaf_of(package).ok_or(BadPackage::Malformed)?;
    if !leaf.capabilities.extensions.contains(&POLICY) {
        return Err(BadPackage::Capabilities);
    }
    let LeafNodeSource::KeyPackage(lifetime) = leaf.leaf_node_source else { return Err(BadPackage::Invalid) };
    let (begin, end) = (lifetime.not_before.seconds_since_epoch(), lifetime.not_after.seconds_since_epoch());
    let lasts = end.checked_sub(begin).is_some_and(|seconds| seconds <= MAX_PACKAGE_SECONDS);
    if !lasts || begin > now.unix() || end < now.unix().saturating_add(MIN_PACKAGE_SECONDS) {
        return Err(BadPackage::Lifetime);
    }
    let context = Arc::new(Context::unbound(None));
    let suite = Suite::new(context.clone());
    let reference = package.to_reference(&suite).map_err(|_| BadPackage::Invalid)?;
    let reference = (&*reference).try_into().map_err(|_| BadPackage::Invalid)?;
    let key =
        package.signing_identity().signature_key.as_bytes().try_into().map_err(|_| BadPackage::Invalid)?;
    let last_resort = package.extensions.has_extension(ExtensionType::LAST_RESORT_KEY_PACKAGE);
    let client = ExternalClient::builder()
        .identity_provider(Devices(context.clone()))
        .crypto_provider(suite)
        .extension_type(POLICY)
        .build();
    client.validate_key_package(message, Some(MlsTime::from(now.unix()))).map_err(|_| BadPackage::Invalid)?;
    Ok(CheckedPackage {
        root: credential.root,
        device: credential.device,
        seqno: credential.seqno,
        link: credential.link,
        key: Primary::from_bytes(key),
        reference,
        not_before: Timestamp::from_unix(begin),
        not_after: Timestamp::from_unix(end),
        last_resort,
    })
}

/// The leaf, which mls-rs does not show: it follows version, suite and init key (RFC 9420, section 10).
fn leaf_of(package: &mls_rs::KeyPackage) -> Option<LeafNode> {
    let bytes = package.mls_encode_to_vec().ok()?;
    let before = package.version.mls_encode_to_vec().ok()?.len()
        + package.cipher_suite.mls_encode_to_vec().ok()?.len()
        + package.hpke_init_key.mls_encode_to_vec().ok()?.len();
    LeafNode::mls_decode(&mut bytes.get(before..)?).ok()
}
