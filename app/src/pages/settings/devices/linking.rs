//! "Link a device": the code of a new browser, and the question whether to link it.

use kez_client::event::UiEvent;
use kez_client::secret::Secret;
use kez_client::view::LinkingStep;
use leptos::{ev, html, prelude::*};

use super::{me, part};
use crate::browser::take_hash;
use crate::components::field::{ErrorText, Field, text_of};
use crate::reactive::{effect, memo};
use crate::session::use_session;
use crate::text::sentence;

/// What precedes the code in the address that a new browser shows.
const IN_ADDRESS: &str = "#link=";

#[component]
pub(super) fn LinkDevice() -> impl IntoView {
    let session = use_session();
    let open = RwSignal::new(false);
    let step = memo(move || part(session, |devices| devices.linking.step));
    effect(move || {
        // The address in the QR code of a new browser.
        if let Some(text) = take_hash(IN_ADDRESS) {
            open.set(true);
            session.send(UiEvent::LinkCodeTyped { text: Secret::new(text) });
        }
    });
    let end = Callback::new(move |()| {
        open.set(false);
        session.send(UiEvent::LinkCancelled);
    });
    view! {
        {move || match (open.get(), step.get()) {
            (false, LinkingStep::Code) => view! {
                <p class="actions">
                    <button type="button" class="button" on:click=move |_| open.set(true)>"Link a device"</button>
                </p>
            }.into_any(),
            (_, LinkingStep::Code | LinkingStep::Looking) => view! { <CodeForm end/> }.into_any(),
            (_, LinkingStep::Confirm) => view! { <Question end/> }.into_any(),
            (_, LinkingStep::Linking) => view! {
                <p role="status">"Linking the browser…"</p>
                <p class="actions"><Cancel end/></p>
            }.into_any(),
            (_, LinkingStep::Linked) => view! {
                <p role="status">"The browser is linked."</p>
                <p class="actions">
                    <button type="button" class="button" on:click=move |_| end.run(())>"Done"</button>
                </p>
            }.into_any(),
        }}
    }
}

#[component]
fn CodeForm(end: Callback<()>) -> impl IntoView {
    let session = use_session();
    let code = NodeRef::<html::Input>::new();
    let busy = Signal::derive(move || part(session, |devices| devices.linking.step) == LinkingStep::Looking);
    let error = Signal::derive(move || part(session, |devices| devices.linking.error.as_ref().map(sentence)));
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        session.send(UiEvent::LinkCodeTyped { text: Secret::new(text_of(code)) });
    };
    view! {
        <form class="stack" on:submit=submit>
            <p>"In the new browser, choose \"Link to another browser\" on the start page. It shows a code."</p>
            <Field label="Code" id="link-code" node=code disabled=busy autofocus=true/>
            <ErrorText text=error/>
            <p class="actions">
                <button type="submit" class="button button-primary" disabled=move || busy.get()>"Continue"</button>
                <Cancel end/>
            </p>
        </form>
    }
}

#[component]
fn Question(end: Callback<()>) -> impl IntoView {
    let session = use_session();
    let handle = me(session, |me| me.handle.clone()).unwrap_or_default();
    view! {
        <p><strong>{format!("Link this browser to @{handle}?")}</strong></p>
        <p>
            "The browser that shows the code will read and write everything in your account. Go on only if you hold it in \
             your hands."
        </p>
        <p class="actions">
            <button
                type="button"
                class="button button-primary"
                on:click=move |_| session.send(UiEvent::LinkConfirmed)
            >
                "Link"
            </button>
            <Cancel end/>
        </p>
    }
}

#[component]
fn Cancel(end: Callback<()>) -> impl IntoView {
    view! {
        <button type="button" class="button" on:click=move |_| end.run(())>"Cancel"</button>
    }
}
