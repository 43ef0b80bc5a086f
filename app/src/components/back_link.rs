//! The link from a conversation back to the list.

use leptos::prelude::*;

use crate::components::icon::{Glyph, Icon};
use crate::navigation::use_back;

/// "Back": to where the conversation was opened from.
#[component]
pub(crate) fn BackLink() -> impl IntoView {
    let back = use_back();
    view! {
        <a
            class="button button-quiet button-icon back"
            href="/messages"
            aria-label="Back"
            on:click=move |event| {
                event.prevent_default();
                back.run(());
            }
        >
            <Icon of=Glyph::Back/>
        </a>
    }
}
