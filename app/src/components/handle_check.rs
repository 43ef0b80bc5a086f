//! The availability note below "Handle" on /join.

use kez_client::view::Availability;
use leptos::prelude::*;

use crate::text::sentence;

/// Says whether the handle is available.
#[component]
pub(crate) fn HandleCheck(
    /// The id that the field refers to.
    id: &'static str,
    #[prop(into)] availability: Signal<Availability>,
) -> impl IntoView {
    let words = move || match availability.get() {
        Availability::Empty => "3 to 32 characters: a-z, 0-9, _ and -".to_owned(),
        Availability::Checking => "Checking…".to_owned(),
        Availability::Available => "Available".to_owned(),
        Availability::Taken => "Taken".to_owned(),
        Availability::Refused { reason } => sentence(&reason),
        Availability::Unknown => "The server is not responding. Type to try again.".to_owned(),
    };
    let tone = move || match availability.get() {
        Availability::Available => "good",
        Availability::Taken | Availability::Refused { .. } | Availability::Unknown => "bad",
        Availability::Empty | Availability::Checking => "plain",
    };
    view! { <p id=id class="hint" role="status" data-tone=tone>{words}</p> }
}
