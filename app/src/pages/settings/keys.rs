//! The section "Profile and keys".

use kez_client::event::UiEvent;
use kez_client::view::{AccountView, Me};
use leptos::prelude::*;

use super::lock::Lock;
use super::rotation::Rotation;
use crate::components::chain_alarm::OwnKeyBanner;
use crate::components::key_text::{Fingerprint, KeyText};
use crate::components::word_list::WordList;
use crate::components::words_check::WordsCheck;
use crate::profile::fingerprint;
use crate::reactive::memo;
use crate::session::{Session, use_session};

#[component]
pub(super) fn Keys() -> impl IntoView {
    let session = use_session();
    let profile = memo(move || me(session, |me| (me.handle.clone(), me.server.clone(), me.primary.clone())));
    view! {
        <section>
            <h2>"Profile and keys"</h2>
            <OwnKeyBanner/>
            {move || profile.get().map(|(handle, server, primary)| view! {
                <p>
                    <strong>{format!("@{handle}")}</strong>
                    {format!(" on {server}. ")}
                    <a href=format!("/u/{handle}") rel="external">"Public profile"</a>
                </p>
                <h3>"Key fingerprint"</h3>
                <p>
                    "A short form of your public key. It is also on your public profile: if the two differ, the server \
                     shows a false key. It is not the safety number, which you compare with one person under Verify."
                </p>
                {fingerprint(&primary).map(|digits| view! { <Fingerprint digits/> })}
                <h3>"Public key"</h3>
                <KeyText key=primary/>
            })}
            <Show
                when=move || has_words(session)
                fallback=|| view! {
                    <h3 id="recovery-phrase">"Recovery phrase"</h3>
                    <p>"This browser was linked by another one. It does not have your recovery phrase."</p>
                }
            >
                <Phrase/>
            </Show>
            <Rotation/>
            <Lock/>
        </section>
    }
}

#[component]
fn Phrase() -> impl IntoView {
    let session = use_session();
    // The sign-out section asks for the words too, and must not show them here.
    let wanted = RwSignal::new(false);
    let words = memo(move || me(session, |me| me.phrase.clone()).flatten().filter(|_| wanted.get()));
    let shown = move || words.with(Option::is_some);
    let confirmed = memo(move || me(session, |me| me.phrase_confirmed).unwrap_or(true));
    let checking = RwSignal::new(false);
    let kept = Callback::new(move |()| {
        checking.set(false);
        wanted.set(false);
        session.send(UiEvent::PhraseKept);
        session.send(UiEvent::PhraseHidden);
    });
    let toggle = move |_| {
        checking.set(false);
        let show = !wanted.get_untracked();
        wanted.set(show);
        session.send(if show { UiEvent::PhraseShown } else { UiEvent::PhraseHidden });
    };
    // Hides the words when the user leaves the page.
    on_cleanup(move || {
        if wanted.try_get_untracked() == Some(true) {
            session.send(UiEvent::PhraseHidden);
        }
    });
    view! {
        <h3 id="recovery-phrase">"Recovery phrase"</h3>
        <p>"The 24 words restore your account. Anyone who has them can act as you: look around before you show them."</p>
        {move || match (words.get(), checking.get()) {
            (Some(words), true) => view! {
                <p>"Enter these three of its words."</p>
                <WordsCheck words id="recovery-word" button="Confirm phrase" on_done=kept/>
            }
            .into_any(),
            (Some(words), false) => view! { <WordList words/> }.into_any(),
            (None, _) => ().into_any(),
        }}
        <p class="actions">
            <Show when=move || shown() && !confirmed.get() && !checking.get()>
                <button type="button" class="button button-primary" on:click=move |_| checking.set(true)>
                    "I have written it down"
                </button>
            </Show>
            <button type="button" class="button" on:click=toggle>
                {move || if shown() { "Hide recovery phrase" } else { "Show recovery phrase" }}
            </button>
        </p>
    }
}

/// Whether this browser has the recovery phrase.
pub(super) fn has_words(session: Session) -> bool {
    me(session, |me| me.has_words).unwrap_or(true)
}

pub(super) fn me<T>(session: Session, part: impl Fn(&Me) -> T) -> Option<T> {
    session.account.with(|account| match account {
        AccountView::Open(me) => Some(part(me)),
        _ => None,
    })
}
