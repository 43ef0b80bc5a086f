//! The tabs of one browser: a channel between their workers, and locks that show which worker leads and which tabs are
//! alive.

use kez_client::event::TabId;
use wasm_bindgen::prelude::*;
use web_sys::{BroadcastChannel, MessageEvent};

use crate::messages::{TabMessage, bytes, packed, unpacked};
use crate::worker::{Input, Inputs};
use crate::{js, locks};

/// The lock that the leading worker holds for as long as it lives, and the name of the channel.
pub(crate) const LEADER: &str = "kez-chat";

#[wasm_bindgen]
extern "C" {
    /// Tells the user that another tab runs another version (`public/worker.js`).
    fn foreign();
}

/// The channel between the workers.
pub(crate) struct Tabs {
    build: Vec<u8>,
    channel: BroadcastChannel,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

impl Tabs {
    /// Joins the channel; received messages go to `inputs`. `None` in a browser without this kind of channel.
    pub(crate) fn join(inputs: Inputs) -> Option<Self> {
        let channel = BroadcastChannel::new(LEADER).ok()?;
        let build = js::get(&js_sys::global(), "build").as_string().unwrap_or_default().into_bytes();
        let ours = build.clone();
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            let bytes = unpacked(&event.data());
            match bytes.strip_prefix(ours.as_slice()).map(postcard::from_bytes) {
                Some(Ok(message)) => inputs.send(Input::Tab(message)),
                _ => foreign(),
            }
        });
        channel.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        Some(Self { build, channel, _on_message: on_message })
    }

    /// Sends a message to all other workers.
    pub(crate) fn send(&self, message: &TabMessage) {
        self.pass(&bytes(message));
    }

    /// Sends a serialised message.
    pub(crate) fn pass(&self, message: &[u8]) {
        let _ = self.channel.post_message(&packed(&[&self.build, message].concat()));
    }
}

/// Holds a lock in this tab's name for as long as the tab lives.
pub(crate) fn show_presence(tab: &TabId) {
    locks::hold(&presence(tab), || {});
}

/// Reports [`Input::TabGone`] when that tab has closed.
pub(crate) fn watch_presence(tab: TabId, inputs: Inputs) {
    locks::when_free(&presence(&tab.clone()), move || inputs.send(Input::TabGone(tab)));
}

fn presence(tab: &TabId) -> String {
    format!("{LEADER}-tab-{}", tab.0)
}
