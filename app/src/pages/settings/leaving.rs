//! The section "Your data": exporting the data, and deleting the account.

use kez_client::event::UiEvent;
use kez_client::view::{AccountView, LeavingView};
use leptos::prelude::*;

use super::keys::has_words;
use crate::components::dialog::Dialog;
use crate::session::{Session, use_session};
use crate::text::sentence;

#[component]
pub(super) fn Leaving() -> impl IntoView {
    let session = use_session();
    let busy = Memo::new(move |_| leaving(session, |leaving| leaving.busy));
    let error = Memo::new(move |_| leaving(session, |leaving| leaving.error.as_ref().map(sentence)));
    let open = RwSignal::new(false);
    view! {
        <section>
            <h2>"Your data"</h2>
            <p>
                "One file with everything the server stores for you, still encrypted, and with your conversations in \
                 plain text. Keep it as safe as the conversations themselves."
            </p>
            <p class="actions">
                <button
                    type="button"
                    class="button"
                    disabled=move || busy.get()
                    on:click=move |_| session.send(UiEvent::ExportPressed)
                >
                    "Export my data"
                </button>
                <Show when=move || has_words(session)>
                    <button type="button" class="button" on:click=move |_| open.set(true)>
                        "Delete account"
                    </button>
                </Show>
            </p>
            <p role="alert">{move || error.get()}</p>
            <DeleteDialog open busy/>
        </section>
    }
}

#[component]
fn DeleteDialog(open: RwSignal<bool>, busy: Memo<bool>) -> impl IntoView {
    let on_close = Callback::new(move |()| open.set(false));
    view! {
        <Dialog id="delete-account-title" title="Delete this account?" open on_close>
            <Confirm open busy/>
        </Dialog>
    }
}

#[component]
fn Confirm(open: RwSignal<bool>, busy: Memo<bool>) -> impl IntoView {
    let session = use_session();
    let understood = RwSignal::new(false);
    let confirm = move |_| {
        open.set(false);
        session.send(UiEvent::DeletionConfirmed);
    };
    view! {
        <div class="stack">
            <p>
                "The server deletes your account and everything in your inbox, and this browser deletes your keys and \
                 messages. Your handle stays reserved for twelve months, so that no one takes your place. What you \
                 have sent stays with the people you sent it to. This cannot be undone, not even with the recovery \
                 phrase."
            </p>
            <label class="choice">
                <input type="checkbox" on:change=move |event| understood.set(event_target_checked(&event))/>
                "I want to lose this account"
            </label>
            <p class="actions">
                <button
                    type="button"
                    class="button button-primary"
                    disabled=move || busy.get() || !understood.get()
                    on:click=confirm
                >
                    "Delete for good"
                </button>
            </p>
        </div>
    }
}

fn leaving<T: Default>(session: Session, part: impl Fn(&LeavingView) -> T) -> T {
    session.account.with(|account| match account {
        AccountView::Open(me) => part(&me.leaving),
        _ => T::default(),
    })
}
