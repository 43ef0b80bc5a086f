//! Asks for confirmation before a user is blocked.

use leptos::prelude::*;

use crate::components::dialog::Dialog;
use crate::session::use_session;

/// The dialog "Block @handle?".
#[component]
pub(super) fn BlockDialog(handle: String, open: RwSignal<bool>) -> impl IntoView {
    let on_close = Callback::new(move |()| open.set(false));
    let title = format!("Block @{handle}?");
    view! {
        <Dialog id="block-title" title open on_close>
            <Question handle=handle.clone() open/>
        </Dialog>
    }
}

#[component]
fn Question(handle: String, open: RwSignal<bool>) -> impl IntoView {
    let session = use_session();
    let label = format!("Block @{handle}");
    let block = move |_| {
        open.set(false);
        session.block(handle.clone());
    };
    view! {
        <div class="stack">
            <p>
                "Nothing they send will reach you, and they are not told. The conversation leaves your list until you unblock \
                 them, here or in the settings."
            </p>
            <p class="actions">
                <button type="button" class="button" on:click=move |_| open.set(false)>"Cancel"</button>
                <button type="button" class="button button-danger" on:click=block>{label}</button>
            </p>
        </div>
    }
}
