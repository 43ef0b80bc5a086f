//! The dialog "Invite link", and the list of the people who ask to join.

use kez_client::event::GroupChange;
use kez_client::view::{AskingRow, GroupView};
use leptos::prelude::*;

use super::members::{Change, part};
use crate::components::dialog::Dialog;
use crate::components::field::ErrorText;
use crate::components::icon::{Glyph, Icon};
use crate::reactive::memo;
use crate::text::sentence;

/// The button "Invite link" and its dialog.
#[component]
pub(super) fn InviteLink(group: Memo<Option<GroupView>>, change: Change) -> impl IntoView {
    let open = RwSignal::new(false);
    let show = move |_| {
        change.send(GroupChange::Invite);
        open.set(true);
    };
    let on_close = Callback::new(move |()| open.set(false));
    view! {
        <button type="button" class="button" aria-haspopup="dialog" on:click=show>"Invite link"</button>
        <Dialog id="invite-title" title="Invite link" open on_close>
            <Link group change on_close/>
        </Dialog>
    }
}

#[component]
fn Link(group: Memo<Option<GroupView>>, change: Change, on_close: Callback<()>) -> impl IntoView {
    let link = memo(move || part(group, |group| group.link.clone()));
    let error = Signal::derive(move || part(group, |group| group.error.as_ref().map(sentence)));
    let copied = RwSignal::new(false);
    let revoke = move |_| {
        change.send(GroupChange::RevokeLink);
        on_close.run(());
    };
    view! {
        <div class="stack">
            {move || match link.get() {
                None => view! { <p role="status">"The link is being made."</p> }.into_any(),
                Some(link) => {
                    let address = address(&link);
                    let text = address.clone();
                    let copy = move |_| {
                        // A click asks for it, so the browser permits it.
                        let _ = window().navigator().clipboard().write_text(&text);
                        copied.set(true);
                    };
                    view! {
                        <div class="field">
                            <label for="invite-link">"Link"</label>
                            <input id="invite-link" type="text" readonly translate="no" value=address aria-describedby="invite-hint"/>
                        </div>
                        <p id="invite-hint" class="hint">
                            "People who open it can ask to join, and an admin approves them. It works for 7 days and for 50 requests."
                        </p>
                        <p class="actions">
                            <button type="button" class="button button-primary" on:click=copy>"Copy link"</button>
                            <button type="button" class="button" on:click=revoke>"Revoke link"</button>
                            <span class="hint" role="status">{move || copied.get().then_some("Copied.")}</span>
                        </p>
                    }.into_any()
                }
            }}
            <ErrorText text=error/>
        </div>
    }
}

/// The address that a link leads to.
fn address(link: &str) -> String {
    let origin = window().location().origin().unwrap_or_default();
    format!("{origin}/g#{link}")
}

/// The list "Asking to join".
#[component]
pub(super) fn Asking(group: Memo<Option<GroupView>>, change: Change, busy: Memo<bool>) -> impl IntoView {
    let rows = memo(move || part(group, |group| group.asking.clone()));
    let row = move |AskingRow { handle, verified }: AskingRow| {
        let (approve, decline) = (handle.clone(), handle.clone());
        view! {
            <li>
                <span>
                    <span translate="no">{format!("@{handle}")}</span>
                    {verified.then(|| view! {
                        " "<span class="row-verified"><Icon of=Glyph::ShieldCheck/><span class="sr-only">"Verified"</span></span>
                    })}
                </span>
                <span class="request-actions">
                    <button
                        type="button"
                        class="button-small"
                        aria-label=format!("Approve @{handle}")
                        disabled=move || busy.get()
                        on:click=move |_| change.send(GroupChange::Approve(approve.clone()))
                    >
                        "Approve"
                    </button>
                    <button
                        type="button"
                        class="button-small"
                        aria-label=format!("Decline @{handle}")
                        disabled=move || busy.get()
                        on:click=move |_| change.send(GroupChange::Decline(decline.clone()))
                    >
                        "Decline"
                    </button>
                </span>
            </li>
        }
    };
    move || {
        let rows = rows.get();
        (!rows.is_empty()).then(|| {
            view! {
                <h3>"Asking to join"</h3>
                <ul class="blocked" aria-label="Asking to join">{rows.into_iter().map(row).collect_view()}</ul>
            }
        })
    }
}
