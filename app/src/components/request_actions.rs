//! What can be done with a message request.

use kez_client::event::UiEvent;
use leptos::prelude::*;

use crate::session::use_session;

/// The buttons "Accept" and "Block".
#[component]
pub(crate) fn RequestActions(handle: String) -> impl IntoView {
    let session = use_session();
    let accept = {
        let handle = handle.clone();
        move |_| session.send(UiEvent::RequestAccepted { handle: handle.clone() })
    };
    let block = move |_| session.send(UiEvent::BlockPressed { handle: handle.clone() });
    view! {
        <span class="request-actions">
            <button type="button" class="button button-primary" on:click=accept>"Accept"</button>
            <button type="button" class="button" on:click=block>"Block"</button>
        </span>
    }
}
