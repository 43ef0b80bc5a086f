//! The MLS engine as a client sees it: one call in, one reply out.

use kez_core::mls::call::Call;
use kez_core::mls::reply::{Fault, Reply};

/// What performs the calls of groups: a WASM module of its own in a browser, the package `kez-mls` in tests.
///
/// It keeps nothing between calls, so it can be replaced at any time.
pub trait GroupEngine {
    /// Performs a call.
    ///
    /// # Errors
    /// [`EngineFault`] when there is no reply. No state has changed then.
    fn call(&mut self, call: &Call) -> Result<Reply, EngineFault>;
}

/// Why the engine gave no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineFault {
    /// The engine refused the call.
    #[error("{0}")]
    Refused(#[from] Fault),
    /// The engine trapped, or its answer makes no sense. The next call has a new instance.
    #[error("the engine stopped")]
    Trapped,
}
