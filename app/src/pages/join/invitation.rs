//! The invitation code in step 1, on a server that takes new accounts by invitation.

use kez_client::event::UiEvent;
use kez_client::secret::Secret;
use leptos::{html, prelude::*};
use wasm_bindgen::JsValue;

use super::{busy_of, join_view};
use crate::components::field::Field;
use crate::page::Page;
use crate::reactive::effect;
use crate::session::use_session;

/// The prefix of the fragment of an invitation link.
const IN_LINK: &str = "#invite=";

/// The field for the code, filled in from an invitation link.
#[component]
pub(super) fn Invitation() -> impl IntoView {
    let session = use_session();
    let node = NodeRef::<html::Input>::new();
    let known = untrack(|| join_view(session, |join| join.invitation.clone())).unwrap_or_default();
    effect(move || {
        let Some(field) = node.get() else { return };
        match take_from_link() {
            Some(code) => {
                field.set_value(&code);
                session.send(UiEvent::InvitationTyped { text: Secret::new(code) });
            }
            None => field.set_value(known.expose()),
        }
    });
    let on_input = Callback::new(move |text: String| {
        session.send(UiEvent::InvitationTyped { text: Secret::new(text) });
    });
    view! {
        <Field
            label="Invitation"
            id="join-invitation"
            node
            disabled=busy_of(session)
            described_by="join-invitation-hint"
            on_input
        />
        <p id="join-invitation-hint" class="hint">
            "This server accepts new people by invitation only. A code has 20 letters and digits, such as K7QXM-2R9VD-WT4HB-N8ZPC."
        </p>
    }
}

/// Takes the code out of the URL. If it stayed there, it would override the typed code when the user returns to this
/// step.
fn take_from_link() -> Option<String> {
    let hash = window().location().hash().ok()?;
    let code = hash.strip_prefix(IN_LINK)?;
    let _ = window().history().ok()?.replace_state_with_url(&JsValue::NULL, "", Some(Page::Join.path()));
    Some(code.to_owned())
}
