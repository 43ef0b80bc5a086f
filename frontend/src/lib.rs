//! The browser side of KEZ Chat: two programs, each behind a feature of its own.
//!
//! | feature | entry point | runs in | holds |
//! |---|---|---|---|
//! | `page` | [`hydrate`] | the page | the views; it reports user actions |
//! | `worker` | [`start_worker`] | a dedicated worker | the keys, the state, the network and the storage |
//!
//! `cargo xtask build` builds one WASM module per feature, so neither context loads the code of the other. `cargo
//! leptos` builds both features into one module with two entry points, which both contexts load.
//!
//! Among all tabs of a browser, exactly one worker *leads*: it holds the lock `LEADER`, runs the client and performs
//! its effects (`driver`). The workers of the other tabs follow (`follow`): they pass events to the leader and views to
//! their page. When the leading tab closes, one of them takes over.

use wasm_bindgen::prelude::*;
use web_sys::MessagePort;

#[cfg(feature = "worker")]
mod driver;
#[cfg(feature = "worker")]
mod effects;
#[cfg(feature = "worker")]
mod follow;
mod js;
#[cfg(feature = "worker")]
mod locks;
mod messages;
#[cfg(feature = "page")]
mod page;
#[cfg(feature = "worker")]
mod tabs;
#[cfg(feature = "worker")]
mod worker;

/// Entry point of the page: hydrates the server's HTML, with the worker on the other end of `worker`.
#[cfg(feature = "page")]
#[wasm_bindgen]
pub fn hydrate(worker: MessagePort) {
    console_error_panic_hook::set_once();
    page::hydrate(worker);
}

/// Entry point of the worker, with the page on the other end of `page`.
#[cfg(feature = "worker")]
#[wasm_bindgen]
pub fn start_worker(page: MessagePort) {
    console_error_panic_hook::set_once();
    wasm_bindgen_futures::spawn_local(worker::run(page));
}
