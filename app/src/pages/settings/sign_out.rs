//! The section "This browser": signing out without deleting the account.

use kez_client::event::UiEvent;
use leptos::prelude::*;

use super::keys::{has_words, me};
use crate::components::dialog::Dialog;
use crate::components::words_check::WordsCheck;
use crate::reactive::memo;
use crate::session::use_session;

#[component]
pub(super) fn SignOut() -> impl IntoView {
    let open = RwSignal::new(false);
    let on_close = Callback::new(move |()| open.set(false));
    view! {
        <section>
            <h2>"This browser"</h2>
            <p>
                "Signing out deletes your keys and messages from this browser. Your account stays: your recovery phrase brings it \
                 back, here or elsewhere. Messages that were not kept for your recovery phrase remain only in your other browsers."
            </p>
            <p class="actions">
                <button type="button" class="button" on:click=move |_| open.set(true)>"Sign out of this browser"</button>
            </p>
            <Dialog id="sign-out-title" title="Sign out of this browser?" open on_close>
                <Confirm/>
            </Dialog>
        </section>
    }
}

#[component]
fn Confirm() -> impl IntoView {
    let session = use_session();
    if has_words(session) {
        return view! { <ConfirmWithWords/> }.into_any();
    }
    view! {
        <div class="stack">
            <p>"This browser leaves your account. Unsent messages and drafts are deleted."</p>
            <p class="actions">
                <button
                    type="button"
                    class="button button-primary"
                    on:click=move |_| session.send(UiEvent::SignOutConfirmed)
                >
                    "Sign out"
                </button>
            </p>
        </div>
    }
    .into_any()
}

/// Asks for the words before signing out: without them, the account would be lost.
#[component]
fn ConfirmWithWords() -> impl IntoView {
    let session = use_session();
    let words = memo(move || me(session, |me| me.phrase.clone()).flatten());
    session.send(UiEvent::PhraseShown);
    on_cleanup(move || session.send(UiEvent::PhraseHidden));
    let sign_out = Callback::new(move |()| session.send(UiEvent::SignOutConfirmed));
    view! {
        <div class="stack">
            <p>
                "Without your recovery phrase the account would be lost. Enter these three of its words, to be sure \
                 that you have it. Unsent messages and drafts are deleted."
            </p>
            {move || words.get().map(|words| view! {
                <WordsCheck words id="sign-out-word" button="Sign out" on_done=sign_out/>
            })}
        </div>
    }
}
