//! The conversation that the user asked for before there was an account. It opens once there is one.

use leptos::prelude::*;

/// The key in the session storage of this tab.
const KEY: &str = "kez-wanted-conversation";

/// Remembers the handle that the user wants to write to. Browser only.
pub(crate) fn remember(handle: &str) {
    if let Some(storage) = storage() {
        // If the storage is full, the user has to open the conversation again.
        let _ = storage.set_item(KEY, handle);
    }
}

/// The path to go to once this browser has an account; the remembered conversation is used once. Browser only.
pub(crate) fn take_path() -> String {
    let wanted = storage().and_then(|storage| {
        let handle = storage.get_item(KEY).ok().flatten();
        let _ = storage.remove_item(KEY);
        handle
    });
    wanted.map_or_else(|| "/messages".to_owned(), |handle| format!("/messages/{handle}"))
}

fn storage() -> Option<web_sys::Storage> {
    window().session_storage().ok().flatten()
}
