//! Goes to the first message of a day.

use kez_client::event::{Jump, UiEvent};
use leptos::{ev, html, prelude::*};

use crate::browser::local_midnight;
use crate::components::dialog::Dialog;
use crate::components::field::text_of;
use crate::session::use_session;

/// The dialog "Go to date".
#[component]
pub(super) fn DateDialog(handle: String, open: RwSignal<bool>) -> impl IntoView {
    let session = use_session();
    let node = NodeRef::<html::Input>::new();
    let go = Callback::new(move |event: ev::SubmitEvent| {
        event.prevent_default();
        if let Some(day) = local_midnight(&text_of(node)) {
            open.set(false);
            session.send(UiEvent::JumpWanted { handle: handle.clone(), to: Jump::Time(day) });
        }
    });
    view! {
        <Dialog id="date-title" title="Go to date" open on_close=Callback::new(move |()| open.set(false))>
            <form class="stack" on:submit=move |event| go.run(event)>
                <div class="field">
                    <label for="go-to-date">"Date"</label>
                    <input node_ref=node id="go-to-date" type="date" required=true/>
                </div>
                <p class="actions">
                    <button type="submit" class="button button-primary">"Go"</button>
                </p>
            </form>
        </Dialog>
    }
}
