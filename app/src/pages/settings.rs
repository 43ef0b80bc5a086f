//! `/settings`.

use leptos::prelude::*;

use crate::browser::use_title;
use crate::components::account_gate::AccountGate;
use crate::components::site_header::SiteHeader;
use crate::page::Page;
use about::About;
use appearance::Appearance;
use blocking::Blocking;
use devices::Devices;
use keys::Keys;
use leaving::Leaving;
use sign_out::SignOut;
use storage::Storage;

mod about;
mod appearance;
mod blocking;
mod devices;
mod keys;
mod leaving;
mod lock;
mod rotation;
mod sign_out;
mod storage;

/// The settings of this browser and account.
#[component]
pub(crate) fn Settings() -> impl IntoView {
    use_title(Page::Settings.title());
    view! {
        <div class="page">
            <SiteHeader/>
            <main class="prose settings" id="main" tabindex="-1">
                <h1>"Settings"</h1>
                <AccountGate loading=Loading>
                    <Keys/>
                    <Devices/>
                    <Appearance/>
                    <Blocking/>
                    <Storage/>
                    <SignOut/>
                    <Leaving/>
                    <About/>
                </AccountGate>
            </main>
        </div>
    }
}

#[component]
fn Loading() -> impl IntoView {
    view! {
        <section aria-busy="true">
            <span class="skeleton skeleton-name"></span>
            <span class="skeleton skeleton-preview"></span>
            <span class="skeleton skeleton-preview"></span>
        </section>
    }
}
