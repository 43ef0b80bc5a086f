//! The dialog "Verify @handle": shows the safety number, and whether it was marked as matching.

use kez_client::event::UiEvent;
use leptos::prelude::*;

use crate::components::dialog::Dialog;
use crate::components::key_text::SafetyDigits;
use crate::session::use_session;

/// Shows the safety number of the open conversation.
#[component]
pub(crate) fn VerifyDialog(handle: String, open: RwSignal<bool>) -> impl IntoView {
    let title = format!("Verify @{handle}");
    let on_close = Callback::new(move |()| open.set(false));
    view! {
        <Dialog id="verify-title" title open on_close>
            <SafetyNumber handle=handle.clone()/>
        </Dialog>
    }
}

#[component]
fn SafetyNumber(handle: String) -> impl IntoView {
    let session = use_session();
    let number = session.thread_part_of(&handle, |thread| thread.safety_number.clone());
    let verified = session.thread_part_of(&handle, |thread| thread.verified);
    let primary = session.thread_part_of(&handle, |thread| thread.primary.clone());
    let change = {
        let handle = handle.clone();
        move |_| {
            let verified = !verified.get_untracked();
            let primary = primary.get_untracked().unwrap_or_default();
            session.send(UiEvent::VerifiedChanged { handle: handle.clone(), primary, verified });
        }
    };
    view! {
        <div class="stack">
            {move || match number.get() {
                Some(digits) => view! { <SafetyDigits digits/> }.into_any(),
                None => view! { <p>"The safety number appears once the key is known."</p> }.into_any(),
            }}
            <p>
                {format!(
                    "This is the safety number that you and @{handle} share. Open Verify on @{handle}'s device too, and compare \
                     all twelve groups in person or in a call. If they match, no one can read along.",
                )}
            </p>
            <p role="status" class="verified-line">{move || verified.get().then_some("You have verified this contact.")}</p>
            <p class="actions">
                <button type="button" class="button button-primary" disabled=move || number.with(Option::is_none) on:click=change>
                    {move || if verified.get() { "Remove verification" } else { "Mark as verified" }}
                </button>
            </p>
        </div>
    }
}
