//! The section "About".

use leptos::prelude::*;

#[component]
pub(super) fn About() -> impl IntoView {
    view! {
        <section>
            <h2>"About"</h2>
            <p>{concat!("KEZ Chat ", env!("CARGO_PKG_VERSION"), ", free software under ", env!("CARGO_PKG_LICENSE"), ".")}</p>
            <p><a href="/security">"What the server sees, and what it does not"</a></p>
        </section>
    }
}
