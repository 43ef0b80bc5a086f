//! The delivery mark of a sent message: an icon, and its meaning in words for screen readers.

use kez_client::view::DeliveryState;
use leptos::prelude::*;

use crate::components::icon::{Glyph, Icon};

/// The mark; nothing on received messages.
#[component]
pub(crate) fn DeliveryMark(#[prop(into)] state: Signal<DeliveryState>) -> impl IntoView {
    move || {
        let (glyph, words) = match state.get() {
            DeliveryState::Sending => (Glyph::Clock, "Sending"),
            DeliveryState::Sent => (Glyph::Check, "Sent"),
            DeliveryState::Failed => (Glyph::Alert, "Not sent"),
            DeliveryState::Received | DeliveryState::Undecryptable => return None,
        };
        Some(view! {
            <span class="mark">
                <Icon of=glyph/>
                <span class="sr-only">{words}</span>
            </span>
        })
    }
}

/// The value of `data-state`.
pub(crate) fn state_name(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Sending => "sending",
        DeliveryState::Sent => "sent",
        DeliveryState::Failed => "failed",
        DeliveryState::Received => "received",
        DeliveryState::Undecryptable => "undecryptable",
    }
}
