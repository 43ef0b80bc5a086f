//! `/g#<link>`: asks to join the group of a link. What follows `#` never leaves the browser with the address.

use kez_client::event::UiEvent;
use kez_client::view::Reason;
use leptos::prelude::*;
use leptos_router::hooks::use_location;

use crate::browser::use_title;
use crate::components::account_gate::{AccountGate, Stage, stage_of};
use crate::components::keyboard::focus;
use crate::components::site_header::SiteHeader;
use crate::page::Page;
use crate::reactive::{effect, memo};
use crate::session::{Session, use_session};
use crate::text::sentence;
use crate::wanted_page;

/// The id of the text that says how far the request is.
const STATE_ID: &str = "join-group-state";

/// How far the user is with the group of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// The address is no link to a group.
    NoLink,
    /// The user has not asked yet. There may be an answer of the server to an earlier request.
    Open(Option<Reason>),
    /// The server does not have the request yet.
    Sending,
    /// An admin has to approve.
    Waiting,
    /// The user belongs to the group with this id.
    Member(String),
}

/// The page.
#[component]
pub(crate) fn JoinGroup() -> impl IntoView {
    use_title(Page::JoinGroup.title());
    let session = use_session();
    // Known in the browser only, after hydration.
    let link = RwSignal::new(String::new());
    let hash = use_location().hash;
    effect(move || {
        hash.get();
        let text = window().location().hash().unwrap_or_default();
        link.set(text.trim_start_matches('#').to_owned());
    });
    let stage = stage_of(session);
    effect(move || {
        if stage.get() == Stage::None {
            link.with(|link| wanted_page::remember(&format!("{}#{link}", Page::JoinGroup.path())));
        }
    });
    view! {
        <div class="page">
            <SiteHeader/>
            <main class="prose narrow" id="main" tabindex="-1">
                <h1>"You were invited to a group"</h1>
                <AccountGate loading=|| ()>
                    <Request link/>
                </AccountGate>
            </main>
        </div>
    }
}

#[component]
fn Request(link: RwSignal<String>) -> impl IntoView {
    let session = use_session();
    let state = memo(move || link.with(|link| state_of(session, link)));
    let ask = move |_| {
        session.send(UiEvent::JoinAsked { link: link.get_untracked() });
        focus(STATE_ID);
    };
    view! {
        <div class="stack">
            <div id=STATE_ID role="status" tabindex="-1">
                {move || match state.get() {
                    State::NoLink => Some(view! { <p class="error">{sentence(&Reason::BadLink)}</p> }.into_any()),
                    State::Open(why) => why.map(|why| view! { <p class="error">{sentence(&why)}</p> }.into_any()),
                    State::Sending => Some(view! { <p>"Your request is being sent."</p> }.into_any()),
                    State::Waiting => Some(view! {
                        <p><strong>"Waiting for approval"</strong></p>
                        <p class="hint">"When an admin approves, the group is in your messages."</p>
                    }.into_any()),
                    State::Member(gid) => Some(view! {
                        <p>"You belong to this group."</p>
                        <p class="actions"><a class="button button-primary" href=format!("/messages/g/{gid}")>"Open the group"</a></p>
                    }.into_any()),
                }}
            </div>
            <Show when=move || matches!(state.get(), State::Open(_))>
                <p>"The members of the group see your handle when you ask. New members see nothing from before."</p>
                <p class="actions">
                    <button type="button" class="button button-primary" on:click=ask>"Ask to join"</button>
                </p>
            </Show>
        </div>
    }
}

fn state_of(session: Session, link: &str) -> State {
    let Some((_, gid)) = link.split_once('.') else { return State::NoLink };
    let place = format!("g/{gid}");
    let is_member = session.conversations.with(|rows| {
        let row = rows.iter().find(|row| row.handle == place);
        row.and_then(|row| row.group.as_ref()).is_some_and(|group| group.inside)
    });
    if is_member {
        return State::Member(gid.to_owned());
    }
    session.asked.with(|asked| match asked.iter().find(|asked| asked.link == link) {
        Some(asked) if asked.sent => State::Waiting,
        Some(asked) if asked.refused.is_none() => State::Sending,
        asked => State::Open(asked.and_then(|asked| asked.refused.clone())),
    })
}
