//! The header of a group's thread.

use leptos::prelude::*;

use super::members::MembersDialog;
use super::use_name;
use crate::components::avatar::Avatar;
use crate::components::back_link::BackLink;
use crate::components::icon::{Glyph, Icon};
use crate::session::use_session;

/// The name, and the button "Members".
#[component]
pub(crate) fn GroupHeader(
    /// The conversation, as the address names it.
    handle: String,
) -> impl IntoView {
    let session = use_session();
    let name = use_name(handle.clone());
    let count = session.thread_part_of(&handle, |thread| {
        thread.group.as_ref().map(|group| group.members.len()).unwrap_or_default()
    });
    let members = RwSignal::new(false);
    view! {
        <header class="thread-header">
            <BackLink/>
            {move || view! { <Avatar primary=None handle=name.get()/> }}
            <h2 dir="auto" translate="no">{move || name.get()}</h2>
            <button
                type="button"
                class="button-quiet members-button"
                aria-haspopup="dialog"
                disabled=move || count.get() == 0
                on:click=move |_| members.set(true)
            >
                <Icon of=Glyph::Shield/>
                "Members"
            </button>
        </header>
        <MembersDialog handle open=members/>
    }
}
