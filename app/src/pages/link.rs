//! `/link`: links this browser to an account that another browser has.

use kez_client::event::UiEvent;
use kez_client::view::{AccountView, LinkStep, LinkView};
use leptos::prelude::*;

use crate::browser::use_title;
use crate::components::new_passphrase::NewPassphrase;
use crate::components::qr_code::QrCode;
use crate::components::site_header::SiteHeader;
use crate::page::Page;
use crate::pages::join::use_leave_when_open;
use crate::reactive::memo;
use crate::session::{Session, use_session};
use crate::text::sentence;

/// The steps to a linked browser.
#[component]
pub(crate) fn Link() -> impl IntoView {
    use_title(Page::Link.title());
    use_leave_when_open();
    let session = use_session();
    let step = memo(move || link_view(session, |link| link.step.clone()).unwrap_or_default());
    view! {
        <div class="page">
            <SiteHeader/>
            <main class="prose narrow" id="main" tabindex="-1">
                <h1>"Link this browser"</h1>
                {move || match step.get() {
                    LinkStep::Passphrase => view! { <PassphraseStep/> }.into_any(),
                    LinkStep::Offering => view! { <p role="status">"Asking the server…"</p><Cancel/> }.into_any(),
                    LinkStep::Code { code, url } => view! { <CodeStep code url/> }.into_any(),
                    LinkStep::Joining { handle } => view! {
                        <p role="status">{format!("Linking this browser to @{handle}…")}</p>
                        <Cancel/>
                    }.into_any(),
                }}
            </main>
        </div>
    }
}

#[component]
fn PassphraseStep() -> impl IntoView {
    let session = use_session();
    let failed =
        Signal::derive(move || link_view(session, |link| link.error.as_ref().map(sentence)).flatten());
    let busy = Signal::derive(move || link_view(session, |_| ()).is_none());
    let begin = Callback::new(move |passphrase| session.send(UiEvent::LinkBegun { passphrase }));
    view! {
        <p>
            "Another browser that has your account adds this one, and sends it your messages. Your recovery phrase stays \
             there: this browser does not get it."
        </p>
        <NewPassphrase ids=("link-passphrase", "link-repeat") failed busy label="Continue".to_owned() on_done=begin/>
    }
}

#[component]
fn CodeStep(code: String, url: String) -> impl IntoView {
    view! {
        <p>
            "In the other browser, open Settings, choose \"Link a device\" and type this code; or open the address in the \
             QR code there. The code is valid for ten minutes."
        </p>
        <p class="code" role="status" aria-label="Code">{code}</p>
        <QrCode text=url/>
        <Cancel/>
    }
}

#[component]
fn Cancel() -> impl IntoView {
    let session = use_session();
    view! {
        <p class="actions">
            <button type="button" class="button" on:click=move |_| session.send(UiEvent::LinkCancelled)>"Cancel"</button>
        </p>
    }
}

/// A part of the state of linking; `None` while the storage has not answered or this browser has an account.
fn link_view<T>(session: Session, part: impl Fn(&LinkView) -> T) -> Option<T> {
    session.account.with(|account| match account {
        AccountView::None { link, .. } => Some(part(link)),
        _ => None,
    })
}
