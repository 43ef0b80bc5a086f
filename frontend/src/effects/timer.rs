//! The worker's timer.

use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;
use web_sys::DedicatedWorkerGlobalScope;

/// A pending timer; dropping it cancels it.
pub(crate) struct Timer {
    id: i32,
    _ring: Closure<dyn FnMut()>,
}

impl Timer {
    /// Calls `ring` after this many milliseconds, at most a day. The client computes the next wake-up by then.
    pub(crate) fn after(milliseconds: u64, ring: impl FnMut() + 'static) -> Option<Self> {
        let ring = Closure::<dyn FnMut()>::new(ring);
        let delay = i32::try_from(milliseconds.min(86_400_000)).ok()?;
        let id = scope()
            .set_timeout_with_callback_and_timeout_and_arguments_0(ring.as_ref().unchecked_ref(), delay)
            .ok()?;
        Some(Self { id, _ring: ring })
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        scope().clear_timeout_with_handle(self.id);
    }
}

/// The worker's global scope.
pub(crate) fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}
