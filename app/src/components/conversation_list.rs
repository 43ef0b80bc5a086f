//! The list of conversations.

use kez_client::view::ConversationRow;
use leptos::prelude::*;

use crate::components::conversation_row::ConversationLink;
use crate::components::icon::{Glyph, Icon};
use crate::components::presence::use_who;
use crate::components::roving::{self, Roving};
use crate::components::search::{Search, SearchBox, SearchBoxSkeleton, SearchResults};
use crate::keyed::{Keyed, keyed};
use crate::reactive::memo;
use crate::session::{Session, use_session};

/// The id of the button "New conversation".
pub(crate) const NEW_CONVERSATION_ID: &str = "new-conversation";

/// The navigation "Conversations": the button for a new conversation, the search, then one link each, newest activity
/// first. The results of a search replace the links.
#[component]
pub(crate) fn ConversationList(
    search: Search,
    on_new: Callback<()>,
    on_new_group: Callback<()>,
) -> impl IntoView {
    let who = use_who();
    view! {
        <nav class="conversations" aria-label="Conversations" on:keydown=move |event| search.on_keydown(&event)>
            <div class="conversations-head">
                <div class="conversations-new">
                    <button
                        id=NEW_CONVERSATION_ID
                        type="button"
                        class="button button-wide"
                        aria-haspopup="dialog"
                        on:click=move |_| on_new.run(())>
                        <Icon of=Glyph::Pencil/>
                        "New conversation"
                    </button>
                    <button
                        type="button"
                        class="button button-wide"
                        aria-haspopup="dialog"
                        on:click=move |_| on_new_group.run(())>
                        <Icon of=Glyph::Pencil/>
                        "New group"
                    </button>
                </div>
                <SearchBox search/>
            </div>
            {move || match search.shown() {
                true => view! { <SearchResults search who/> }.into_any(),
                false => view! { <AllConversations who/> }.into_any(),
            }}
        </nav>
    }
}

/// All conversations, then the requests.
#[component]
fn AllConversations(who: Memo<Option<String>>) -> impl IntoView {
    let session = use_session();
    let rows = rows_of(session, false);
    let is_empty = memo(move || session.conversations.with(Vec::is_empty));
    view! {
        <Show
            when=move || !is_empty.get()
            fallback=|| view! {
                <p class="empty">"No conversations yet. Start one with a handle, like @bob."</p>
            }
        >
            <Rows rows who/>
            <Requests who/>
        </Show>
    }
}

/// Requests from strangers, until they are accepted or blocked.
#[component]
fn Requests(who: Memo<Option<String>>) -> impl IntoView {
    let rows = rows_of(use_session(), true);
    let any = memo(move || rows.with(|rows| !rows.is_empty()));
    view! {
        <Show when=move || any.get()>
            <h2 class="rows-title" id="requests"><a href="#requests">"Requests"</a></h2>
            <Rows rows who/>
        </Show>
    }
}

/// A list of links to conversations.
#[component]
pub(crate) fn Rows(
    rows: Memo<Vec<Keyed<ConversationRow>>>,
    who: Memo<Option<String>>,
    #[prop(optional)] label: Option<&'static str>,
) -> impl IntoView {
    let contains = move |key: &str| rows.with(|rows| rows.iter().any(|row| row.key == key));
    let open_or_first = move || {
        let open = who.get().filter(|open| contains(open));
        open.or_else(|| rows.with(|rows| rows.first().map(|row| row.key.clone())))
    };
    let roving = Roving::new(contains, open_or_first);
    view! {
        <ul
            class="rows"
            aria-label=label
            on:focusin=move |event| roving.on_focusin(&event)
            on:keydown=move |event| roving::on_keydown(&event)
        >
            <For each=move || rows.get() key=|row| row.key.clone() let:row>
                <ConversationLink row=row.value who roving/>
            </For>
        </ul>
    }
}

fn rows_of(session: Session, requests: bool) -> Memo<Vec<Keyed<ConversationRow>>> {
    keyed(move || {
        let rows = session.conversations.get().into_iter().filter(move |row| row.request == requests);
        rows.map(|row| (row.handle.clone(), row)).collect::<Vec<_>>()
    })
}

/// A placeholder for the list until the storage has answered.
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
                <div class="conversations-new">
                    <button type="button" class="button button-wide" disabled=true>
                        <Icon of=Glyph::Pencil/>
                        "New conversation"
                    </button>
                    <button type="button" class="button button-wide" disabled=true>
                        <Icon of=Glyph::Pencil/>
                        "New group"
                    </button>
                </div>
                <SearchBoxSkeleton/>
            </div>
            <ul class="rows" aria-hidden="true">{row()}{row()}{row()}{row()}</ul>
        </nav>
    }
}
