//! The status of the connection to the server.

use kez_client::view::Connection;
use leptos::prelude::*;

use crate::components::account_gate::{Stage, stage_of};
use crate::components::icon::{Glyph, Icon};
use crate::reactive::memo;
use crate::session::use_session;

/// The status "Connection": one word, with a dot in its colour. Empty while no account is open, because there is no
/// connection then.
#[component]
pub(crate) fn ConnectionStatus() -> impl IntoView {
    let session = use_session();
    let connection = session.connection;
    let stage = stage_of(session);
    let shown = memo(move || matches!(stage.get(), Stage::Loading | Stage::Open));
    view! {
        <Show when=move || shown.get()>
            <div class="connection" translate="no" role="status" aria-label="Connection" data-state=move || name(connection.get())>
                {move || word(connection.get())}
            </div>
        </Show>
    }
}

/// Explains the offline state, above the composer. Empty otherwise.
#[component]
pub(crate) fn OfflineBanner() -> impl IntoView {
    let connection = use_session().connection;
    move || {
        (connection.get() == Connection::Offline).then(|| {
            view! { <p class="banner" role="status"><Icon of=Glyph::WifiOff/>"Messages are kept and sent once you're back."</p> }
        })
    }
}

fn name(connection: Connection) -> &'static str {
    match connection {
        Connection::Connecting => "connecting",
        Connection::Online => "online",
        Connection::Offline => "offline",
    }
}

fn word(connection: Connection) -> &'static str {
    match connection {
        Connection::Connecting => "Connecting",
        Connection::Online => "Online",
        Connection::Offline => "Offline",
    }
}
