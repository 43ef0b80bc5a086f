//! Says why nothing can be sent in a conversation.

use kez_client::event::UiEvent;
use kez_client::view::Reason;
use leptos::prelude::*;

use crate::components::keyboard::{COMPOSER_ID, focus};
use crate::session::use_session;
use crate::text::sentence;

/// Why a conversation has stopped, with "Try again" where that may help.
#[component]
pub(crate) fn Stopped(why: Reason, handle: String) -> impl IntoView {
    let session = use_session();
    let again = why.can_be_tried_again().then(|| {
        let press = move |_| {
            session.send(UiEvent::TryAgainPressed { handle: handle.clone() });
            focus(COMPOSER_ID);
        };
        view! { <button type="button" class="button" on:click=press>"Try again"</button> }
    });
    view! { <div class="banner banner-bad" role="alert"><p>{sentence(&why)}</p>{again}</div> }
}
