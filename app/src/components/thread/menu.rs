//! The menu of a conversation.

use kez_client::view::{Block, ThreadState};
use leptos::prelude::*;

use crate::components::menu::{Menu, MenuItem};
use crate::components::search::use_search;
use crate::session::use_session;

/// The menu "Conversation menu": ways through the messages, and the actions on the other user.
#[component]
pub(super) fn ConversationMenu(
    handle: String,
    /// Opens the dialog "Verify".
    verifying: RwSignal<bool>,
    /// Opens the dialog "Go to date".
    dating: RwSignal<bool>,
    /// Opens the confirmation dialog for blocking.
    blocking: RwSignal<bool>,
    /// Opens the dialog "Report".
    reporting: RwSignal<bool>,
) -> impl IntoView {
    let session = use_session();
    let ready = session.thread_part_of(&handle, |thread| thread.state == ThreadState::Ready);
    let can_block = session.thread_part_of(&handle, |thread| thread.block != Block::Set);
    let search = use_search();
    let profile = format!("/u/{handle}");
    let items = move || {
        let mut items = Vec::new();
        if ready.get() {
            items.push(MenuItem::action("Verify", move || verifying.set(true)));
        }
        items.push(MenuItem::link("Profile", profile.clone()));
        if let Some(search) = search.filter(|_| ready.get()) {
            let handle = handle.clone();
            let open = move || search.open_within(Some(handle.clone()));
            items.push(MenuItem::action("Search in conversation", open));
            items.push(MenuItem::action("Go to date", move || dating.set(true)));
        }
        if ready.get() && can_block.get() {
            items.push(MenuItem::action("Block", move || blocking.set(true)));
        }
        if ready.get() {
            items.push(MenuItem::action("Report", move || reporting.set(true)));
        }
        items
    };
    view! { <Menu label="Conversation menu" items=Signal::derive(items)/> }
}
