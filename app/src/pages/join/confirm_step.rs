//! Step 3: three of the words, to check that they were written down.

use kez_client::event::UiEvent;
use kez_client::secret::Secret;
use leptos::{ev, html, prelude::*};

use super::{BackButton, error_of};
use crate::components::field::{ErrorText, Field, text_of};
use crate::session::use_session;

#[component]
pub(super) fn ConfirmStep(positions: Vec<u8>) -> impl IntoView {
    let session = use_session();
    let nodes: Vec<NodeRef<html::Input>> = positions.iter().map(|_| NodeRef::new()).collect();
    let fields: Vec<_> = positions
        .iter()
        .zip(&nodes)
        .enumerate()
        .map(|(index, (position, node))| {
            view! {
                <Field label=format!("Word {position}") id=format!("join-word-{position}") node=*node autofocus=index == 0/>
            }
        })
        .collect();
    let confirm = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let words =
            nodes.iter().map(|node| Secret::new(text_of(*node).trim().to_ascii_lowercase())).collect();
        session.send(UiEvent::PhraseConfirmed { words });
    };
    view! {
        <form class="stack" on:submit=confirm>
            <h2>"Confirm your phrase"</h2>
            <p>"Enter these three of the words that you wrote down."</p>
            {fields}
            <ErrorText text=error_of(session)/>
            <p class="actions">
                <BackButton/>
                <button type="submit" class="button button-primary">"Confirm phrase"</button>
            </p>
        </form>
    }
}
