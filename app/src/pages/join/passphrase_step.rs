//! Step 4: an optional passphrase for this browser.

use kez_client::event::UiEvent;
use leptos::prelude::*;

use super::{BackButton, busy_of, error_of};
use crate::components::new_passphrase::NewPassphrase;
use crate::session::use_session;

#[component]
pub(super) fn PassphraseStep() -> impl IntoView {
    let session = use_session();
    let busy = busy_of(session);
    let label = Signal::derive(move || if busy.get() { "Creating…" } else { "Create account" }.to_owned());
    let create = Callback::new(move |passphrase| session.send(UiEvent::AccountCreated { passphrase }));
    view! {
        <NewPassphrase ids=("join-passphrase", "join-repeat") failed=error_of(session) busy label on_done=create>
            <BackButton/>
        </NewPassphrase>
    }
}
