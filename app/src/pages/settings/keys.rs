//! The section "Profile and keys".

use kez_client::event::UiEvent;
use kez_client::view::{AccountView, Me};
use leptos::prelude::*;

use super::rotation::Rotation;
use crate::components::chain_alarm::OwnKeyBanner;
use crate::components::key_text::{DigitGroups, KeyText};
use crate::components::word_list::WordList;
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
                <h3>"Safety fingerprint"</h3>
                {fingerprint(&primary).map(|digits| view! { <DigitGroups digits/> })}
                <h3>"Public key"</h3>
                <KeyText key=primary/>
            })}
            <Phrase/>
            <Rotation/>
            <Lock/>
        </section>
    }
}

#[component]
fn Phrase() -> impl IntoView {
    let session = use_session();
    let words = memo(move || me(session, |me| me.phrase.clone()).flatten());
    let shown = move || words.with(Option::is_some);
    let toggle =
        move |_| session.send(if untrack(shown) { UiEvent::PhraseHidden } else { UiEvent::PhraseShown });
    // Leaving the page hides the words again.
    on_cleanup(move || {
        if words.try_with_untracked(Option::is_some) == Some(true) {
            session.send(UiEvent::PhraseHidden);
        }
    });
    view! {
        <h3>"Recovery phrase"</h3>
        <p>"The 24 words bring your account back. Whoever has them can be you: look around before you show them."</p>
        {move || words.get().map(|words| view! { <WordList words/> })}
        <p class="actions">
            <button type="button" class="button" on:click=toggle>
                {move || if shown() { "Hide recovery phrase" } else { "Show recovery phrase" }}
            </button>
        </p>
    }
}

#[component]
fn Lock() -> impl IntoView {
    let session = use_session();
    let can_lock = memo(move || me(session, |me| me.has_passphrase).unwrap_or_default());
    view! {
        <h3>"Lock"</h3>
        <p>
            {move || if can_lock.get() {
                "Locking closes your messages in all tabs until the passphrase is typed."
            } else {
                "This account has no passphrase in this browser, so it cannot be locked."
            }}
        </p>
        <p class="actions">
            <button
                type="button"
                class="button"
                disabled=move || !can_lock.get()
                on:click=move |_| session.send(UiEvent::LockPressed)
            >
                "Lock now"
            </button>
        </p>
    }
}

pub(super) fn me<T>(session: Session, part: impl Fn(&Me) -> T) -> Option<T> {
    session.account.with(|account| match account {
        AccountView::Open(me) => Some(part(me)),
        _ => None,
    })
}
