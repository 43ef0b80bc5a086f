//! `/join`: a handle, the recovery phrase, three of its words, and an optional passphrase.

use kez_client::event::UiEvent;
use kez_client::view::{AccountView, JoinStep, JoinView};
use kez_core::api::RegistrationMode;
use leptos::prelude::*;

use crate::browser::use_title;
use crate::components::account_gate::{Stage, stage_of};
use crate::components::keyboard::{focus, nothing_is_focused};
use crate::components::site_header::SiteHeader;
use crate::navigation::use_navigation;
use crate::page::Page;
use crate::reactive::{effect, memo};
use crate::session::{Session, use_session};
use crate::text::sentence;
use crate::wanted_page;
use closed::Closed;
use confirm_step::ConfirmStep;
use handle_step::HandleStep;
use passphrase_step::PassphraseStep;
use phrase_step::PhraseStep;

mod closed;
mod confirm_step;
mod handle_step;
mod invitation;
mod passphrase_step;
mod phrase_step;

/// The id of the text that names the current step.
const STEP_ID: &str = "join-step";

/// The steps to an account.
#[component]
pub(crate) fn Join() -> impl IntoView {
    use_title(Page::Join.title());
    use_leave_when_open();
    let session = use_session();
    let step = memo(move || join_view(session, |join| join.step.clone()).unwrap_or_default());
    let closed = memo(move || mode_of(session) == Some(RegistrationMode::Closed));
    use_focus_that_follows(memo(move || number(&step.get())));
    let stopped = memo(move || closed.get() && step.with(|step| *step == JoinStep::Handle));
    view! {
        <div class="page">
            <SiteHeader/>
            <main class="prose narrow" id="main" tabindex="-1">
                <h1>"Create account"</h1>
                {move || (!stopped.get()).then(|| view! {
                    <p id=STEP_ID tabindex="-1" class="hint">{format!("Step {} of 4", number(&step.get()))}</p>
                })}
                {move || match step.get() {
                    JoinStep::Handle if stopped.get() => Closed().into_any(),
                    JoinStep::Handle => view! { <HandleStep/> }.into_any(),
                    JoinStep::Phrase { words } => view! { <PhraseStep words/> }.into_any(),
                    JoinStep::Confirm { positions } => view! { <ConfirmStep positions/> }.into_any(),
                    JoinStep::Passphrase => view! { <PassphraseStep/> }.into_any(),
                }}
            </main>
        </div>
    }
}

/// The button that leads to another step disappears, and the focus would be lost with it.
fn use_focus_that_follows(step: Memo<u8>) {
    let mut first = true;
    effect(move || {
        // A memo without a reader is never recomputed.
        step.get();
        if !std::mem::take(&mut first) {
            request_animation_frame(|| {
                if nothing_is_focused() {
                    focus(STEP_ID);
                }
            });
        }
    });
}

/// Goes to the messages once this browser has an account.
pub(crate) fn use_leave_when_open() {
    let stage = stage_of(use_session());
    let navigation = use_navigation();
    effect(move || {
        if matches!(stage.get(), Stage::Open | Stage::Locked) {
            navigation.replace(&wanted_page::take_path());
        }
    });
}

/// A part of the state of joining; `None` while the storage has not answered or this browser has an account.
fn join_view<T>(session: Session, part: impl Fn(&JoinView) -> T) -> Option<T> {
    session.account.with(|account| match account {
        AccountView::None { join, .. } => Some(part(join)),
        _ => None,
    })
}

/// Who may register, once the server has answered.
fn mode_of(session: Session) -> Option<RegistrationMode> {
    join_view(session, |join| join.registration).flatten()
}

fn error_of(session: Session) -> Signal<Option<String>> {
    Signal::derive(move || join_view(session, |join| join.error.as_ref().map(sentence)).flatten())
}

fn busy_of(session: Session) -> Signal<bool> {
    Signal::derive(move || join_view(session, |join| join.busy).unwrap_or(true))
}

fn number(step: &JoinStep) -> u8 {
    match step {
        JoinStep::Handle => 1,
        JoinStep::Phrase { .. } => 2,
        JoinStep::Confirm { .. } => 3,
        JoinStep::Passphrase => 4,
    }
}

#[component]
fn BackButton() -> impl IntoView {
    let session = use_session();
    view! {
        <button type="button" class="button" on:click=move |_| session.send(UiEvent::JoinBack)>"Back"</button>
    }
}
