//! `/messages` and `/messages/{who}`: the list and the open conversation.

use leptos::prelude::*;

use crate::browser::use_title;
use crate::components::account_gate::AccountGate;
use crate::components::chain_alarm::OwnKeyBanner;
use crate::components::connection_status::ConnectionStatus;
use crate::components::conversation_list::{ConversationList, ConversationListSkeleton};
use crate::components::keyboard::use_shortcuts;
use crate::components::new_conversation::NewConversationDialog;
use crate::components::presence::use_who;
use crate::components::shortcut_sheet::ShortcutSheet;
use crate::components::site_header::Brand;
use crate::components::switcher::Switcher;
use crate::components::thread::{NoThread, Thread, ThreadSkeleton};
use crate::page::Page;

/// The chat.
#[component]
pub(crate) fn Messages() -> impl IntoView {
    use_title(Page::Messages.title());
    let who = use_who();
    view! {
        <div class="chat" class:chat-open=move || who.with(Option::is_some)>
            <header class="chat-bar">
                <h1 class="sr-only">"Messages"</h1>
                <Brand/>
                <ConnectionStatus/>
                <a class="chat-settings" href="/settings">"Settings"</a>
            </header>
            <OwnKeyBanner/>
            <main class="panes">
                <AccountGate loading=Skeleton>
                    <Panes/>
                </AccountGate>
            </main>
        </div>
    }
}

/// What everybody sees first: the shapes of the list and of a conversation.
#[component]
fn Skeleton() -> impl IntoView {
    view! {
        <ConversationListSkeleton/>
        <ThreadSkeleton/>
    }
}

#[component]
fn Panes() -> impl IntoView {
    let who = use_who();
    let starting = RwSignal::new(false);
    let switching = RwSignal::new(false);
    let listing = RwSignal::new(false);
    use_shortcuts(switching, listing);
    view! {
        <ConversationList on_new=Callback::new(move |()| starting.set(true))/>
        {move || match who.get() {
            Some(handle) => view! { <Thread handle/> }.into_any(),
            None => view! { <NoThread/> }.into_any(),
        }}
        <NewConversationDialog open=starting/>
        <Switcher open=switching/>
        <ShortcutSheet open=listing/>
    }
}
