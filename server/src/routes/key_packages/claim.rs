//! `POST /v1/key-packages/claim`: takes out a key package for each device of some people.

use std::collections::BTreeSet;

use axum::extract::State;
use kez_core::api::{Base64Url, ClaimPackages, ClaimedPackage, MAX_CLAIMED_HANDLES, PackagesClaimed};
use kez_core::handle::Handle;
use kez_core::inbox_auth::Unauthorized;
use kez_core::problem::Problem;
use kez_core::sigchain::DeviceId;

use crate::accounts::caller::Caller;
use crate::accounts::directory::Holder;
use crate::chains::source::ChainUnavailable;
use crate::edge::error::ApiError;
use crate::edge::json::Json;
use crate::edge::limits::Wait;
use crate::state::AppState;

/// How soon to come back, in seconds, when a chain cannot be read now.
const CHAIN_SECONDS: u64 = 10;

/// Claims key packages: one for each live device of these people, taken out in one transaction, or else the last
/// resort of the device.
///
/// Each handle is limited on its own: one that cannot be claimed now is named under `later`, and the others are answered.
#[utoipa::path(post, path = "/v1/key-packages/claim", tag = "Groups", request_body = ClaimPackages, params(
    ("X-KEZ-Auth" = String, Header, description = "`<handle>/<device>:<unix time>:<nonce>:<signature>`"),
), responses(
    (status = 200, description = "The packages", body = PackagesClaimed),
    (status = 400, description = "malformed", body = Problem),
    (status = 401, description = "unauthorized, also for an account's own key", body = Problem),
    (status = 408, description = "body_timeout", body = Problem),
    (status = 413, description = "body_too_large", body = Problem),
    (status = 429, description = "rate_limited", body = Problem),
    (status = 503, description = "unavailable", body = Problem),
    (status = 507, description = "storage_full", body = Problem),
))]
pub async fn claim(State(state): State<AppState>, caller: Caller) -> Result<Json<PackagesClaimed>, ApiError> {
    let device = caller.device.ok_or(Unauthorized)?;
    let ClaimPackages { handles } = caller.json()?;
    if handles.len() > MAX_CLAIMED_HANDLES {
        return Err(ApiError::malformed("at most 50 handles can be claimed at once"));
    }
    let handles: BTreeSet<Handle> = handles.into_iter().collect();
    let (mut answer, mut wanted, mut owners) = (PackagesClaimed::default(), Vec::new(), Vec::new());
    for handle in handles {
        let Some(holder) = state.directory.holder(&handle).await? else { continue };
        match devices_of(&state, &caller, device, &handle, &holder).await? {
            Ok(devices) => {
                wanted.extend(devices.into_iter().map(|device| (holder.id, device)));
                owners.push((holder.id, handle.clone()));
                answer.packages.insert(handle, Vec::new());
            }
            Err(Wait(seconds)) => {
                answer.later.insert(handle, seconds);
            }
        }
    }
    if wanted.is_empty() {
        return Ok(Json(answer));
    }
    let asked = wanted.len();
    let claimed = state.store.claim_packages(wanted, state.now()).await?;
    state.metrics.claimed_packages(&claimed, asked);
    for claimed in claimed {
        let owner = owners.iter().find(|(account, _)| *account == claimed.account);
        if let Some(packages) = owner.and_then(|(_, handle)| answer.packages.get_mut(handle)) {
            packages.push(ClaimedPackage { device: claimed.device, package: Base64Url(claimed.package) });
        }
    }
    Ok(Json(answer))
}

/// The devices whose packages the caller may take now; never the caller's own device.
async fn devices_of(
    state: &AppState,
    caller: &Caller,
    own: DeviceId,
    handle: &Handle,
    holder: &Holder,
) -> Result<Result<Vec<DeviceId>, Wait>, ApiError> {
    let is_own = holder.id == caller.holder.id;
    let is_known = is_own || state.people.of(holder.id).await?.knows(caller.holder.id);
    if let Some(claims) = &state.claims
        && let Err(wait) = claims.take(caller.holder.id, holder.id, is_known)
    {
        return Ok(Err(wait));
    }
    match state.devices.all_live(handle, holder.id).await {
        Ok(devices) => {
            let others = devices.iter().map(|device| device.id).filter(|device| !is_own || *device != own);
            Ok(Ok(others.collect()))
        }
        Err(ChainUnavailable::Store(error)) => Err(error.into()),
        Err(error) => {
            tracing::warn!(%error, "key packages of a person cannot be claimed");
            Ok(Err(Wait(CHAIN_SECONDS)))
        }
    }
}
