//! Something to tell, until it is dismissed.

use kez_client::event::UiEvent;
use leptos::prelude::*;

use crate::components::icon::{Glyph, Icon};
use crate::session::use_session;

/// The notice of the view: news politely, errors at once.
#[component]
pub(crate) fn Toast() -> impl IntoView {
    let session = use_session();
    move || {
        session.notice.get().map(|notice| {
            view! {
                <div
                    class="toast"
                    role=if notice.error { "alert" } else { "status" }
                    data-tone=if notice.error { "bad" } else { "plain" }
                >
                    <p>{notice.text}</p>
                    <button
                        type="button"
                        class="button-quiet button-icon"
                        aria-label="Dismiss"
                        on:click=move |_| session.send(UiEvent::NoticeDismissed)
                    >
                        <Icon of=Glyph::Close/>
                    </button>
                </div>
            }
        })
    }
}
