//! The live stream: a WebSocket to the home server.

use kez_client::event::LiveEvent;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;
use web_sys::{CloseEvent, MessageEvent, WebSocket};

use crate::effects::timer::scope;
use crate::worker::{Input, Inputs};

/// A connection that failed (RFC 6455, section 7.1.5).
const CLOSED: LiveEvent = LiveEvent::Closed { code: 1006 };

/// A stream that is open or being opened. Dropping it closes it; what it has reported until then is still in the queue.
pub(crate) struct Live {
    socket: WebSocket,
    _on_open: Closure<dyn FnMut()>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_close: Closure<dyn FnMut(CloseEvent)>,
}

impl Live {
    /// Connects, and sends `hello` once connected. If connecting fails at once, a [`LiveEvent::Closed`] follows. `number`
    /// goes with each event.
    pub(crate) fn open(number: u64, path: &str, hello: String, inputs: &Inputs) -> Option<Self> {
        let report = move |inputs: &Inputs, event| inputs.send(Input::Live(number, event));
        let Ok(socket) = WebSocket::new(&url(path)) else {
            inputs.send(Input::Live(number, CLOSED));
            return None;
        };
        let on_open = Closure::<dyn FnMut()>::new({
            let socket = socket.clone();
            move || drop(socket.send_with_str(&hello))
        });
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new({
            let inputs = inputs.clone();
            move |event: MessageEvent| {
                if let Some(frame) = event.data().as_string() {
                    report(&inputs, LiveEvent::Frame(frame));
                }
            }
        });
        let on_close = Closure::<dyn FnMut(CloseEvent)>::new({
            let inputs = inputs.clone();
            move |event: CloseEvent| report(&inputs, LiveEvent::Closed { code: event.code() })
        });
        socket.set_onopen(Some(on_open.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        Some(Self { socket, _on_open: on_open, _on_message: on_message, _on_close: on_close })
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// [`LiveEvent::Closed`] when the stream is not open. The browser itself would report that only after its closing
    /// handshake, or not at all.
    pub(crate) fn send(&self, frame: &str) -> Result<(), LiveEvent> {
        if self.socket.ready_state() != WebSocket::OPEN {
            return Err(CLOSED);
        }
        self.socket.send_with_str(frame).map_err(|_| CLOSED)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        let _ = self.socket.close();
    }
}

fn url(path: &str) -> String {
    let location = scope().location();
    let scheme = if location.protocol() == "https:" { "wss" } else { "ws" };
    format!("{scheme}://{}{path}", location.host())
}
