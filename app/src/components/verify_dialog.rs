//! The dialog "Verify @handle": the safety number, and whether it was found to match.

use kez_client::event::UiEvent;
use kez_client::view;
use leptos::prelude::*;

use crate::components::dialog::Dialog;
use crate::components::key_text::DigitGroups;
use crate::session::use_session;

/// Shows the safety number of the open conversation.
#[component]
pub(crate) fn VerifyDialog(handle: String, open: RwSignal<bool>) -> impl IntoView {
    let title = format!("Verify @{handle}");
    let on_close = Callback::new(move |()| open.set(false));
    view! {
        <Dialog id="verify-title" title open on_close>
            <SafetyNumber handle=handle.clone()/>
            <Block handle=handle.clone() open/>
        </Dialog>
    }
}

/// For somebody who turned out to be somebody else, or unwelcome.
#[component]
fn Block(handle: String, open: RwSignal<bool>) -> impl IntoView {
    let session = use_session();
    let label = format!("Block @{handle}");
    let can_block =
        session.thread_part_of(&handle, |thread| thread.block != view::Block::Set && !thread.request);
    let block = move |_| {
        session.send(UiEvent::BlockPressed { handle: handle.clone() });
        open.set(false);
    };
    let button = StoredValue::new((label, Callback::new(block)));
    move || {
        can_block.get().then(|| {
            let (label, block) = button.get_value();
            view! {
                <p class="actions">
                    <button type="button" class="button" on:click=move |_| block.run(())>{label}</button>
                </p>
            }
        })
    }
}

#[component]
fn SafetyNumber(handle: String) -> impl IntoView {
    let session = use_session();
    let number = session.thread_part_of(&handle, |thread| thread.safety_number.clone());
    let verified = session.thread_part_of(&handle, |thread| thread.verified);
    let change = {
        let handle = handle.clone();
        move |_| {
            let verified = !verified.get_untracked();
            session.send(UiEvent::VerifiedChanged { handle: handle.clone(), verified });
        }
    };
    view! {
        <div class="stack">
            {move || match number.get() {
                Some(digits) => view! { <DigitGroups digits/> }.into_any(),
                None => view! { <p>"The safety number shows once the key is known."</p> }.into_any(),
            }}
            <p>
                {format!(
                    "Open this dialog at @{handle}'s side too and compare the numbers, in person or in a call. If they are \
                     the same, nobody stands between you.",
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
