//! Keys and numbers that people compare by eye: in groups, on a fixed-width face.

use leptos::prelude::*;

/// A safety number: always four groups on a line, so that two people see it alike.
#[component]
pub(crate) fn SafetyDigits(#[prop(into)] digits: String) -> impl IntoView {
    let groups: Vec<_> =
        digits.split(' ').map(|group| view! { <span>{group.to_owned()}" "</span> }).collect();
    view! { <p class="digits" translate="no">{groups}</p> }
}

/// The fingerprint of a public key. It does not look like a safety number, which is another number of as many digits.
#[component]
pub(crate) fn Fingerprint(#[prop(into)] digits: String) -> impl IntoView {
    view! { <p class="fingerprint" translate="no">{digits}</p> }
}

/// A public key, breaking anywhere.
#[component]
pub(crate) fn KeyText(#[prop(into)] key: String) -> impl IntoView {
    view! { <code class="key" translate="no">{key}</code> }
}
