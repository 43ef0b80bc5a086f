//! `/messages` and `/messages/{who}`: the list and the open conversation.

use leptos::prelude::*;

use crate::browser::use_title;
use crate::components::account_gate::AccountGate;
use crate::components::catch_up::CatchUp;
use crate::components::chain_alarm::OwnKeyBanner;
use crate::components::connection_status::ConnectionStatus;
use crate::components::conversation_list::{ConversationList, ConversationListSkeleton};
use crate::components::conversation_row::row_id;
use crate::components::group::{NewGroupDialog, use_name};
use crate::components::keyboard::{focus, use_shortcuts};
use crate::components::new_conversation::NewConversationDialog;
use crate::components::presence::use_who;
use crate::components::search::Search;
use crate::components::shortcut_sheet::ShortcutSheet;
use crate::components::site_header::{Brand, SkipLink};
use crate::components::switcher::Switcher;
use crate::components::thread::{NoThread, Thread, ThreadSkeleton};
use crate::navigation::provide_way_back;
use crate::page::Page;
use crate::reactive::memo;

/// The chat.
#[component]
pub(crate) fn Messages() -> impl IntoView {
    let who = use_who();
    let name = memo(move || who.get().map(use_name));
    use_title(Signal::derive(move || title(name.get().map(|name| name.get()).as_deref())));
    view! {
        <SkipLink/>
        <div class="chat" class:chat-open=move || who.with(Option::is_some)>
            <header class="chat-bar">
                <h1 class="sr-only">"Messages"</h1>
                <Brand/>
                <ConnectionStatus/>
                <a class="chat-settings" href="/settings">"Settings"</a>
            </header>
            <OwnKeyBanner/>
            <CatchUp/>
            <main class="panes" id="main" tabindex="-1">
                <AccountGate loading=Skeleton>
                    <Panes/>
                </AccountGate>
            </main>
        </div>
    }
}

fn title(name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{name} · {}", Page::Messages.title()),
        None => Page::Messages.title().to_owned(),
    }
}

/// The first thing that every user sees: placeholders for the list and a conversation.
#[component]
fn Skeleton() -> impl IntoView {
    view! {
        <ConversationListSkeleton/>
        <ThreadSkeleton/>
    }
}

/// Back in the list, the focus goes to the row of the conversation that was left, or to the search that was asked for.
fn use_focus_on_row_left(who: Memo<Option<String>>, search: Search) {
    Effect::new(move |before: Option<Option<String>>| {
        let now = who.get();
        if let (Some(Some(left)), None) = (before, &now) {
            let id = search.takes_focus().unwrap_or_else(|| row_id(&left));
            request_animation_frame(move || focus(&id));
        }
        now
    });
}

#[component]
fn Panes() -> impl IntoView {
    let who = use_who();
    let starting = RwSignal::new(false);
    let grouping = RwSignal::new(false);
    let switching = RwSignal::new(false);
    let listing = RwSignal::new(false);
    let search = Search::provide();
    use_shortcuts(switching, listing, search);
    provide_way_back();
    use_focus_on_row_left(who, search);
    view! {
        <ConversationList
            search
            on_new=Callback::new(move |()| starting.set(true))
            on_new_group=Callback::new(move |()| grouping.set(true))
        />
        {move || match who.get() {
            Some(handle) => view! { <Thread handle/> }.into_any(),
            None => view! { <NoThread/> }.into_any(),
        }}
        <NewConversationDialog open=starting/>
        <NewGroupDialog open=grouping/>
        <Switcher open=switching/>
        <ShortcutSheet open=listing/>
    }
}
