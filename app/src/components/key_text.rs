//! Keys and numbers that people compare by eye: in groups, on a fixed-width face.

use leptos::prelude::*;

/// A safety number or fingerprint: groups that wrap as wholes.
#[component]
pub(crate) fn DigitGroups(#[prop(into)] digits: String) -> impl IntoView {
    let groups: Vec<_> =
        digits.split(' ').map(|group| view! { <span>{group.to_owned()}" "</span> }).collect();
    view! { <p class="digits">{groups}</p> }
}

/// A public key, breaking anywhere.
#[component]
pub(crate) fn KeyText(#[prop(into)] key: String) -> impl IntoView {
    view! { <code class="key">{key}</code> }
}
