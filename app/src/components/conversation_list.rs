//! The list of conversations.

use leptos::prelude::*;

use crate::components::conversation_row::ConversationLink;
use crate::components::icon::{Glyph, Icon};
use crate::components::presence::use_who;
use crate::keyed::keyed;
use crate::reactive::memo;
use crate::session::use_session;

/// The navigation "Conversations": the button for a new one, then one link each, newest activity first.
#[component]
pub(crate) fn ConversationList(on_new: Callback<()>) -> impl IntoView {
    let session = use_session();
    let who = use_who();
    let rows = keyed(move || {
        session.conversations.get().into_iter().map(|row| (row.handle.clone(), row)).collect::<Vec<_>>()
    });
    let is_empty = memo(move || session.conversations.with(Vec::is_empty));
    view! {
        <nav class="conversations" aria-label="Conversations">
            <div class="conversations-head">
                <button type="button" class="button button-wide" aria-haspopup="dialog" on:click=move |_| on_new.run(())>
                    <Icon of=Glyph::Pencil/>
                    "New conversation"
                </button>
            </div>
            <Show
                when=move || !is_empty.get()
                fallback=|| view! {
                    <p class="empty">"No conversations yet. Start one with somebody's handle."</p>
                }
            >
                <ul class="rows">
                    <For each=move || rows.get() key=|row| row.key.clone() let:row>
                        <ConversationLink row=row.value who/>
                    </For>
                </ul>
            </Show>
        </nav>
    }
}

/// The shape of the list until the storage has answered.
#[component]
pub(crate) fn ConversationListSkeleton() -> impl IntoView {
    let row = || {
        view! {
            <li class="skeleton-row">
                <span class="skeleton skeleton-name"></span>
                <span class="skeleton skeleton-preview"></span>
            </li>
        }
    };
    view! {
        <nav class="conversations" aria-label="Conversations" aria-busy="true">
            <div class="conversations-head">
                <button type="button" class="button button-wide" disabled=true>
                    <Icon of=Glyph::Pencil/>
                    "New conversation"
                </button>
            </div>
            <ul class="rows" aria-hidden="true">{row()}{row()}{row()}{row()}</ul>
        </nav>
    }
}
