//! Keys and numbers that users compare by eye: in groups, in a fixed-width font.

use leptos::prelude::*;

/// A safety number: always four groups on a line, so that two users see the same layout.
#[component]
pub(crate) fn SafetyDigits(#[prop(into)] digits: String) -> impl IntoView {
    let groups: Vec<_> =
        digits.split(' ').map(|group| view! { <span>{group.to_owned()}" "</span> }).collect();
    view! { <p class="digits" translate="no">{groups}</p> }
}

/// The fingerprint of a public key. It must not look like a safety number, a different number with as many digits.
#[component]
pub(crate) fn Fingerprint(#[prop(into)] digits: String) -> impl IntoView {
    view! { <p class="fingerprint" translate="no">{digits}</p> }
}

/// A public key that may break anywhere.
#[component]
pub(crate) fn KeyText(#[prop(into)] key: String) -> impl IntoView {
    view! { <code class="key" translate="no">{key}</code> }
}
