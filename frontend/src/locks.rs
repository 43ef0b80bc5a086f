//! Web Locks (`navigator.locks`), for which `web-sys` has no stable binding.

use js_sys::{Function, Object, Promise};
use wasm_bindgen::prelude::*;

use crate::js::object;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = LockManager)]
    type Locks;

    #[wasm_bindgen(thread_local_v2, js_namespace = navigator, js_name = locks)]
    static LOCKS: Locks;

    #[wasm_bindgen(method, js_name = request)]
    fn request(this: &Locks, name: &str, options: &Object, callback: &Function) -> Promise;
}

/// Waits for the lock, calls `held` once it is acquired, and keeps it until this worker ends.
pub(crate) fn hold(name: &str, held: impl FnOnce() + 'static) {
    let forever = Closure::once_into_js(move || {
        held();
        Promise::new(&mut |_, _| {})
    });
    LOCKS.with(|locks| drop(locks.request(name, &Object::new(), forever.unchecked_ref())));
}

/// Waits until the lock is free, then calls `free`.
pub(crate) fn when_free(name: &str, free: impl FnOnce() + 'static) {
    let callback = Closure::once_into_js(free);
    LOCKS.with(|locks| drop(locks.request(name, &Object::new(), callback.unchecked_ref())));
}

/// Acquires the lock if it is free now, and keeps it until this worker ends. Returns whether it was free.
pub(crate) async fn take_if_free(name: &str) -> bool {
    let (answer, taken) = futures::channel::oneshot::channel();
    let callback = Closure::once_into_js(move |lock: JsValue| {
        let free = !lock.is_null();
        let _ = answer.send(free);
        if free { Promise::new(&mut |_, _| {}) } else { Promise::resolve(&JsValue::NULL) }
    });
    LOCKS.with(|locks| {
        drop(locks.request(name, &object(&[("ifAvailable", true.into())]), callback.unchecked_ref()));
    });
    taken.await.unwrap_or(false)
}
