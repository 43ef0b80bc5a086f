//! A notification that stays until it is dismissed.

use kez_client::event::UiEvent;
use leptos::prelude::*;

use crate::components::icon::{Glyph, Icon};
use crate::session::use_session;
use crate::text::sentence;

/// Shows the view's notice: information is announced politely, errors at once. Also offers to undo an action of a
/// moment ago.
#[component]
pub(crate) fn Toast() -> impl IntoView {
    view! {
        <div class="toasts">
            <NoticeToast/>
            <UndoToast/>
            <RemarkToast/>
        </div>
    }
}

/// Offers to undo a block.
#[component]
fn UndoToast() -> impl IntoView {
    let session = use_session();
    move || {
        session.just_blocked.get().map(|handle| {
            let text = format!("@{handle} is blocked.");
            let undo = move |_| {
                session.send(UiEvent::UnblockPressed { handle: handle.clone() });
                session.just_blocked.set(None);
            };
            view! {
                <div class="toast" role="status" data-tone="plain">
                    <p translate="no">{text}</p>
                    <button type="button" class="button-small" on:click=undo>"Undo"</button>
                    <DismissButton on_dismiss=Callback::new(move |()| session.just_blocked.set(None))/>
                </div>
            }
        })
    }
}

/// Says why an action did nothing.
#[component]
fn RemarkToast() -> impl IntoView {
    let remark = use_session().remark;
    move || {
        remark.get().map(|text| {
            view! {
                <div class="toast" role="status" data-tone="plain">
                    <p>{text}</p>
                    <DismissButton on_dismiss=Callback::new(move |()| remark.set(None))/>
                </div>
            }
        })
    }
}

#[component]
fn NoticeToast() -> impl IntoView {
    let session = use_session();
    move || {
        session.notice.get().map(|notice| {
            view! {
                <div
                    class="toast"
                    role=if notice.error { "alert" } else { "status" }
                    data-tone=if notice.error { "bad" } else { "plain" }
                >
                    <p>{sentence(&notice.what)}</p>
                    <DismissButton on_dismiss=Callback::new(move |()| session.send(UiEvent::NoticeDismissed))/>
                </div>
            }
        })
    }
}

#[component]
fn DismissButton(on_dismiss: Callback<()>) -> impl IntoView {
    view! {
        <button type="button" class="button-quiet button-icon" aria-label="Dismiss" on:click=move |_| on_dismiss.run(())>
            <Icon of=Glyph::Close/>
        </button>
    }
}
