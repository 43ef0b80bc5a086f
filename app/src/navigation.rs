//! Which page is shown and the ways to another one: the router's hooks in the form in which components use them.

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};

/// A way to a path, and whether the way back leads to where one is now.
type Navigate = Box<dyn Fn(&str, NavigateOptions)>;

/// The path in the address bar, and the ways to another one.
///
/// One type for the router's closure, so that what uses it is compiled once.
#[derive(Clone, Copy)]
pub(crate) struct Navigation {
    path: Memo<String>,
    navigate: StoredValue<Navigate, LocalStorage>,
}

impl Navigation {
    /// The path as it stands in the address bar.
    pub(crate) fn path(self) -> Memo<String> {
        self.path
    }

    /// Goes to a path of this app, as a link does.
    pub(crate) fn go(self, path: &str) {
        self.navigate.with_value(|navigate| navigate(path, NavigateOptions::default()));
    }

    /// Goes to a path of this app; the way back does not lead to where one is now.
    pub(crate) fn replace(self, path: &str) {
        let options = NavigateOptions { replace: true, ..NavigateOptions::default() };
        self.navigate.with_value(|navigate| navigate(path, options));
    }
}

/// The navigation of this app. Only inside its router.
pub(crate) fn use_navigation() -> Navigation {
    Navigation { path: use_location().pathname, navigate: StoredValue::new_local(Box::new(use_navigate())) }
}
