//! The actions for a message request.

use kez_client::event::UiEvent;
use leptos::prelude::*;

use crate::components::conversation_list::NEW_CONVERSATION_ID;
use crate::components::keyboard::focus;
use crate::session::use_session;

/// The buttons "Accept", "Decline" and "Block".
#[component]
pub(crate) fn RequestActions(
    handle: String,
    /// The id of the element that takes the focus once a pressed button is gone; by default the row in the list.
    #[prop(optional)]
    then_focus: Option<&'static str>,
    /// The `tabindex` of the buttons, if they are not tab stops themselves.
    #[prop(optional)]
    tabindex: Option<&'static str>,
) -> impl IntoView {
    let session = use_session();
    let accept = {
        let handle = handle.clone();
        move |_| {
            session.send(UiEvent::RequestAccepted { handle: handle.clone() });
            match then_focus {
                Some(id) => focus(id),
                // The row moves to the other list once the worker has processed the event.
                None => session.row_to_focus.set(Some(handle.clone())),
            }
        }
    };
    let decline = {
        let handle = handle.clone();
        move |_| {
            session.send(UiEvent::RequestDeclined { handle: handle.clone() });
            focus(then_focus.unwrap_or(NEW_CONVERSATION_ID));
        }
    };
    let block = move |_| {
        session.block(handle.clone());
        focus(then_focus.unwrap_or(NEW_CONVERSATION_ID));
    };
    view! {
        <span class="request-actions">
            <button type="button" class="button button-primary" tabindex=tabindex on:click=accept>"Accept"</button>
            <button type="button" class="button" tabindex=tabindex on:click=decline>"Decline"</button>
            <button type="button" class="button" tabindex=tabindex on:click=block>"Block"</button>
        </span>
    }
}
