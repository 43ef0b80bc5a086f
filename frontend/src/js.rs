//! The few calls into the browser that have no binding, or none that is stable.

use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// Web Locks (`navigator.locks`), in the page and in workers.
    #[wasm_bindgen(js_name = LockManager)]
    pub(crate) type Locks;

    #[wasm_bindgen(thread_local_v2, js_namespace = navigator, js_name = locks)]
    static LOCKS: Locks;

    /// Tells the person that another tab runs another version (`public/worker.js`).
    pub(crate) fn foreign();

    #[wasm_bindgen(method, js_name = request)]
    fn request(this: &Locks, name: &str, options: &Object, callback: &Function) -> Promise;
}

/// Waits for the lock, calls `held` once it is held, and keeps it until this worker ends.
pub(crate) fn hold_lock(name: &str, held: impl FnOnce() + 'static) {
    let forever = Closure::once_into_js(move || {
        held();
        Promise::new(&mut |_, _| {})
    });
    LOCKS.with(|locks| drop(locks.request(name, &Object::new(), forever.unchecked_ref())));
}

/// Waits until nobody holds the lock, then calls `free`.
pub(crate) fn when_lock_is_free(name: &str, free: impl FnOnce() + 'static) {
    let callback = Closure::once_into_js(free);
    LOCKS.with(|locks| drop(locks.request(name, &Object::new(), callback.unchecked_ref())));
}

/// Takes the lock and keeps it until this worker ends, if it is free now; says whether it was.
pub(crate) async fn take_lock_if_free(name: &str) -> bool {
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

/// A plain object with these properties.
pub(crate) fn object(properties: &[(&str, JsValue)]) -> Object {
    let object = Object::new();
    for (name, value) in properties {
        set(&object, name, value);
    }
    object
}

/// Sets a property of a plain object, which cannot fail.
pub(crate) fn set(object: &Object, name: &str, value: &JsValue) {
    let _ = Reflect::set(object, &name.into(), value);
}

/// A property; undefined where there is none.
pub(crate) fn get(value: &JsValue, name: &str) -> JsValue {
    Reflect::get(value, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

/// Milliseconds since the Unix epoch.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole milliseconds of this era")]
pub(crate) fn now() -> u64 {
    js_sys::Date::now() as u64
}
