//! `PUT` and `GET /v1/u/{handle}/devices/{device}/key-packages`: a device publishes its key packages.

use axum::extract::State;
use kez_core::api::{
    Base64Url, KeepPackages, MAX_KEY_PACKAGE_BYTES, MAX_KEY_PACKAGES, PackagesKept, UnclaimedPackages,
};
use kez_core::problem::{Problem, ProblemCode};
use kez_core::sigchain::Hash;
use kez_core::time::Timestamp;
use kez_mls::key_package;
use tokio::task::spawn_blocking;

use super::path::DeviceInPath;
use crate::accounts::caller::Caller;
use crate::accounts::devices::LiveDevice;
use crate::edge::error::ApiError;
use crate::edge::json::Json;
use crate::state::AppState;
use crate::store::StoreError;
use crate::store::key_packages::{NewPackage, Publication, Published};

/// Replaces the key packages of the device that signs the request.
///
/// What is neither kept nor new is deleted. Each package is checked: suite, signatures, the credential of this very
/// device, and a lifetime that ends in one to 90 days. A package that was given out before stays away.
#[utoipa::path(put, path = "/v1/u/{handle}/devices/{device}/key-packages", tag = "Groups",
    request_body = KeepPackages, params(
    ("handle" = String, Path),
    ("device" = String, Path, description = "The device that signs the request"),
    ("X-KEZ-Auth" = String, Header, description = "`<handle>/<device>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 200, description = "They are stored, durably", body = PackagesKept),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized", body = Problem),
    (status = 408, description = "body_timeout", body = Problem),
    (status = 409, description = "too_many_key_packages", body = Problem),
    (status = 413, description = "body_too_large", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
    (status = 507, description = "storage_full", body = Problem),
))]
pub async fn keep(
    State(state): State<AppState>,
    path: DeviceInPath,
    caller: Caller,
) -> Result<Json<PackagesKept>, ApiError> {
    let device = path.must_be(&caller)?;
    let KeepPackages { keep, packages, last_resort } = caller.json()?;
    if packages.len() > MAX_KEY_PACKAGES {
        return Err(too_many());
    }
    let live = state.authenticator.device(&caller).await?;
    let now = state.now();
    let checked = spawn_blocking(move || {
        let packages = packages.into_iter().map(|package| check(package, false, &live, now));
        let packages = packages.collect::<Result<Vec<_>, ApiError>>()?;
        let last_resort = last_resort.map(|package| check(package, true, &live, now)).transpose()?;
        Ok::<_, ApiError>((packages, last_resort))
    });
    let (packages, last_resort) = checked.await.map_err(|_| ApiError::from(StoreError::Closed))??;
    let account = caller.holder.id;
    let publication =
        Publication { account, device, keep: keep.into_iter().collect(), packages, last_resort };
    match state.store.publish_packages(publication).await? {
        Published::Unclaimed(unclaimed) => Ok(Json(PackagesKept { unclaimed })),
        Published::TooMany => Err(too_many()),
    }
}

/// Lists the unclaimed key packages of the device.
#[utoipa::path(get, path = "/v1/u/{handle}/devices/{device}/key-packages", tag = "Groups", params(
    ("handle" = String, Path),
    ("device" = String, Path, description = "The device that signs the request"),
    ("X-KEZ-Auth" = String, Header, description = "`<handle>/<device>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 200, description = "Their references", body = UnclaimedPackages),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
))]
pub async fn unclaimed(
    State(state): State<AppState>,
    path: DeviceInPath,
    caller: Caller,
) -> Result<Json<UnclaimedPackages>, ApiError> {
    let device = path.must_be(&caller)?;
    let stored = state.store.unclaimed_packages(caller.holder.id, device).await?;
    Ok(Json(UnclaimedPackages { unclaimed: stored.packages, last_resort: stored.last_resort }))
}

/// A package of this very device that others can use.
fn check(
    Base64Url(package): Base64Url,
    last_resort: bool,
    device: &LiveDevice,
    now: Timestamp,
) -> Result<NewPackage, ApiError> {
    if package.len() > MAX_KEY_PACKAGE_BYTES {
        return Err(ApiError::malformed("a key package has at most 4,096 bytes"));
    }
    let checked = key_package::check(&package, now)
        .map_err(|error| ApiError::malformed(format!("a key package is refused: {error}")))?;
    let is_own = (checked.root, checked.device, checked.seqno, checked.link, checked.key)
        == (device.root, device.id, device.seqno, device.link, device.key);
    if !is_own {
        return Err(ApiError::malformed("a key package is not of this device, as its sigchain describes it"));
    }
    if checked.last_resort != last_resort {
        return Err(ApiError::malformed("last_resort, and only it, has the extension of a last resort"));
    }
    Ok(NewPackage { reference: Hash::from_bytes(checked.reference), expires_at: checked.not_after, package })
}

fn too_many() -> ApiError {
    ApiError::new(ProblemCode::TooManyKeyPackages, "a device has at most 60 key packages")
}
