//! The page's side: renders the worker's views, reports user actions, and performs tasks that only a page can.

use std::rc::Rc;

use kez_app::App;
use kez_app::session::Session;
use kez_client::event::TabId;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{HtmlElement, MessageEvent, MessagePort};

use crate::js;
use crate::messages::{ToPage, ToWorker, decode, encode};

/// The key under which the page notes, outside the database, which account this browser has.
const REMEMBERED: &str = "kez-chat-account";

pub(crate) fn hydrate(port: MessagePort) {
    let worker = Rc::new(Worker(port));
    let session = Session::new({
        let worker = Rc::clone(&worker);
        move |event| worker.send(&ToWorker::Ui(event))
    });
    worker.listen(session);
    worker.send(&ToWorker::Hello { tab: TabId(random_name()), remembered: remembered() });
    worker.report_network();
    spawn_local(Rc::clone(&worker).report_storage());
    mount(move || {
        provide_context(session);
        App()
    });
    // The account is about to be shown.
    if remembered().is_some() {
        kez_app::prepare_labels();
    }
}

/// Hydrates the server's HTML. If it has been changed since, mounts the app in its place.
fn mount<V: IntoView + 'static>(app: impl FnOnce() -> V + 'static) {
    match kez_app::root().map(|(root, as_served)| (root.unchecked_into::<HtmlElement>(), as_served)) {
        Some((root, true)) => leptos::mount::hydrate_from(root, app).forget(),
        Some((root, false)) => {
            root.set_text_content(None);
            leptos::mount::mount_to(root, app).forget();
        }
        None => leptos::mount::mount_to_body(app),
    }
}

struct Worker(MessagePort);

impl Worker {
    fn send(&self, message: &ToWorker) {
        let _ = self.0.post_message(&encode(message));
    }

    fn listen(self: &Rc<Self>, session: Session) {
        let worker = Rc::clone(self);
        let on_message =
            Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| match decode(&event.data()) {
                Some(ToPage::View(view)) => session.set_view(*view),
                Some(ToPage::Remember { handle }) => remember(handle.as_deref()),
                Some(ToPage::Download { name, bytes }) => drop(download(&name, &bytes)),
                Some(ToPage::PersistStorage) => spawn_local(Rc::clone(&worker).persist_storage()),
                None => {}
            });
        self.0.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        on_message.forget();
    }

    /// Tells the worker, now and at every change, whether the browser is online.
    fn report_network(self: &Rc<Self>) {
        let tell = |worker: &Self| {
            worker.send(&ToWorker::Network { online: window().navigator().on_line() });
        };
        tell(self);
        let worker = Rc::clone(self);
        let on_change = Closure::<dyn FnMut()>::new(move || tell(&worker));
        for name in ["online", "offline"] {
            let _ = window().add_event_listener_with_callback(name, on_change.as_ref().unchecked_ref());
        }
        on_change.forget();
    }

    async fn persist_storage(self: Rc<Self>) {
        if let Ok(asked) = window().navigator().storage().persist() {
            let _ = JsFuture::from(asked).await;
        }
        self.report_storage().await;
    }

    async fn report_storage(self: Rc<Self>) {
        let storage = window().navigator().storage();
        let (Ok(persisted), Ok(estimate)) = (storage.persisted(), storage.estimate()) else { return };
        let (Ok(persisted), Ok(estimate)) = (JsFuture::from(persisted).await, JsFuture::from(estimate).await)
        else {
            return;
        };
        self.send(&ToWorker::Storage { persisted: persisted.is_truthy(), used: usage(&estimate) });
    }
}

/// The used bytes in a `StorageEstimate`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole bytes, far below 2^53")]
fn usage(estimate: &wasm_bindgen::JsValue) -> Option<u64> {
    js::get(estimate, "usage").as_f64().map(|bytes| bytes as u64)
}

fn remembered() -> Option<String> {
    window().local_storage().ok()??.get_item(REMEMBERED).ok()?
}

fn remember(handle: Option<&str>) {
    let Ok(Some(storage)) = window().local_storage() else { return };
    let _ = match handle {
        Some(handle) => storage.set_item(REMEMBERED, handle),
        None => storage.remove_item(REMEMBERED),
    };
}

/// Saves a file through a temporary link.
fn download(name: &str, bytes: &[u8]) -> Result<(), wasm_bindgen::JsValue> {
    let parts = js_sys::Array::of1(&js_sys::Uint8Array::from(bytes));
    let blob = web_sys::Blob::new_with_u8_array_sequence(&parts)?;
    let url = web_sys::Url::create_object_url_with_blob(&blob)?;
    let link = document().create_element("a")?;
    link.set_attribute("href", &url)?;
    link.set_attribute("download", name)?;
    link.unchecked_into::<web_sys::HtmlElement>().click();
    web_sys::Url::revoke_object_url(&url)
}

/// 16 random hexadecimal digits.
fn random_name() -> String {
    let mut bytes = [0; 8];
    // Without a random source the name falls back to the time, which is good enough to tell tabs apart.
    if getrandom::fill(&mut bytes).is_err() {
        bytes = js::now().to_be_bytes();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
