//! What the components ask of the browser: labels for times in its language, the title, focus and visibility.

use kez_core::time::Timestamp;
use leptos::prelude::*;
use wasm_bindgen::{JsCast, closure::Closure};

use crate::reactive::effect;
use crate::session::use_session;

#[cfg_attr(target_arch = "wasm32", path = "browser/intl.rs")]
#[cfg_attr(not(target_arch = "wasm32"), path = "browser/utc.rs")]
mod clock;

pub(crate) use clock::{date_label, day_of, now, time_label, weekday_label};

/// The value of `<time datetime>`.
pub(crate) fn iso(unix: u64) -> String {
    Timestamp::from_unix(unix).to_string()
}

/// "Today", "Yesterday" or the date, for the line between two days of a thread.
pub(crate) fn day_label(unix: u64) -> String {
    match day_of(now()) - day_of(unix) {
        0 => "Today".to_owned(),
        1 => "Yesterday".to_owned(),
        _ => date_label(unix),
    }
}

/// When something was, short enough for a row of the list: the time today, then the weekday, then the date.
pub(crate) fn short_label(unix: u64) -> String {
    match day_of(now()) - day_of(unix) {
        0 => time_label(unix),
        1 => "Yesterday".to_owned(),
        2..=6 => weekday_label(unix),
        _ => date_label(unix),
    }
}

/// Keeps the document's title: the page's own, with the number of unread messages in front.
pub(crate) fn use_title(title: impl Into<String>) {
    let title = title.into();
    let unread = use_session().unread;
    effect(move || document().set_title(&title_with(unread.get(), &title)));
}

fn title_with(unread: u64, title: &str) -> String {
    match unread {
        0 => title.to_owned(),
        1..=99 => format!("({unread}) {title}"),
        _ => format!("(99+) {title}"),
    }
}

/// Calls `f` whenever the size of `element` changes, until the calling reactive scope ends. Browser only.
pub(crate) fn on_resize(element: &web_sys::Element, f: impl Fn() + 'static) {
    let callback = Closure::<dyn Fn()>::new(f);
    let Ok(observer) = web_sys::ResizeObserver::new(callback.as_ref().unchecked_ref()) else { return };
    observer.observe(element);
    let held = StoredValue::new_local((observer, callback));
    on_cleanup(move || {
        held.try_with_value(|(observer, _)| observer.disconnect());
    });
}

/// Whether typing does not cover half of the screen with a keyboard: the main pointer can hover.
pub(crate) fn has_real_keyboard() -> bool {
    window().match_media("(hover: hover)").ok().flatten().is_some_and(|query| query.matches())
}

/// Whether this tab is visible and focused.
pub(crate) fn is_looked_at() -> bool {
    let document = document();
    !document.hidden() && document.has_focus().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::{day_label, day_of, now, short_label, title_with};

    #[test]
    fn the_title_counts_what_is_unread() {
        assert_eq!(title_with(0, "KEZ Chat"), "KEZ Chat");
        assert_eq!(title_with(3, "KEZ Chat"), "(3) KEZ Chat");
        assert_eq!(title_with(100, "KEZ Chat"), "(99+) KEZ Chat");
    }

    #[test]
    fn days_are_named_from_today_backwards() {
        let midnight = day_of(now()) as u64 * 86_400;
        assert_eq!(day_label(midnight), "Today");
        assert_eq!(day_label(midnight - 1), "Yesterday");
        assert_eq!(day_label(86_399), "1 January 1970");
        assert_eq!(short_label(midnight - 86_400 - 1), super::weekday_label(midnight - 86_400 - 1));
    }
}
