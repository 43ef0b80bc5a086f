//! The connection to NATS. Its script is loaded with the first connection, so users without NATS never load it.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Function, Promise};
use kez_client::Signer;
use kez_client::event::{Event, NatsEvent};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use crate::worker::{Input, Inputs};

#[wasm_bindgen]
extern "C" {
    /// Loads `frontend/nats/nats.js`; the worker's script knows its URL.
    #[wasm_bindgen(js_name = loadNats, catch)]
    fn load_nats() -> Result<Promise, JsValue>;

    /// The loaded script.
    type Script;

    #[wasm_bindgen(method, catch)]
    fn listen(
        this: &Script,
        url: &str,
        subject: &str,
        nkey: &str,
        sign: &Closure<dyn Fn(String) -> Option<String>>,
        report: &Closure<dyn Fn(String)>,
    ) -> Result<Function, JsValue>;
}

/// A connection that is open or being opened. Dropping it closes it without an event.
pub(crate) struct Nats(Rc<RefCell<Stage>>);

enum Stage {
    Loading,
    Running(Running),
    Over,
}

struct Running {
    close: Function,
    _sign: Closure<dyn Fn(String) -> Option<String>>,
    _report: Closure<dyn Fn(String)>,
}

impl Nats {
    /// Connects and subscribes. If that fails, a [`NatsEvent::Closed`] follows.
    pub(crate) fn open(url: String, subject: String, signer: Signer, inputs: Inputs) -> Self {
        let stage = Rc::new(RefCell::new(Stage::Loading));
        spawn_local({
            let stage = Rc::clone(&stage);
            async move {
                let script = load().await;
                if matches!(*stage.borrow(), Stage::Over) {
                    return;
                }
                let running = script.and_then(|script| run(&script, &url, &subject, signer, inputs.clone()));
                match running {
                    Ok(running) => *stage.borrow_mut() = Stage::Running(running),
                    Err(_) => report(&inputs, NatsEvent::Closed),
                }
            }
        });
        Self(stage)
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        if let Stage::Running(running) = self.0.replace(Stage::Over) {
            let _ = running.close.call0(&JsValue::UNDEFINED);
        }
    }
}

async fn load() -> Result<Script, JsValue> {
    JsFuture::from(load_nats()?).await.map(JsCast::unchecked_into)
}

fn run(
    script: &Script,
    url: &str,
    subject: &str,
    signer: Signer,
    inputs: Inputs,
) -> Result<Running, JsValue> {
    let nkey = signer.nkey();
    let sign = Closure::<dyn Fn(String) -> Option<String>>::new(move |nonce: String| signer.answer(&nonce));
    let report = Closure::<dyn Fn(String)>::new(move |what: String| {
        let event = match what.as_str() {
            "up" => NatsEvent::Up,
            "hint" => NatsEvent::Hint,
            "strange" => NatsEvent::StrangeNonce,
            _ => NatsEvent::Closed,
        };
        report(&inputs, event);
    });
    let close = script.listen(url, subject, &nkey, &sign, &report)?;
    Ok(Running { close, _sign: sign, _report: report })
}

fn report(inputs: &Inputs, event: NatsEvent) {
    inputs.send(Input::Client(Event::Nats(event)));
}
