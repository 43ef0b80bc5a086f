//! A picture of a key: a key has the same colour everywhere.

use leptos::prelude::*;

/// The number of colours: `style/main.css` has one rule for each.
const COLOURS: u8 = 12;

/// A disc in the colour of a key. Users learn a colour without effort, and notice when it changes.
#[component]
pub(crate) fn Avatar(
    /// `ed25519:<hex>`; without a key the disc has no colour.
    primary: Option<String>,
    /// The owner's handle; its first letter is shown in the disc.
    #[prop(optional)]
    handle: String,
) -> impl IntoView {
    let colour = primary.as_deref().and_then(colour_of).map_or_else(String::new, |colour| colour.to_string());
    let initial: String = handle.chars().take(1).flat_map(char::to_uppercase).collect();
    view! { <span class="avatar" data-colour=colour aria-hidden="true" translate="no">{initial}</span> }
}

/// The number of the colour, from a byte of the key.
fn colour_of(primary: &str) -> Option<u8> {
    let hex = primary.strip_prefix("ed25519:")?;
    Some(u8::from_str_radix(hex.get(..2)?, 16).ok()? % COLOURS)
}

#[cfg(test)]
mod tests {
    use super::{COLOURS, colour_of};

    #[test]
    fn a_key_has_one_colour() {
        assert_eq!(colour_of("ed25519:0d00"), Some(1));
        assert!((0..=255).all(|byte| colour_of(&format!("ed25519:{byte:02x}")) < Some(COLOURS)));
        for other in ["", "ed25519:", "ed25519:x1", "rsa:0d"] {
            assert_eq!(colour_of(other), None);
        }
    }
}
