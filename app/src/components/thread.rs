//! The open conversation: heading, messages, composer.

use kez_client::view::ThreadState;
use leptos::prelude::*;

use crate::components::avatar::Avatar;
use crate::components::back_link::BackLink;
use crate::components::chain_alarm::ChainAlarmBanner;
use crate::components::composer::{Composer, ComposerSkeleton};
use crate::components::connection_status::OfflineBanner;
use crate::components::group::{GroupBanner, GroupHeader, is_group};
use crate::components::icon::{Glyph, Icon};
use crate::components::verify_dialog::VerifyDialog;
use crate::reactive::memo;
use crate::session::{Session, use_session};
use block_dialog::BlockDialog;
use date_dialog::DateDialog;
use key_changed::KeyChangedBanner;
use log::MessageLog;
use menu::ConversationMenu;
use report_dialog::ReportDialog;
use standing::{StandingBanner, StoppedBanner};

mod announcer;
mod block_dialog;
mod copying;
mod date_dialog;
mod items;
mod jumps;
mod key_changed;
mod log;
mod menu;
mod report_dialog;
mod scroll;
mod scroll_keys;
mod standing;

/// The id of the scrolling element that holds the messages.
pub(crate) const LOG_ID: &str = "thread-log";

/// The conversation with `handle`, as given in the URL.
#[component]
pub(crate) fn Thread(handle: String) -> impl IntoView {
    let state = state_of(use_session(), handle.clone());
    let body_of = handle.clone();
    view! {
        <section class="thread">
            {match is_group(&handle) {
                true => view! { <GroupHeader handle/> }.into_any(),
                false => view! { <ThreadHeader handle/> }.into_any(),
            }}
            {move || body(state.get(), &body_of)}
        </section>
    }
}

/// The state of the thread, or `Resolving` while the view still shows another thread.
fn state_of(session: Session, handle: String) -> Memo<ThreadState> {
    memo(move || {
        session.thread.with(|thread| {
            let thread = thread.as_ref().filter(|thread| thread.handle == handle);
            thread.map_or(ThreadState::Resolving, |thread| thread.state)
        })
    })
}

fn body(state: ThreadState, handle: &str) -> AnyView {
    let handle = handle.to_owned();
    match state {
        ThreadState::Ready if is_group(&handle) => view! {
            <MessageLog handle=handle.clone()/>
            <GroupBanner handle=handle.clone()/>
            <OfflineBanner/>
            <Composer handle/>
        }
        .into_any(),
        ThreadState::NotFound if is_group(&handle) => view! {
            <p class="empty" role="alert">"You are not in this group."</p>
        }
        .into_any(),
        ThreadState::Resolving => view! { <ThreadBodySkeleton/> }.into_any(),
        ThreadState::Ready => view! {
            <MessageLog handle=handle.clone()/>
            <KeyChangedBanner handle=handle.clone()/>
            <ChainAlarmBanner/>
            <StandingBanner handle=handle.clone()/>
            <StoppedBanner handle=handle.clone()/>
            <OfflineBanner/>
            <Composer handle/>
        }
        .into_any(),
        ThreadState::NotFound => view! {
            <p class="empty" role="alert">{format!("No account here has the handle @{handle}.")}</p>
        }
        .into_any(),
        ThreadState::Unavailable => view! {
            <p class="empty" role="alert">
                {format!("@{handle} could not be looked up, or the server's answer does not prove who they are. Trying again.")}
            </p>
        }
        .into_any(),
    }
}

#[component]
fn ThreadHeader(handle: String) -> impl IntoView {
    let session = use_session();
    let verifying = RwSignal::new(false);
    let verified = session.thread_part_of(&handle, |thread| thread.verified);
    let ready = session.thread_part_of(&handle, |thread| thread.state == ThreadState::Ready);
    let primary = session.thread_part_of(&handle, |thread| thread.primary.clone());
    let dating = RwSignal::new(false);
    let blocking = RwSignal::new(false);
    let reporting = RwSignal::new(false);
    view! {
        <header class="thread-header">
            <BackLink/>
            {
                let handle = handle.clone();
                move || view! { <Avatar primary=primary.get() handle=handle.clone()/> }
            }
            <h2 translate="no">{format!("@{handle}")}</h2>
            {move || verified.get().then(|| view! {
                <span class="verified"><Icon of=Glyph::ShieldCheck/>"Verified"</span>
            })}
            <button
                type="button"
                class="button-quiet verify"
                aria-haspopup="dialog"
                disabled=move || !ready.get()
                on:click=move |_| verifying.set(true)
            >
                <Icon of=Glyph::Shield/>
                <span class="verify-label">"Verify"</span>
            </button>
            <ConversationMenu handle=handle.clone() verifying dating blocking reporting/>
        </header>
        <DateDialog handle=handle.clone() open=dating/>
        <BlockDialog handle=handle.clone() open=blocking/>
        <ReportDialog handle=handle.clone() open=reporting/>
        <VerifyDialog handle open=verifying/>
    }
}

/// Shown beside the list while no conversation is open.
#[component]
pub(crate) fn NoThread() -> impl IntoView {
    view! {
        <section class="thread thread-none">
            <p class="empty">
                "Choose a conversation, or start a new one. Press " <kbd>"?"</kbd> " for the keyboard shortcuts."
            </p>
        </section>
    }
}

/// A placeholder for a conversation until the storage has answered: the same for every user.
#[component]
pub(crate) fn ThreadSkeleton() -> impl IntoView {
    view! {
        <section class="thread" aria-busy="true">
            <header class="thread-header">
                <span class="skeleton skeleton-name"></span>
            </header>
            <ThreadBodySkeleton/>
        </section>
    }
}

#[component]
fn ThreadBodySkeleton() -> impl IntoView {
    view! {
        <div class="log log-skeleton" aria-hidden="true">
            <span class="skeleton skeleton-message"></span>
            <span class="skeleton skeleton-message skeleton-mine"></span>
            <span class="skeleton skeleton-message"></span>
        </div>
        <ComposerSkeleton/>
    }
}
