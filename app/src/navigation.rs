//! Which page is shown: the path in the address bar, and the ways to another one.
//!
//! The app has a handful of fixed paths and loads nothing when it goes from one to another, so this is all of a router
//! that it needs. The one that comes with Leptos would be a twentieth of what a browser has to load.

use leptos::{ev, prelude::*};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, HtmlAnchorElement, MouseEvent};

use crate::reactive::effect;

/// The path that is shown.
#[derive(Clone, Copy)]
pub(crate) struct Navigation {
    path: RwSignal<String>,
}

impl Navigation {
    /// At a path, without an address bar: on the server and in tests.
    pub(crate) fn at(path: &str) -> Self {
        Self { path: RwSignal::new(path.to_owned()) }
    }

    /// At the window's address; links and the browser's own buttons lead on from there. Browser only.
    pub(crate) fn of_window() -> Self {
        let navigation = Self::at(&address());
        effect(move || {
            let listeners = [
                window_event_listener(ev::popstate, move |_| navigation.path.set(address())),
                window_event_listener(ev::click, move |event| navigation.clicked(&event)),
            ];
            on_cleanup(move || listeners.into_iter().for_each(|listener| listener.remove()));
        });
        navigation
    }

    /// The path as it stands in the address bar.
    pub(crate) fn path(self) -> ReadSignal<String> {
        self.path.read_only()
    }

    /// Goes to a path of this app, as a link does.
    pub(crate) fn go(self, path: &str) {
        if self.path.with_untracked(|here| here != path)
            && let Ok(history) = window().history()
        {
            // Paths of this origin are never refused.
            let _ = history.push_state_with_url(&JsValue::NULL, "", Some(path));
        }
        self.show(path);
    }

    /// Goes to a path of this app; the way back does not lead to where one is now.
    pub(crate) fn replace(self, path: &str) {
        if let Ok(history) = window().history() {
            let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(path));
        }
        self.show(path);
    }

    fn show(self, path: &str) {
        self.path.set(path.to_owned());
        window().scroll_to_with_x_and_y(0.0, 0.0);
    }

    fn clicked(self, event: &MouseEvent) {
        let modified = event.ctrl_key() || event.meta_key() || event.shift_key() || event.alt_key();
        if event.default_prevented() || event.button() != 0 || modified {
            return;
        }
        if let Some(path) = link_of(event).and_then(|link| path_within_app(&link)) {
            event.prevent_default();
            self.go(&path);
        }
    }
}

/// The navigation of this app.
pub(crate) fn use_navigation() -> Navigation {
    use_context().unwrap_or_else(|| Navigation::at("/"))
}

fn address() -> String {
    window().location().pathname().unwrap_or_default()
}

fn link_of(event: &MouseEvent) -> Option<HtmlAnchorElement> {
    let target = event.target()?.dyn_into::<Element>().ok()?;
    target.closest("a[href]").ok()??.dyn_into().ok()
}

/// Where a link leads, unless that is for the browser to open: another site, another window, a download, a place within
/// the page.
fn path_within_app(link: &HtmlAnchorElement) -> Option<String> {
    let for_the_browser = !link.target().is_empty()
        || link.has_attribute("download")
        || link.rel().split_ascii_whitespace().any(|rel| rel == "external")
        || !link.hash().is_empty()
        || window().location().origin().ok()? != link.origin();
    (!for_the_browser).then(|| link.pathname())
}
