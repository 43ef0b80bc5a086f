//! Publishing and claiming key packages: docs/SPEC.md, section 16.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Base64Url;
use crate::handle::Handle;
use crate::sigchain::{DeviceId, Hash};

/// The most packages of a device that are given out once.
pub const MAX_KEY_PACKAGES: usize = 60;
/// The most bytes of one package.
pub const MAX_KEY_PACKAGE_BYTES: usize = 4096;
/// The most handles in one [`ClaimPackages`].
pub const MAX_CLAIMED_HANDLES: usize = 50;
/// The request target of [`ClaimPackages`].
pub const CLAIM_TARGET: &str = "/v1/key-packages/claim";

/// The request target of [`KeepPackages`] and [`UnclaimedPackages`].
pub fn key_packages_target(handle: &Handle, device: DeviceId) -> String {
    format!("/v1/u/{handle}/devices/{device}/key-packages")
}

/// `PUT /v1/u/{handle}/devices/{device}/key-packages`: what the device publishes from now on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct KeepPackages {
    /// The references of packages on the server that stay; all others are deleted.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub keep: Vec<Hash>,
    /// New packages, each an `MLSMessage` (RFC 9420, section 10) of at most [`MAX_KEY_PACKAGE_BYTES`].
    pub packages: Vec<Base64Url>,
    /// A new package of last resort, which takes the place of the one on the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_resort: Option<Base64Url>,
}

/// The answer to [`KeepPackages`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PackagesKept {
    /// How many packages the server now has for this device, the last resort not counted.
    pub unclaimed: u64,
}

/// `GET` of the same target: the references of what the server has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UnclaimedPackages {
    /// Those that are given out once, oldest first.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub unclaimed: Vec<Hash>,
    /// The package of last resort.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub last_resort: Option<Hash>,
}

/// `POST /v1/key-packages/claim`: a package for each live device of these people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ClaimPackages {
    /// At most [`MAX_CLAIMED_HANDLES`].
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>, max_items = 50))]
    pub handles: Vec<Handle>,
}

/// The answer to [`ClaimPackages`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PackagesClaimed {
    /// The packages by handle. Devices without a package are left out, and so are handles without an account.
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, Vec<ClaimedPackage>>))]
    pub packages: BTreeMap<Handle, Vec<ClaimedPackage>>,
    /// The handles whose packages cannot be claimed yet, each with the seconds until then.
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, u64>))]
    pub later: BTreeMap<Handle, u64>,
}

/// A package that was taken out for the caller, or a last resort.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClaimedPackage {
    /// The device.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub device: DeviceId,
    /// The package.
    pub package: Base64Url,
}
