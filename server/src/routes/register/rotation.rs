//! A registration for a handle that is already held. It is refused, unless the holder's sigchain names the new key as
//! the holder's next one (docs/SPEC.md, section 12).

use kez_core::handle::Handle;
use kez_core::identity::Primary;
use kez_core::problem::ProblemCode;

use crate::chains::source::ChainUnavailable;
use crate::edge::error::ApiError;
use crate::state::AppState;
use crate::store::StoreError;
use crate::store::accounts::{Account, Rotation, RotationOutcome};

/// The retry time, in seconds, while the sigchain server does not answer.
const RETRY_AFTER: u64 = 10;

/// A registration that passed every check, for a handle that another key holds.
pub(super) struct NextKey {
    /// The handle.
    pub(super) handle: Handle,
    /// The key to which the handle goes.
    pub(super) primary: Primary,
    /// The signed registration, in canonical JSON.
    pub(super) registration: String,
}

/// Transfers the account if the chain authorises it, and closes the streams of the former key.
///
/// # Errors
/// `handle_taken` when the chain does not authorise it, with a retry time when the chain cannot be read now;
/// `primary_taken` when the key holds or held another handle.
pub(super) async fn hand_over(state: &AppState, next: NextKey) -> Result<Account, ApiError> {
    let taken = || ApiError::new(ProblemCode::HandleTaken, ProblemCode::HandleTaken.title());
    let holder = state.store.lookup(&next.handle).await?.ok_or_else(taken)?;
    if !is_named_by_chain(state, &holder, &next.primary).await? {
        return Err(taken());
    }
    let rotation = Rotation {
        account: holder.id,
        handle: holder.handle,
        from: holder.primary,
        to: next.primary,
        root: holder.root,
        registration: next.registration.clone(),
        now: state.now(),
    };
    match state.store.rotate(rotation).await? {
        RotationOutcome::Rotated => {}
        RotationOutcome::PrimaryTaken => {
            return Err(ApiError::new(ProblemCode::PrimaryTaken, ProblemCode::PrimaryTaken.title()));
        }
        RotationOutcome::Overtaken => return standing(state, &next).await?.ok_or_else(taken),
    }
    state.directory.holder_changed(holder.id, &next.handle);
    tracing::info!("an account went over to its next key");
    standing(state, &next).await?.ok_or_else(taken)
}

/// Whether the holder's chain names this key as its current primary.
async fn is_named_by_chain(state: &AppState, holder: &Account, primary: &Primary) -> Result<bool, ApiError> {
    match state.chains.chain(&holder.root).await {
        Ok(chain) => {
            let succeeds = chain.primary() == *primary && chain.is_former(&holder.primary);
            Ok(succeeds && !chain.is_closed())
        }
        Err(ChainUnavailable::Store(error)) => Err(error.into()),
        Err(error @ ChainUnavailable::Unreachable(_)) => {
            tracing::warn!(%error, "a change of keys cannot be checked");
            let detail = "this handle is taken, and the sigchain server that could confirm that your key replaces its \
                          holder's does not answer";
            Err(ApiError::new(ProblemCode::HandleTaken, detail).retry_after(RETRY_AFTER))
        }
        Err(error @ ChainUnavailable::Invalid(_)) => {
            tracing::warn!(%error, "a change of keys is refused");
            Ok(false)
        }
    }
}

/// The account, if it already has exactly this registration.
async fn standing(state: &AppState, next: &NextKey) -> Result<Option<Account>, StoreError> {
    let account = state.store.lookup(&next.handle).await?;
    Ok(account.filter(|account| account.registration == next.registration))
}
