//! The part of the module that a first visit of /messages does not need, seen from the part that it does need.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// In `public/later.js`.
    #[wasm_bindgen(js_namespace = later, js_name = bringNow)]
    fn bring_now();
}

/// Returns once the later part is there. What stands in its place until then calls it: `xtask/src/steps/split.rs`.
#[wasm_bindgen]
pub(crate) fn bring_later() {
    bring_now();
}
