//! The MLS engine: a module of its own, loaded when the client first needs it.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Function, Promise, Uint8Array};
use kez_client::engine::{EngineFault, GroupEngine};
use kez_client::event::Event;
use kez_core::mls::call::Call;
use kez_core::mls::reply::{Fault, Reply};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use zeroize::Zeroizing;

use crate::worker::{Input, Inputs};

#[wasm_bindgen]
extern "C" {
    /// Loads the engine (`public/engine.js`); the worker's script knows its URL.
    #[wasm_bindgen(js_name = loadEngine, catch)]
    fn load_engine() -> Result<Promise, JsValue>;
}

/// The engine, once it is loaded.
#[derive(Clone, Default)]
pub(crate) struct Engine(Rc<RefCell<Loading>>);

#[derive(Default)]
enum Loading {
    #[default]
    Absent,
    Begun,
    Loaded(Function),
}

impl Engine {
    /// Loads the engine, unless it is loaded or being loaded. An [`Event::EngineReady`] follows.
    pub(crate) fn bring(&self, inputs: Inputs) {
        let ready = match &*self.0.borrow() {
            Loading::Begun => return,
            Loading::Loaded(_) => true,
            Loading::Absent => false,
        };
        if ready {
            return inputs.send(Input::Client(Event::EngineReady(true)));
        }
        self.0.replace(Loading::Begun);
        let this = self.clone();
        spawn_local(async move {
            let loaded = load().await.ok();
            let ready = loaded.is_some();
            this.0.replace(loaded.map_or(Loading::Absent, Loading::Loaded));
            inputs.send(Input::Client(Event::EngineReady(ready)));
        });
    }
}

impl GroupEngine for Engine {
    fn call(&mut self, call: &Call) -> Result<Reply, EngineFault> {
        let Loading::Loaded(function) = &*self.0.borrow() else { return Err(EngineFault::Absent) };
        // It contains keys and the group's state.
        let call = Zeroizing::new(postcard::to_allocvec(call).map_err(|_| EngineFault::Trapped)?);
        let answer = function
            .call1(&JsValue::UNDEFINED, &Uint8Array::from(call.as_slice()))
            .map_err(|_| EngineFault::Trapped)?;
        let answer = answer.dyn_into::<Uint8Array>().map_err(|_| EngineFault::Trapped)?;
        let answer = Zeroizing::new(answer.to_vec());
        let reply: Result<Reply, Fault> = postcard::from_bytes(&answer).map_err(|_| EngineFault::Trapped)?;
        Ok(reply?)
    }
}

async fn load() -> Result<Function, JsValue> {
    JsFuture::from(load_engine()?).await?.dyn_into()
}
