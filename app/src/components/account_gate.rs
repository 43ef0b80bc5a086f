//! Shows the content of an open account, or why no account is open.

use kez_client::view::AccountView;
use leptos::prelude::*;

use crate::components::lock_screen::LockScreen;
use crate::components::presence::use_who;
use crate::reactive::{effect, memo};
use crate::session::{Session, use_session};
use crate::text::storage;
use crate::wanted_page;

/// The state of the account, without details that change within a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Loading,
    None,
    Locked,
    Open,
    Unusable,
}

/// The stage of this browser's account.
pub(crate) fn stage_of(session: Session) -> Memo<Stage> {
    memo(move || {
        session.account.with(|account| match account {
            AccountView::Loading => Stage::Loading,
            AccountView::None { .. } => Stage::None,
            AccountView::Locked { .. } => Stage::Locked,
            AccountView::Open(_) => Stage::Open,
            AccountView::Unusable { .. } => Stage::Unusable,
        })
    })
}

/// Shows the children when the account is open, and otherwise what the user can do about it.
#[component]
pub(crate) fn AccountGate(
    /// Shown until the storage has answered.
    #[prop(into)]
    loading: ViewFn,
    children: ChildrenFn,
) -> impl IntoView {
    let stage = stage_of(use_session());
    move || match stage.get() {
        Stage::Loading => loading.run(),
        Stage::None => NoAccount().into_any(),
        Stage::Locked => LockScreen().into_any(),
        Stage::Unusable => Unusable().into_any(),
        Stage::Open => children(),
    }
}

#[component]
fn NoAccount() -> impl IntoView {
    let session = use_session();
    let lost = move || {
        session.account.with(|account| match account {
            AccountView::None { lost, .. } => lost.clone(),
            _ => None,
        })
    };
    let who = use_who();
    effect(move || {
        if let Some(who) = who.get() {
            wanted_page::remember(&format!("/messages/{who}"));
        }
    });
    view! {
        <div class="centre">
            <section class="card">
                {move || match lost() {
                    Some(handle) => view! {
                        <h2>"Your account is no longer in this browser"</h2>
                        <p>
                            {format!(
                                "@{handle} was used here, but the browser has deleted its storage. Your recovery phrase \
                                 brings the account back, with the messages that you chose to keep for it.",
                            )}
                        </p>
                    }.into_any(),
                    None => view! {
                        <h2>"No account in this browser"</h2>
                        <p>
                            "Create one in a minute, or use the one you have: with its recovery phrase, or from a browser \
                             where it is open."
                        </p>
                    }.into_any(),
                }}
                <p class="actions">
                    <a class="button button-primary" href="/join">"Create account"</a>
                    <a class="button" href="/restore">"Restore account"</a>
                    <a class="button" href="/link">"Link to another browser"</a>
                </p>
            </section>
        </div>
    }
}

#[component]
fn Unusable() -> impl IntoView {
    let session = use_session();
    let fault = move || {
        session.account.with(|account| match account {
            AccountView::Unusable { fault } => storage(*fault).to_owned(),
            _ => String::new(),
        })
    };
    view! {
        <div class="centre">
            <section class="card" role="alert">
                <h2>"KEZ Chat cannot start here"</h2>
                <p>{move || format!("Reason: {}.", fault())}</p>
                <p>
                    "Close the other KEZ Chat tabs and reload this one. Private windows and some privacy settings \
                     block storage, and KEZ Chat needs storage for your keys."
                </p>
            </section>
        </div>
    }
}
