//! "Keep history for my recovery words".

use kez_client::event::UiEvent;
use leptos::prelude::*;

use super::part;
use crate::pages::settings::keys;
use crate::reactive::memo;
use crate::session::use_session;

/// The checkbox, in a browser that has the words.
#[component]
pub(super) fn KeepHistory() -> impl IntoView {
    let session = use_session();
    let has_words = memo(move || keys::has_words(session));
    let keeps = memo(move || part(session, |devices| devices.keeps_history));
    let is_only_one = memo(move || part(session, |devices| devices.rows.len() == 1));
    view! {
        <Show when=move || has_words.get()>
            <label class="choice">
                <input
                    type="checkbox"
                    aria-describedby="keep-history"
                    prop:checked=move || keeps.get()
                    on:change=move |event| session.send(UiEvent::BackupChanged { on: event_target_checked(&event) })
                />
                "Keep history for my recovery words"
            </label>
            <p class="hint" id="keep-history">
                "Your messages are then also kept on the server, sealed so that your recovery words open them: for you, and \
                 for anyone else who has the words. What was kept stays there as long as your other messages do."
            </p>
            <Show when=move || is_only_one.get() && !keeps.get()>
                <p role="note">"Only this browser has your messages. If it is lost, so are they."</p>
            </Show>
        </Show>
    }
}
