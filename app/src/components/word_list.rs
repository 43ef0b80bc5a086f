//! The 24 words.

use leptos::prelude::*;

/// A phrase as a numbered list.
#[component]
pub(crate) fn WordList(
    words: Vec<String>,
    /// The accessible name.
    #[prop(default = "Recovery phrase")]
    label: &'static str,
) -> impl IntoView {
    let items: Vec<_> = words.into_iter().map(|word| view! { <li>{word}</li> }).collect();
    view! { <ol class="words" aria-label=label>{items}</ol> }
}
