//! The section "Privacy and blocking".

use kez_client::event::UiEvent;
use leptos::prelude::*;

use crate::session::use_session;

#[component]
pub(super) fn Blocking() -> impl IntoView {
    let session = use_session();
    let blocked = session.blocked;
    view! {
        <section>
            <h2>"Privacy and blocking"</h2>
            <p>
                "Nothing that blocked people send reaches you, and they are not told. Your server knows whom you have \
                 accepted and whom you have blocked."
            </p>
            <h3 id="blocked-title">"Blocked"</h3>
            {move || blocked.with(Vec::is_empty).then(|| view! { <p class="hint">"You have blocked nobody."</p> })}
            <ul class="blocked" aria-labelledby="blocked-title">
                {move || blocked.get().into_iter().map(|handle| view! { <BlockedRow handle/> }).collect_view()}
            </ul>
        </section>
    }
}

#[component]
fn BlockedRow(handle: String) -> impl IntoView {
    let session = use_session();
    let name = format!("@{handle}");
    let unblock = move |_| session.send(UiEvent::UnblockPressed { handle: handle.clone() });
    view! {
        <li>
            <span>{name}</span>
            <button type="button" class="button" on:click=unblock>"Unblock"</button>
        </li>
    }
}
