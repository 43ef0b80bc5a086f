//! Part of the section "Profile and keys": the key history, the rotation phrase, and changing the key.

use kez_client::event::UiEvent;
use kez_client::secret::Secret;
use leptos::{ev, html, prelude::*};

use super::keys::{has_words, me};
use crate::components::field::ErrorText;
use crate::components::key_history::KeyHistory;
use crate::components::word_list::WordList;
use crate::components::words_check::WordsCheck;
use crate::reactive::memo;
use crate::session::use_session;
use crate::text::sentence;

/// The state of the user's own chain, and its actions. Empty if the server keeps no key histories.
#[component]
pub(super) fn Rotation() -> impl IntoView {
    let session = use_session();
    let history = memo(move || me(session, |me| me.chain.history.clone()).unwrap_or_default());
    let has_history = memo(move || history.with(|history| !history.is_empty()));
    view! {
        <Show when=move || has_history.get()>
            <h3>"Key history"</h3>
            <p>"The signed and public record of your key. Your friends' apps check it."</p>
            {move || {
                let entries = history.get().into_iter().map(|row| (row.at, row.text)).collect();
                view! { <KeyHistory entries/> }
            }}
            <Show when=move || has_words(session)>
                <Phrase/>
                <ChangeKey/>
            </Show>
        </Show>
    }
}

#[component]
fn Phrase() -> impl IntoView {
    let session = use_session();
    let words = memo(move || me(session, |me| me.chain.phrase.clone()).flatten());
    let waits = memo(move || me(session, |me| me.chain.phrase_waits).unwrap_or_default());
    let shown = memo(move || words.with(Option::is_some));
    let checking = RwSignal::new(false);
    let kept = Callback::new(move |()| session.send(UiEvent::RotationPhraseKept));
    let toggle = move |_| {
        if checking.get_untracked() {
            return checking.set(false);
        }
        session.send(if shown.get_untracked() {
            UiEvent::RotationPhraseHidden
        } else {
            UiEvent::RotationPhraseShown
        });
    };
    // Hides the words when the user leaves the page.
    on_cleanup(move || {
        if shown.try_get_untracked() == Some(true) {
            session.send(UiEvent::RotationPhraseHidden);
        }
    });
    view! {
        <h3 id="rotation-phrase">"Rotation phrase"</h3>
        <Show
            when=move || waits.get()
            fallback=|| view! {
                <p>"You have written it down: it is no longer kept here. It replaces your key if your key is stolen."</p>
            }
        >
            <p>
                "A second phrase of 24 words. If your key is stolen, only this phrase can replace it, so keep it apart \
                 from the first. It is kept here only until you have written it down."
            </p>
            {move || match (words.get(), checking.get()) {
                (Some(words), true) => view! {
                    <p>"Enter these three of its words. After that, your written copy is the only one."</p>
                    <WordsCheck words id="rotation-word" button="Confirm rotation phrase" on_done=kept/>
                }
                .into_any(),
                (Some(words), false) => view! { <WordList words label="Rotation phrase"/> }.into_any(),
                (None, _) => ().into_any(),
            }}
            <p class="actions">
                <button type="button" class="button" on:click=toggle>
                    {move || match (shown.get(), checking.get()) {
                        (false, _) => "Show rotation phrase",
                        (true, false) => "Hide rotation phrase",
                        (true, true) => "Show it again",
                    }}
                </button>
                <Show when=move || shown.get() && !checking.get()>
                    <button type="button" class="button button-primary" on:click=move |_| checking.set(true)>
                        "I have written it down"
                    </button>
                </Show>
            </p>
        </Show>
    }
}

#[component]
fn ChangeKey() -> impl IntoView {
    let session = use_session();
    let field = NodeRef::<html::Textarea>::new();
    let replaced = memo(move || me(session, |me| me.chain.replaced).unwrap_or_default());
    let changing = memo(move || me(session, |me| me.chain.changing).unwrap_or_default());
    let error = Signal::derive(move || me(session, |me| me.chain.error.as_ref().map(sentence)).flatten());
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let Some(field) = field.get_untracked() else { return };
        session.send(UiEvent::KeyChangeSubmitted { phrase: Secret::new(field.value()) });
        field.set_value("");
    };
    view! {
        <h3>"Change key"</h3>
        <p>
            {move || if replaced.get() {
                "Your key was changed in another browser. Enter the phrase that it was changed with to continue here."
            } else {
                "If your key may have been stolen, enter your rotation phrase: it becomes your key. Your handle and \
                 your messages stay, friends are told, the old recovery phrase stops working, and you get a new \
                 rotation phrase."
            }}
        </p>
        <form class="stack" on:submit=submit>
            <div class="field">
                <label for="change-key-phrase">"Rotation phrase"</label>
                <textarea
                    node_ref=field
                    id="change-key-phrase"
                    rows="4"
                    autocomplete="off"
                    autocapitalize="none"
                    spellcheck="false"
                    disabled=move || changing.get()
                ></textarea>
            </div>
            <ErrorText text=error/>
            <p class="actions">
                <button type="submit" class="button" disabled=move || changing.get()>
                    {move || if changing.get() { "Changing the key…" } else { "Change key" }}
                </button>
            </p>
        </form>
    }
}
