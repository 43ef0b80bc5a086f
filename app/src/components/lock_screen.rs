//! The lock screen: this browser has an account whose key is protected by a passphrase.

use kez_client::event::UiEvent;
use kez_client::secret::Secret;
use kez_client::view::AccountView;
use leptos::{ev, html, prelude::*};

use crate::components::field::{ErrorText, Field, text_of};
use crate::components::icon::Logo;
use crate::session::use_session;
use crate::text::sentence;

/// Asks for the passphrase.
#[component]
pub(crate) fn LockScreen() -> impl IntoView {
    let session = use_session();
    let node = NodeRef::<html::Input>::new();
    let busy = Signal::derive(move || {
        session.account.with(|account| matches!(account, AccountView::Locked { busy: true, .. }))
    });
    let error = Signal::derive(move || {
        session.account.with(|account| match account {
            AccountView::Locked { error, .. } => error.as_ref().map(sentence),
            _ => None,
        })
    });
    let unlock = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let passphrase = text_of(node);
        if !passphrase.is_empty() && !busy.get_untracked() {
            session.send(UiEvent::UnlockSubmitted { passphrase: Secret::new(passphrase) });
        }
    };
    view! {
        <div class="centre">
            <form class="card card-narrow" on:submit=unlock>
                <Logo/>
                <h2>"Locked"</h2>
                <p>"Your keys and messages in this browser are encrypted with your passphrase."</p>
                <Field label="Passphrase" id="unlock-passphrase" node secret=true autocomplete="current-password" autofocus=true/>
                <ErrorText text=error/>
                <button type="submit" class="button button-primary" disabled=move || busy.get()>
                    {move || if busy.get() { "Unlocking…" } else { "Unlock" }}
                </button>
            </form>
        </div>
    }
}
