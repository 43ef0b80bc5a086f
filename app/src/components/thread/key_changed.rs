//! The banner between a changed key and the next message.

use kez_client::event::UiEvent;
use leptos::prelude::*;

use crate::components::icon::{Glyph, Icon};
use crate::session::use_session;

/// Says that the key behind the handle has changed, and asks for a decision.
#[component]
pub(super) fn KeyChangedBanner(handle: String) -> impl IntoView {
    let session = use_session();
    let key_changed = session.thread_part(|thread| thread.key_changed);
    let primary = session.thread_part(|thread| thread.primary.clone());
    let proven = session.thread_part(|thread| thread.key_change_proven);
    move || {
        let handle = handle.clone();
        key_changed.get().then(move || {
            let text = if proven.get() {
                format!(
                    "The key of @{handle} has changed. The key history proves that @{handle} changed it. You had \
                     compared the old safety number: compare the new one when you can."
                )
            } else {
                format!(
                    "The key of @{handle} has changed. This happens with a new account under the same handle, and also \
                     when someone tries to read along. Ask @{handle} some other way before you continue."
                )
            };
            // The key at the time of rendering: the one whose safety number the user can compare.
            let shown = primary.get().unwrap_or_default();
            let accept = move |_| {
                session.send(UiEvent::NewKeyAccepted { handle: handle.clone(), primary: shown.clone() });
            };
            view! {
                <div class="banner banner-bad" role="alert">
                    <Icon of=Glyph::Alert/>
                    <p>{text}</p>
                    <button type="button" class="button" on:click=accept>"Accept new key"</button>
                </div>
            }
        })
    }
}
