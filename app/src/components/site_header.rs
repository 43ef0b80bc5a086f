//! The line at the top of every page but the chat.

use leptos::prelude::*;

use crate::components::icon::Logo;

/// Brand and the few places to go.
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

/// The first tab stop of a page: past its head to what it is about.
#[component]
pub(crate) fn SkipLink() -> impl IntoView {
    // The browser itself moves the focus along, which the router would not.
    view! { <a class="skip-link" href="#main" rel="external">"Skip to the content"</a> }
}

/// The mark and the name, leading home.
#[component]
pub(crate) fn Brand() -> impl IntoView {
    view! {
        <a class="brand" href="/">
            <Logo/>
            <span>"KEZ Chat"</span>
        </a>
    }
}
