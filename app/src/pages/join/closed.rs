//! Replaces the steps on a server that takes no new accounts.

use leptos::prelude::*;

#[component]
pub(super) fn Closed() -> impl IntoView {
    view! {
        <section class="stack" role="status">
            <h2>"This server takes no new accounts"</h2>
            <p>"Whoever runs it decides that. An account that you have here already can still be restored."</p>
            <p class="actions">
                <a class="button button-primary" href="/restore">"Restore account"</a>
            </p>
        </section>
    }
}
