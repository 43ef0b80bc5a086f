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
    /// The engine is not loaded yet.
    #[error("the engine is not loaded")]
    Absent,
    /// The engine refused the call.
    #[error("{0}")]
    Refused(#[from] Fault),
    /// The engine trapped, or its answer makes no sense. The next call has a new instance.
    #[error("the engine stopped")]
    Trapped,
}

/// An engine that is never there. Everything about groups waits for ever.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoEngine;

impl GroupEngine for NoEngine {
    fn call(&mut self, _: &Call) -> Result<Reply, EngineFault> {
        Err(EngineFault::Absent)
    }
}

/// The engine of this client, and whether the driver has loaded it.
pub(crate) struct Engine {
    module: Box<dyn GroupEngine>,
    pub(crate) is_ready: bool,
}

impl Default for Engine {
    fn default() -> Self {
        Self::new(Box::new(NoEngine))
    }
}

impl Engine {
    pub(crate) fn new(module: Box<dyn GroupEngine>) -> Self {
        Self { module, is_ready: false }
    }

    /// Performs a call, unless the engine is not loaded.
    pub(crate) fn call(&mut self, call: &Call) -> Result<Reply, EngineFault> {
        if self.is_ready { self.module.call(call) } else { Err(EngineFault::Absent) }
    }
}
