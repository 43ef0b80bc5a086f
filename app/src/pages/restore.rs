//! `/restore`: restores an account from its 24 words.

use kez_client::event::UiEvent;
use kez_client::secret::Secret;
use kez_client::view::{AccountView, RestoreView};
use leptos::{ev, html, prelude::*};

use crate::browser::use_title;
use crate::components::field::{ErrorText, Field, text_of};
use crate::components::site_header::SiteHeader;
use crate::page::Page;
use crate::pages::join::use_leave_when_open;
use crate::session::{Session, use_session};
use crate::text::sentence;

/// The form for the recovery phrase.
#[component]
pub(crate) fn Restore() -> impl IntoView {
    use_title(Page::Restore.title());
    use_leave_when_open();
    view! {
        <div class="page">
            <SiteHeader/>
            <main class="prose narrow" id="main" tabindex="-1">
                <h1>"Restore account"</h1>
                <p>
                    "Type the 24 words of your recovery phrase. It brings back your handle, your groups, and the messages that \
                     you chose to keep for it. A browser that still has your account can pass on all of them: if you have \
                     one, " <a href="/link">"link this browser to it"</a> " instead."
                </p>
                <RestoreForm/>
                <p class="hint">"No account yet? " <a href="/join">"Create account"</a></p>
            </main>
        </div>
    }
}

#[component]
fn RestoreForm() -> impl IntoView {
    let session = use_session();
    let phrase = NodeRef::<html::Textarea>::new();
    let passphrase = NodeRef::<html::Input>::new();
    let busy = Signal::derive(move || restore_view(session, |restore| restore.busy).unwrap_or(true));
    let error = Signal::derive(move || {
        restore_view(session, |restore| restore.error.as_ref().map(sentence)).flatten()
    });
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let words = phrase.get_untracked().map(|field| field.value()).unwrap_or_default();
        if !busy.get_untracked() {
            session.send(UiEvent::RestoreSubmitted {
                phrase: Secret::new(words),
                passphrase: Secret::new(text_of(passphrase)),
            });
        }
    };
    view! {
        <form class="stack" on:submit=submit>
            <div class="field">
                <label for="restore-phrase">"Recovery phrase"</label>
                <textarea
                    node_ref=phrase
                    id="restore-phrase"
                    rows="4"
                    autocomplete="off"
                    autocapitalize="none"
                    spellcheck="false"
                    disabled=move || busy.get()
                ></textarea>
            </div>
            <Field
                label="Passphrase"
                id="restore-passphrase"
                node=passphrase
                secret=true
                autocomplete="new-password"
                disabled=busy
                described_by="restore-passphrase-hint"
            />
            <p id="restore-passphrase-hint" class="hint">
                "Choose a new one for this browser, or leave it empty. It encrypts the data stored here."
            </p>
            <ErrorText text=error/>
            <p class="actions">
                <button type="submit" class="button button-primary" disabled=move || busy.get()>"Restore account"</button>
            </p>
        </form>
    }
}

/// A part of the state of restoring; `None` while the storage has not answered or this browser has an account.
fn restore_view<T>(session: Session, part: impl Fn(&RestoreView) -> T) -> Option<T> {
    session.account.with(|account| match account {
        AccountView::None { restore, .. } => Some(part(restore)),
        _ => None,
    })
}
