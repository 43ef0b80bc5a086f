//! Plain JavaScript objects and the clock.

use js_sys::Reflect;
use wasm_bindgen::JsValue;

/// A plain object with these properties.
#[cfg(feature = "worker")]
pub(crate) fn object(properties: &[(&str, JsValue)]) -> js_sys::Object {
    let object = js_sys::Object::new();
    for (name, value) in properties {
        set(&object, name, value);
    }
    object
}

/// Sets a property of a plain object, which cannot fail.
#[cfg(feature = "worker")]
pub(crate) fn set(object: &js_sys::Object, name: &str, value: &JsValue) {
    let _ = Reflect::set(object, &name.into(), value);
}

/// A property of a value; undefined if there is none.
pub(crate) fn get(value: &JsValue, name: &str) -> JsValue {
    Reflect::get(value, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

/// Milliseconds since the Unix epoch.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole milliseconds of this era")]
pub(crate) fn now() -> u64 {
    js_sys::Date::now() as u64
}
