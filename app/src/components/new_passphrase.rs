//! A form for the passphrase of this browser, typed twice, or left empty.

use kez_client::secret::Secret;
use leptos::{ev, html, prelude::*};

use crate::components::field::{ErrorText, Field, text_of};

/// The two fields and the button.
#[component]
pub(crate) fn NewPassphrase(
    /// The ids of the fields.
    ids: (&'static str, &'static str),
    /// What went wrong elsewhere.
    failed: Signal<Option<String>>,
    busy: Signal<bool>,
    /// What the button says.
    #[prop(into)]
    label: Signal<String>,
    /// Is given the passphrase.
    on_done: Callback<Secret>,
    /// What stands beside the button.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let [first, second] = [NodeRef::<html::Input>::new(), NodeRef::new()];
    let differ = RwSignal::new(false);
    let error = Signal::derive(move || match differ.get() {
        true => Some("The two passphrases do not match.".to_owned()),
        false => failed.get(),
    });
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let passphrase = Secret::new(text_of(first));
        differ.set(passphrase != Secret::new(text_of(second)));
        if !differ.get_untracked() && !busy.get_untracked() {
            on_done.run(passphrase);
        }
    };
    view! {
        <form class="stack" on:submit=submit>
            <h2>"Lock this browser"</h2>
            <p>
                "A passphrase encrypts your keys and messages in this browser. You enter it each time you come back. \
                 You may leave it empty."
            </p>
            <Field label="Passphrase" id=ids.0 node=first secret=true autocomplete="new-password" disabled=busy/>
            <Field label="Repeat passphrase" id=ids.1 node=second secret=true autocomplete="new-password" disabled=busy/>
            <ErrorText text=error/>
            <p class="actions">
                {children.map(|children| children())}
                <button type="submit" class="button button-primary" disabled=move || busy.get()>
                    {move || label.get()}
                </button>
            </p>
        </form>
    }
}
