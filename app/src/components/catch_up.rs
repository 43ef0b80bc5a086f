//! Progress of a long catch-up.

use leptos::prelude::*;

use crate::session::use_session;

/// A bar above the list while a long backlog is loading: "1,200 of 10,000".
#[component]
pub(crate) fn CatchUp() -> impl IntoView {
    let catching_up = use_session().catching_up;
    move || {
        catching_up.get().map(|progress| {
            let text = format!("{} of {}", grouped(progress.done), grouped(progress.total));
            view! {
                <div class="catch-up">
                    <label for="catch-up">"Catching up"</label>
                    <progress id="catch-up" max=progress.total.to_string() value=progress.done.to_string()></progress>
                    <span>{text}</span>
                </div>
            }
        })
    }
}

/// A number with a comma between thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn thousands_are_grouped() {
        let shown = [0, 999, 1_200, 10_000, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1,200", "10,000", "1,234,567"]);
    }
}
