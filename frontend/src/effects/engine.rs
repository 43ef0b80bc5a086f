//! The MLS engine: a WASM module of its own, loaded when an account is opened. Its script holds the module.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::Promise;
use kez_client::engine::{EngineFault, GroupEngine};
use kez_client::event::Event;
use kez_core::mls::call::Call;
use kez_core::mls::reply::{Fault, Reply};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use crate::worker::{Input, Inputs};

#[wasm_bindgen]
extern "C" {
    /// Loads `public/engine.js`; the worker's script knows its URL.
    #[wasm_bindgen(js_name = loadEngine, catch)]
    fn load_engine() -> Result<Promise, JsValue>;

    /// The loaded script.
    type Script;

    #[wasm_bindgen(method, catch)]
    fn bring(this: &Script) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn call(this: &Script, bytes: &[u8]) -> Result<Vec<u8>, JsValue>;
}

/// The engine of this worker.
#[derive(Clone, Default)]
pub(crate) struct BrowserEngine(Rc<RefCell<Option<Script>>>);

impl BrowserEngine {
    /// Loads the engine, and reports whether that worked.
    pub(crate) fn bring(&self, inputs: Inputs) {
        let engine = self.clone();
        spawn_local(async move {
            if engine.0.borrow().is_none() {
                let script = load().await.ok();
                *engine.0.borrow_mut() = script;
            }
            let is_ready = engine.0.borrow().is_some();
            inputs.send(Input::Client(Event::EngineReady(is_ready)));
        });
    }
}

impl GroupEngine for BrowserEngine {
    fn call(&mut self, call: &Call) -> Result<Reply, EngineFault> {
        let script = self.0.borrow();
        let script = script.as_ref().ok_or(EngineFault::Absent)?;
        let bytes = postcard::to_allocvec(call).map_err(|_| EngineFault::Trapped)?;
        let reply = script.call(&bytes).map_err(|_| EngineFault::Trapped)?;
        let reply: Result<Reply, Fault> = postcard::from_bytes(&reply).map_err(|_| EngineFault::Trapped)?;
        Ok(reply?)
    }
}

async fn load() -> Result<Script, JsValue> {
    let script: Script = JsFuture::from(load_engine()?).await?.unchecked_into();
    JsFuture::from(script.bring()?).await?;
    Ok(script)
}
