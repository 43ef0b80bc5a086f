//! The menu of a conversation.

use kez_client::view::{Block, ThreadState};
use leptos::prelude::*;

use crate::components::menu::{Menu, MenuItem};
use crate::session::use_session;

/// The menu "Conversation menu": the actions on the other user.
#[component]
pub(super) fn ConversationMenu(
    handle: String,
    /// Opens the dialog "Verify".
    verifying: RwSignal<bool>,
    /// Opens the confirmation dialog for blocking.
    blocking: RwSignal<bool>,
    /// Opens the dialog "Report".
    reporting: RwSignal<bool>,
) -> impl IntoView {
    let session = use_session();
    let ready = session.thread_part_of(&handle, |thread| thread.state == ThreadState::Ready);
    let can_block = session.thread_part_of(&handle, |thread| thread.block != Block::Set);
    let profile = format!("/u/{handle}");
    let items = move || {
        let mut items = Vec::new();
        if ready.get() {
            items.push(MenuItem::action("Verify", move || verifying.set(true)));
        }
        items.push(MenuItem::link("Profile", profile.clone()));
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
