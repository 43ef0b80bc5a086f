//! Replaces the steps on a server that takes no new accounts.

use leptos::prelude::*;

#[component]
pub(super) fn Closed() -> impl IntoView {
    view! {
        <section class="stack" role="status">
            <h2>"This server accepts no new accounts"</h2>
            <p>"Its operator has closed registration. An account that you already have here can still be restored."</p>
            <p class="actions">
                <a class="button button-primary" href="/restore">"Restore account"</a>
            </p>
        </section>
    }
}
