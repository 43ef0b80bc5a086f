//! Step 2: the recovery phrase.

use kez_client::event::UiEvent;
use leptos::prelude::*;

use super::BackButton;
use crate::components::word_list::WordList;
use crate::session::use_session;

#[component]
pub(super) fn PhraseStep(words: Vec<String>) -> impl IntoView {
    let session = use_session();
    view! {
        <section class="stack">
            <h2>"Write these 24 words down"</h2>
            <p>
                "They are your account: anyone who has them can act as you, and without them your account cannot be restored. \
                 Paper is a good place; a screenshot is not."
            </p>
            <WordList words/>
            <p class="actions">
                <BackButton/>
                <button
                    type="button"
                    class="button"
                    on:click=move |_| session.send(UiEvent::PhraseConfirmationPutOff)
                >
                    "Later"
                </button>
                <button type="button" class="button button-primary" on:click=move |_| session.send(UiEvent::PhraseSeen)>
                    "Continue"
                </button>
            </p>
        </section>
    }
}
