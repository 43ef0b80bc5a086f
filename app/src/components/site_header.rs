//! The header of every page except the chat.

use leptos::prelude::*;

use crate::components::icon::Logo;

/// The brand and a few links.
#[component]
pub(crate) fn SiteHeader() -> impl IntoView {
    view! {
        <SkipLink/>
        <header class="site-header">
            <Brand/>
            <nav aria-label="Site">
                <a href="/messages">"Messages"</a>
                <a href="/settings">"Settings"</a>
                <a href="/security">"Security"</a>
            </nav>
        </header>
    }
}

/// The first tab stop of a page: a link that skips the header.
#[component]
pub(crate) fn SkipLink() -> impl IntoView {
    // The browser itself moves the focus as well, which the router would not do.
    view! { <a class="skip-link" href="#main" rel="external">"Skip to content"</a> }
}

/// The logo and the name, linking to the home page.
#[component]
pub(crate) fn Brand() -> impl IntoView {
    view! {
        <a class="brand" href="/">
            <Logo/>
            <span>"KEZ Chat"</span>
        </a>
    }
}
