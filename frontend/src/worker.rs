//! The worker's life cycle: connect to the page, follow while another tab leads, then lead.

use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use kez_client::event::{Event, LiveEvent, TabId};
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MessageEvent, MessagePort};

use crate::driver::Driver;
use crate::follow::Follower;
use crate::messages::{TabMessage, ToPage, ToWorker, decode, encode};
use crate::{locks, tabs};

/// Every input of a worker, in order of arrival.
#[derive(Debug)]
pub(crate) enum Input {
    /// From this tab's page.
    Page(ToWorker),
    /// From another tab's worker.
    Tab(TabMessage),
    /// A following tab has closed.
    TabGone(TabId),
    /// This worker becomes the leader.
    Lead,
    /// From the live stream with this number.
    Live(u64, LiveEvent),
    /// The result of another effect, or the passing of time.
    Client(Event),
}

/// The sending end of the input queue.
#[derive(Clone)]
pub(crate) struct Inputs(UnboundedSender<Input>);

impl Inputs {
    /// Adds an input. Has no effect when the worker is ending.
    pub(crate) fn send(&self, input: Input) {
        let _ = self.0.unbounded_send(input);
    }
}

/// This tab's page.
pub(crate) struct Page {
    port: MessagePort,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

impl Page {
    fn meet(port: MessagePort, inputs: Inputs) -> Self {
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(message) = decode(&event.data()) {
                inputs.send(Input::Page(message));
            }
        });
        port.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        Self { port, _on_message: on_message }
    }

    /// Sends the page a message.
    pub(crate) fn send(&self, message: &ToPage) {
        self.pass(&encode(message));
    }

    /// Sends the page an encoded message.
    pub(crate) fn pass(&self, message: &JsValue) {
        let _ = self.port.post_message(message);
    }
}

/// The worker's data about its own tab.
pub(crate) struct Tab {
    pub(crate) id: TabId,
    pub(crate) remembered: Option<String>,
    pub(crate) page: Page,
}

/// Runs for as long as the tab lives.
pub(crate) async fn run(port: MessagePort) {
    let (sender, mut inputs) = unbounded();
    let sender = Inputs(sender);
    let page = Page::meet(port, sender.clone());
    let Some((id, remembered)) = hello(&mut inputs).await else { return };
    let Some(others) = tabs::Tabs::join(sender.clone()) else { return };
    tabs::show_presence(&id);
    let tab = Tab { id, remembered, page };

    let mut follower = Follower::new(tab, others, sender.clone());
    if !locks::take_if_free(tabs::LEADER).await {
        let lead = sender.clone();
        locks::hold(tabs::LEADER, move || lead.send(Input::Lead));
        follower.follow(&mut inputs).await;
    }
    Driver::start(follower, sender).await.drive(&mut inputs).await;
}

/// The page's first message.
async fn hello(inputs: &mut UnboundedReceiver<Input>) -> Option<(TabId, Option<String>)> {
    match inputs.next().await? {
        Input::Page(ToWorker::Hello { tab, remembered }) => Some((tab, remembered)),
        _ => None,
    }
}
