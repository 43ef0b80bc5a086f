//! The browser side of KEZ Chat.
//!
//! One WASM module with two entry points: [`hydrate`] in the page, which only renders views and reports what people
//! do, and [`start_worker`] in a dedicated worker, which holds the keys, the state, the network and the storage.
//! `public/boot.js` compiles the module once and hands both ends of a message channel out.
//!
//! Of all the tabs of one browser a single worker *leads*: it holds the lock [`LEADER`](tabs::LEADER), runs the client
//! and performs its effects ([`driver`]). The workers of the other tabs [`follow`]: they pass events to the leader and
//! views to their page, and one of them takes over when the leader goes.

use wasm_bindgen::prelude::*;
use web_sys::MessagePort;

mod driver;
mod effects;
mod follow;
mod js;
mod messages;
mod page;
mod tabs;
mod worker;

/// Entry point of the page: makes the server's HTML react, with the worker behind `worker`.
#[wasm_bindgen]
pub fn hydrate(worker: MessagePort) {
    console_error_panic_hook::set_once();
    page::hydrate(worker);
}

/// Entry point of the worker, with the page behind `page`.
#[wasm_bindgen]
pub fn start_worker(page: MessagePort) {
    console_error_panic_hook::set_once();
    wasm_bindgen_futures::spawn_local(worker::run(page));
}

#[wasm_bindgen]
extern "C" {
    /// In `public/later.js`.
    #[wasm_bindgen(js_namespace = later, js_name = bringNow)]
    fn bring_now();
}

/// Returns once the part of the module is there that a first visit does not need. What stands in the places of its functions
/// until then calls this: `xtask/src/steps/split.rs`.
#[wasm_bindgen]
pub fn bring_later() {
    bring_now();
}
