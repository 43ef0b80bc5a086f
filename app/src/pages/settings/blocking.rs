//! The section "Privacy and blocking".

use kez_client::event::UiEvent;
use kez_client::view;
use leptos::prelude::*;

use super::keys::me;
use crate::reactive::memo;
use crate::session::use_session;

#[component]
pub(super) fn Blocking() -> impl IntoView {
    let session = use_session();
    let blocked = session.blocked;
    let refuses = memo(move || me(session, |me| me.chain.refuses_old).unwrap_or_default());
    view! {
        <section>
            <h2>"Privacy and blocking"</h2>
            <p>
                "Nothing that blocked people send reaches you, and they are not told. Your server knows who you have \
                 accepted and who you have blocked."
            </p>
            <label class="choice">
                <input
                    type="checkbox"
                    aria-describedby="refuse-old"
                    prop:checked=move || refuses.get()
                    on:change=move |event| {
                        session.send(UiEvent::OldMessagesRefused { on: event_target_checked(&event) });
                    }
                />
                "Refuse old messages"
            </label>
            <p class="hint" id="refuse-old">
                "Messages of other apps, or of browsers without an update, are then not read. People who write with \
                 one are told."
            </p>
            <h3 id="blocked-title">"Blocked"</h3>
            {move || blocked.with(Vec::is_empty).then(|| view! { <p class="hint">"You have not blocked anyone."</p> })}
            <ul class="blocked" aria-labelledby="blocked-title">
                {move || blocked.get().into_iter().map(|row| view! { <BlockedRow row/> }).collect_view()}
            </ul>
        </section>
    }
}

#[component]
fn BlockedRow(row: view::BlockedRow) -> impl IntoView {
    let session = use_session();
    let view::BlockedRow { handle, lifting, in_doubt } = row;
    let name = format!("@{handle}");
    let again = {
        let handle = handle.clone();
        move |_| session.send(UiEvent::BlockPressed { handle: handle.clone() })
    };
    let unblock = move |_| session.send(UiEvent::UnblockPressed { handle: handle.clone() });
    let doubt = in_doubt.then(|| {
        view! {
            <span class="hint">"Your server no longer knows of this block. It still applies in this browser."</span>
            <button type="button" class="button" on:click=again>"Block again"</button>
        }
    });
    let end = if lifting {
        view! { <span class="hint">"Unblocking: your server does not know yet"</span> }.into_any()
    } else {
        view! { <button type="button" class="button" on:click=unblock>"Unblock"</button> }.into_any()
    };
    view! {
        <li>
            <span>{name}</span>
            {doubt}
            {end}
        </li>
    }
}
