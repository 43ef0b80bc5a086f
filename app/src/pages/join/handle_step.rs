//! Step 1: the handle.

use std::time::Duration;

use kez_client::event::UiEvent;
use kez_client::view::Availability;
use kez_core::api::RegistrationMode;
use leptos::leptos_dom::helpers::TimeoutHandle;
use leptos::{ev, html, prelude::*};

use super::invitation::Invitation;
use super::{busy_of, error_of, join_view, mode_of};
use crate::components::field::{ErrorText, Field};
use crate::components::handle_check::HandleCheck;
use crate::reactive::{effect, memo};
use crate::session::use_session;

/// How long after the last keystroke the server is asked.
const PAUSE: Duration = Duration::from_millis(250);

#[component]
pub(super) fn HandleStep() -> impl IntoView {
    let session = use_session();
    let node = NodeRef::<html::Input>::new();
    let typed = RwSignal::new(untrack(|| join_view(session, |join| join.handle.clone())).unwrap_or_default());
    let known = memo(move || {
        join_view(session, |join| (join.handle.clone(), join.availability.clone())).unwrap_or_default()
    });
    let availability = Signal::derive(move || {
        let (handle, availability) = known.get();
        if typed.with(|typed| *typed == handle) { availability } else { Availability::Checking }
    });
    let by_invitation = memo(move || mode_of(session) == Some(RegistrationMode::Invite));
    let busy = busy_of(session);
    let cannot_go = move || busy.get() || availability.get() != Availability::Available;
    effect(move || {
        // The user has returned to this step: the field shows the chosen handle.
        if let Some(field) = node.get() {
            field.set_value(&typed.get_untracked());
        }
    });
    let timer = StoredValue::new(None::<TimeoutHandle>);
    let on_input = Callback::new(move |text: String| {
        typed.set(text.clone());
        if let Some(Some(earlier)) = timer.try_update_value(Option::take) {
            earlier.clear();
        }
        let report = move || session.send(UiEvent::HandleTyped { text });
        timer.set_value(set_timeout_with_handle(report, PAUSE).ok());
    });
    let go_on = move |event: ev::SubmitEvent| {
        event.prevent_default();
        if !untrack(cannot_go) {
            session.send(UiEvent::HandleChosen);
        }
    };
    view! {
        <form class="stack" on:submit=go_on>
            <p>"Your handle is how people find you. It is public, and it stays yours."</p>
            <Field label="Handle" id="join-handle" node disabled=busy described_by="join-handle-check" on_input/>
            <HandleCheck id="join-handle-check" availability/>
            <Show when=move || by_invitation.get()>
                <Invitation/>
            </Show>
            <ErrorText text=error_of(session)/>
            <p class="actions">
                <button type="submit" class="button button-primary" disabled=cannot_go>"Continue"</button>
            </p>
            <p class="hint">"Have an account? " <a href="/restore">"Restore account"</a></p>
        </form>
    }
}
