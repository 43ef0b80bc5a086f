//! A key history in plain words.

use kez_core::display::limit_marks;
use kez_core::time::Timestamp;
use leptos::prelude::*;

/// The list "Key history": the date of each change, and the change. Dates are in UTC so that server and browser render
/// the same text.
#[component]
pub(crate) fn KeyHistory(
    /// Unix seconds and one sentence each, oldest first.
    entries: Vec<(u64, String)>,
) -> impl IntoView {
    let entry = |(at, text): (u64, String)| {
        let at = Timestamp::from_unix(at).to_string();
        let day = at.get(..10).unwrap_or_default().to_owned();
        // A sentence may quote text from its signer: marks in it must not affect the rest of the page.
        view! { <li><time datetime=at>{day}</time>" "<bdi>{limit_marks(&text)}</bdi></li> }
    };
    let entries: Vec<_> = entries.into_iter().map(entry).collect();
    view! { <ol class="history" aria-label="Key history">{entries}</ol> }
}
