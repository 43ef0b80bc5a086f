//! Part of the section "Profile and keys": the passphrase of this browser, and when it locks.

use kez_client::event::UiEvent;
use kez_client::secret::Secret;
use leptos::{ev, html, prelude::*};

use super::keys::me;
use crate::components::field::{ErrorText, Field, text_of};
use crate::idle_lock::LockAfter;
use crate::reactive::{effect, memo};
use crate::session::use_session;
use crate::text::sentence;

/// The passphrase, "Lock after" and "Lock now".
#[component]
pub(super) fn Lock() -> impl IntoView {
    let session = use_session();
    let has_passphrase = memo(move || me(session, |me| me.has_passphrase).unwrap_or_default());
    view! {
        <h3>"Lock"</h3>
        <p>
            {move || if has_passphrase.get() {
                "Locking closes your messages in all tabs until you enter the passphrase."
            } else {
                "This account has no passphrase in this browser, so it cannot be locked."
            }}
        </p>
        <p class="actions">
            <button
                type="button"
                class="button"
                disabled=move || !has_passphrase.get()
                on:click=move |_| session.send(UiEvent::LockPressed)
            >
                "Lock now"
            </button>
        </p>
        <Show when=move || has_passphrase.get()>
            <After/>
        </Show>
        {move || view! { <Passphrase has_one=has_passphrase.get()/> }}
    }
}

/// The period without activity after which the account locks itself.
#[component]
fn After() -> impl IntoView {
    let chosen = RwSignal::new(LockAfter::default());
    effect(move || chosen.set(LockAfter::load()));
    let choice = move |after: LockAfter| {
        let choose = move |_| {
            after.choose();
            chosen.set(after);
        };
        view! {
            <label class="choice">
                <input
                    type="radio"
                    name="lock-after"
                    value=after.name()
                    prop:checked=move || chosen.get() == after
                    on:change=choose
                />
                {after.label()}
            </label>
        }
    };
    view! {
        <fieldset>
            <legend>"Lock after"</legend>
            {LockAfter::ALL.map(choice).into_iter().collect_view()}
        </fieldset>
    }
}

/// The form that sets a passphrase, or changes or removes the current one.
#[component]
fn Passphrase(has_one: bool) -> impl IntoView {
    let session = use_session();
    let [current, new, again] = [(); 3].map(|()| NodeRef::<html::Input>::new());
    let problem = RwSignal::new(None::<&'static str>);
    let busy = Signal::derive(move || me(session, |me| me.passphrase_change.busy).unwrap_or_default());
    let refused = memo(move || me(session, |me| me.passphrase_change.error.as_ref().map(sentence)).flatten());
    let error = Signal::derive(move || problem.get().map(str::to_owned).or_else(|| refused.get()));
    let send = move |new: String| {
        problem.set(None);
        let current = Secret::new(text_of(current));
        session.send(UiEvent::PassphraseChanged { current, new: Secret::new(new) });
    };
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        match new_passphrase(&text_of(new), &text_of(again)) {
            Ok(passphrase) => send(passphrase),
            Err(why) => problem.set(Some(why)),
        }
    };
    view! {
        <form class="stack" on:submit=submit>
            <h3>{if has_one { "Change passphrase" } else { "Set a passphrase" }}</h3>
            {has_one.then(|| view! {
                <Field
                    label="Current passphrase"
                    id="passphrase-present"
                    node=current
                    secret=true
                    autocomplete="current-password"
                    disabled=busy
                />
            })}
            <Field label="New passphrase" id="passphrase-new" node=new secret=true autocomplete="new-password" disabled=busy/>
            <Field
                label="Repeat new passphrase"
                id="passphrase-again"
                node=again
                secret=true
                autocomplete="new-password"
                disabled=busy
            />
            <ErrorText text=error/>
            <p class="actions">
                <button type="submit" class="button" disabled=move || busy.get()>
                    {if has_one { "Change passphrase" } else { "Set passphrase" }}
                </button>
                {has_one.then(|| view! {
                    <button
                        type="button"
                        class="button"
                        disabled=move || busy.get()
                        on:click=move |_| send(String::new())
                    >
                        "Remove passphrase"
                    </button>
                })}
            </p>
        </form>
    }
}

/// The passphrase that was typed twice, if both inputs agree.
fn new_passphrase(first: &str, second: &str) -> Result<String, &'static str> {
    match first == second {
        _ if first.is_empty() => Err("Enter a new passphrase first."),
        true => Ok(first.to_owned()),
        false => Err("The two new passphrases do not match."),
    }
}

#[cfg(test)]
mod tests {
    use super::new_passphrase;

    #[test]
    fn a_new_passphrase_is_typed_twice() {
        assert_eq!(new_passphrase("one", "one").as_deref(), Ok("one"));
        assert!(new_passphrase("one", "two").unwrap_err().contains("do not match"));
        assert!(new_passphrase("", "").is_err());
    }
}
