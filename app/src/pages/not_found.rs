//! Shown for every URL without a page.

use leptos::prelude::*;

use crate::browser::use_title;
use crate::components::site_header::SiteHeader;
use crate::page::Page;

/// Says that there is no such page, and where to go.
#[component]
pub(crate) fn NotFound() -> impl IntoView {
    use_title(Page::NotFound.title());
    view! {
        <div class="page">
            <SiteHeader/>
            <main class="prose" id="main" tabindex="-1">
                <h1>"Nothing here"</h1>
                <p>"There is no page at this address, or no account has this handle."</p>
                <p><a href="/">"Go to the home page"</a></p>
            </main>
        </div>
    }
}
