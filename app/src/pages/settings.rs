//! `/settings`.

use leptos::prelude::*;

use crate::browser::use_title;
use crate::components::account_gate::AccountGate;
use crate::components::site_header::SiteHeader;
use crate::page::Page;
use about::About;
use appearance::Appearance;
use keys::Keys;
use storage::Storage;

mod about;
mod appearance;
mod keys;
mod storage;

/// The settings of this browser and account.
#[component]
pub(crate) fn Settings() -> impl IntoView {
    use_title(Page::Settings.title());
    view! {
        <div class="page">
            <SiteHeader/>
            <h1 class="page-title">"Settings"</h1>
            <AccountGate loading=Loading>
                <main class="prose settings">
                    <Keys/>
                    <Appearance/>
                    <Storage/>
                    <About/>
                </main>
            </AccountGate>
        </div>
    }
}

#[component]
fn Loading() -> impl IntoView {
    view! {
        <main class="prose settings" aria-busy="true">
            <span class="skeleton skeleton-name"></span>
            <span class="skeleton skeleton-preview"></span>
            <span class="skeleton skeleton-preview"></span>
        </main>
    }
}
