//! The MLS engine as the client knows it: a pure function of bytes in another module, which may not be there yet.

use kez_core::mls::call::Call;
use kez_core::mls::reply::{Fault, Reply};

/// Calls the MLS engine.
pub trait GroupEngine {
    /// Performs a call. The same call gives the same reply.
    ///
    /// # Errors
    /// [`EngineFault`] when there is no reply.
    fn call(&mut self, call: &Call) -> Result<Reply, EngineFault>;
}

/// Why the engine gave no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineFault {
    /// The engine is not loaded.
    #[error("the engine is not loaded")]
    Absent,
    /// The call failed, or the engine trapped. No state has changed.
    #[error("{0}")]
    Failed(#[from] Fault),
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
