//! The page that the user asked for before there was an account. It opens once there is one.

use leptos::prelude::*;

use crate::page::Page;

/// The key in the session storage of this tab.
const KEY: &str = "kez-wanted-page";

/// Remembers the path of the page that the user wants, with what follows `#`. Browser only.
pub(crate) fn remember(path: &str) {
    if let Some(storage) = storage() {
        // If the storage is full, the user has to open the page again.
        let _ = storage.set_item(KEY, path);
    }
}

/// The path to go to once this browser has an account; the remembered page is used once. Browser only.
pub(crate) fn take_path() -> String {
    let wanted = storage().and_then(|storage| {
        let path = storage.get_item(KEY).ok().flatten();
        let _ = storage.remove_item(KEY);
        path
    });
    wanted.unwrap_or_else(|| Page::Messages.path().to_owned())
}

fn storage() -> Option<web_sys::Storage> {
    window().session_storage().ok().flatten()
}
