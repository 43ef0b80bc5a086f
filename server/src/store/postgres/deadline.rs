//! How long an unresponsive database server may block a caller.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::store::error::StoreError;

/// The time for one operation. Statement time-outs are shorter.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);

/// Gives up on an unresponsive database server.
pub(in crate::store) async fn in_time<T, E: Into<StoreError>>(
    deadline: Instant,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, StoreError> {
    match timeout_at(deadline, work).await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => Err(StoreError::Unreachable("no answer within 8 s".into())),
    }
}
