//! The banner above the composer about the status of the other user: a request, or a block.

use kez_client::event::UiEvent;
use kez_client::view::Block;
use leptos::prelude::*;

use crate::components::keyboard::{COMPOSER_ID, focus};
use crate::components::request_actions::RequestActions;
use crate::components::stopped::Stopped;
use crate::session::use_session;

/// Says why nothing can be sent to the other user.
#[component]
pub(super) fn StoppedBanner(handle: String) -> impl IntoView {
    let session = use_session();
    let stopped = session.thread_part_of(&handle, |thread| thread.stopped.clone());
    move || Some(view! { <Stopped why=stopped.get()? handle=handle.clone()/> })
}

/// Says that this is a message request, or that its sender is blocked, and offers the actions.
#[component]
pub(super) fn StandingBanner(handle: String) -> impl IntoView {
    let session = use_session();
    let standing = session.thread_part(|thread| (thread.block, thread.request));
    move || {
        let handle = handle.clone();
        match standing.get() {
            (Block::Set, _) => {
                let text = format!("You have blocked @{handle}: nothing they send reaches you.");
                let unblock = move |_| {
                    session.send(UiEvent::UnblockPressed { handle: handle.clone() });
                    focus(COMPOSER_ID);
                };
                view! {
                    <div class="banner" role="status">
                        <p>{text}</p>
                        <button type="button" class="button" on:click=unblock>"Unblock"</button>
                    </div>
                }
                .into_any()
            }
            (Block::Lifting, _) => {
                let text = format!(
                    "You have unblocked @{handle}. Until your server knows, nothing they send reaches you."
                );
                view! { <div class="banner" role="status"><p>{text}</p></div> }.into_any()
            }
            (Block::None, true) => {
                let text = format!(
                    "@{handle} is new to you. They are not told that you have seen this. Replying accepts them."
                );
                view! {
                    <div class="banner" role="status">
                        <p>{text}</p>
                        <RequestActions handle then_focus=COMPOSER_ID/>
                    </div>
                }
                .into_any()
            }
            (Block::None, false) => ().into_any(),
        }
    }
}
