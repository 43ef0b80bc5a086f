//! The 24 words.

use leptos::prelude::*;

/// The recovery phrase as a numbered list.
#[component]
pub(crate) fn WordList(words: Vec<String>) -> impl IntoView {
    let items: Vec<_> = words.into_iter().map(|word| view! { <li>{word}</li> }).collect();
    view! { <ol class="words" aria-label="Recovery phrase">{items}</ol> }
}
