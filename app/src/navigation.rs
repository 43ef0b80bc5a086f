//! The current page and the navigation to another one: thin wrappers of the router's hooks.

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};

/// The path of the conversation list.
const LIST: &str = "/messages";

/// Navigates to a path. The options say whether the current page stays in the history.
type Navigate = Box<dyn Fn(&str, NavigateOptions)>;

/// The path in the address bar, and navigation to another one.
///
/// A single type for the router's closure, so that the code that uses it is compiled once.
#[derive(Clone, Copy)]
pub(crate) struct Navigation {
    path: Memo<String>,
    navigate: StoredValue<Navigate, LocalStorage>,
}

impl Navigation {
    /// The path in the address bar.
    pub(crate) fn path(self) -> Memo<String> {
        self.path
    }

    /// Goes to a path of this app, as a link does.
    pub(crate) fn go(self, path: &str) {
        self.navigate.with_value(|navigate| navigate(path, NavigateOptions::default()));
    }

    /// Goes to a path of this app, replacing the current page in the history.
    pub(crate) fn replace(self, path: &str) {
        let options = NavigateOptions { replace: true, ..NavigateOptions::default() };
        self.navigate.with_value(|navigate| navigate(path, options));
    }
}

/// Whether the previous entry of the browser's history is the conversation list.
#[derive(Clone, Copy)]
struct CameFromList(StoredValue<bool>);

/// Tracks how a conversation was reached, for [`use_back`].
pub(crate) fn provide_way_back() {
    let came_from_list = StoredValue::new(false);
    provide_context(CameFromList(came_from_list));
    let path = use_navigation().path();
    Effect::new(move |before: Option<bool>| {
        let in_list = path.with(|path| path.trim_end_matches('/') == LIST);
        came_from_list.set_value(before == Some(true) && !in_list);
        in_list
    });
}

/// Goes from a conversation to the list. The browser's own back button then does not lead into the conversation again.
pub(crate) fn use_back() -> Callback<()> {
    let navigation = use_navigation();
    let came_from_list = use_context::<CameFromList>();
    Callback::new(move |()| {
        let came_from_list = came_from_list.is_some_and(|CameFromList(it)| it.get_value());
        match window().history() {
            Ok(history) if came_from_list && history.back().is_ok() => {}
            _ => navigation.replace(LIST),
        }
    })
}

/// The navigation of this app. Call it only inside the app's router.
pub(crate) fn use_navigation() -> Navigation {
    Navigation { path: use_location().pathname, navigate: StoredValue::new_local(Box::new(use_navigate())) }
}
