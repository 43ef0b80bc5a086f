//! Browser services for the components: time labels in the browser's language, the title, focus and visibility.

use std::time::Duration;

use kez_core::time::Timestamp;
use leptos::{ev, prelude::*};
use wasm_bindgen::{JsCast, closure::Closure};

use crate::reactive::{effect, memo};
use crate::session::use_session;

#[cfg_attr(target_arch = "wasm32", path = "browser/intl.rs")]
#[cfg_attr(not(target_arch = "wasm32"), path = "browser/utc.rs")]
mod clock;

#[cfg_attr(target_arch = "wasm32", path = "browser/whatwg.rs")]
#[cfg_attr(not(target_arch = "wasm32"), path = "browser/whatwg_native.rs")]
mod whatwg;

pub(crate) use clock::{
    date_label, day_and_month_label, day_of, full_label, local_midnight, now, time_label, weekday_label,
};
pub(crate) use whatwg::read_address;

/// How often the page checks whether a new day has begun.
const DAY_CHECK: Duration = Duration::from_secs(20);

/// For how many days a date needs no year.
const DAYS_WITHOUT_YEAR: i64 = 300;

/// A parsed web address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// The host in its ASCII form.
    pub(crate) host: String,
    /// Whether a user name or a password precedes the host.
    pub(crate) has_user_info: bool,
}

/// The number of the current local day. Labels that depend on it update at midnight.
#[derive(Clone, Copy)]
struct Today(RwSignal<i64>);

/// Creates the time formatters of the list and of a thread, each in a task of its own. The first takes some 50 ms: created
/// with the first row of the list, it would delay that row. Browser only.
pub fn prepare_labels() {
    let labels: [fn(u64) -> String; 4] = [time_label, full_label, weekday_label, date_label];
    for label in labels {
        set_timeout(move || drop(label(now())), Duration::ZERO);
    }
}

/// Tracks the current day for all labels below the calling component.
pub(crate) fn provide_today() {
    let today = RwSignal::new(day_of(now()));
    provide_context(Today(today));
    effect(move || {
        let update = move || {
            let day = day_of(now());
            if today.get_untracked() != day {
                today.set(day);
            }
        };
        // Timers run late in hidden pages, and do not run while the computer sleeps.
        let listeners = [
            window_event_listener(ev::visibilitychange, move |_| update()),
            window_event_listener(ev::focus, move |_| update()),
        ];
        let timer = set_interval_with_handle(update, DAY_CHECK).ok();
        on_cleanup(move || {
            listeners.into_iter().for_each(|listener| listener.remove());
            if let Some(timer) = timer {
                timer.clear();
            }
        });
    });
}

fn today() -> i64 {
    use_context::<Today>().map_or_else(|| day_of(now()), |Today(today)| today.get())
}

/// The value of `<time datetime>`.
pub(crate) fn iso(unix: u64) -> String {
    Timestamp::from_unix(unix).to_string()
}

/// "Today", "Yesterday" or the date, for the line between two days of a thread.
pub(crate) fn day_label(unix: u64) -> String {
    match today() - day_of(unix) {
        0 => "Today".to_owned(),
        1 => "Yesterday".to_owned(),
        _ => date_label(unix),
    }
}

/// The same within a sentence, for a day that is over or present, whatever the clocks of two computers say.
pub(crate) fn past_day_label(unix: u64) -> String {
    match today() - day_of(unix) {
        ..=0 => "today".to_owned(),
        1 => "yesterday".to_owned(),
        _ => date_label(unix),
    }
}

/// A time label short enough for a row of the list: the time today, then the weekday, then the date.
pub(crate) fn short_label(unix: u64) -> String {
    match today() - day_of(unix) {
        0 => time_label(unix),
        1 => "Yesterday".to_owned(),
        2..=6 => weekday_label(unix),
        _ => date_label(unix),
    }
}

/// A date label short enough for a search result: day and month, and the whole date once the year is in doubt.
pub(crate) fn near_date_label(unix: u64) -> String {
    if today() - day_of(unix) < DAYS_WITHOUT_YEAR { day_and_month_label(unix) } else { date_label(unix) }
}

/// Sets the document's title: the page's own, preceded by the number of unread messages. A new title means a new page;
/// then the focus goes to its heading, unless an element on the page has already taken it.
pub(crate) fn use_title(title: impl Into<Signal<String>>) {
    let title = title.into();
    let title = memo(move || title.get());
    let unread = use_session().unread;
    effect(move || document().set_title(&title_with(unread.get(), &title.read())));
    let arrived = use_context::<FirstPage>();
    effect(move || {
        title.track();
        let is_first =
            arrived.is_none_or(|FirstPage(is_first)| is_first.try_update_value(std::mem::take) == Some(true));
        if !is_first {
            request_animation_frame(focus_heading);
        }
    });
}

/// Whether no page has been shown yet. The first page leaves the focus to the browser.
#[derive(Clone, Copy)]
struct FirstPage(StoredValue<bool>);

/// Lets [`use_title`] tell the document's first page from later ones.
pub(crate) fn provide_first_page() {
    provide_context(FirstPage(StoredValue::new(true)));
}

/// Whether an element on the new page has the focus. The link in the page header that led here does not count.
fn focus_is_in_place() -> bool {
    let focused =
        document().active_element().and_then(|focused| focused.dyn_into::<web_sys::HtmlElement>().ok());
    focused.is_some_and(|focused| {
        focused.matches("main *, dialog *").unwrap_or(false) && focused.offset_parent().is_some()
    })
}

fn focus_heading() {
    let heading = [".thread-header h2", "h1"]
        .iter()
        .find_map(|heading| document().query_selector(heading).ok().flatten());
    if let Some(heading) = heading.and_then(|heading| heading.dyn_into::<web_sys::HtmlElement>().ok())
        && !focus_is_in_place()
    {
        heading.set_tab_index(-1);
        // A heading that is not rendered on this screen cannot take the focus.
        let _ = heading.focus();
    }
}

fn title_with(unread: u64, title: &str) -> String {
    match unread {
        0 => title.to_owned(),
        1..=99 => format!("({unread}) {title}"),
        _ => format!("(99+) {title}"),
    }
}

/// What follows this text at the start of the address's fragment. The fragment is removed from the address, since it is to
/// count once. Browser only.
pub(crate) fn take_hash(start: &str) -> Option<String> {
    let location = window().location();
    let rest = location.hash().ok()?.strip_prefix(start)?.to_owned();
    let path = location.pathname().ok()?;
    // The path is that of this page, so the browser accepts it.
    let _ = window().history().ok()?.replace_state_with_url(&wasm_bindgen::JsValue::NULL, "", Some(&path));
    Some(rest)
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

/// Whether typing does not bring up an on-screen keyboard: the primary pointer can hover.
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
    fn recent_days_are_named() {
        let midnight = day_of(now()) as u64 * 86_400;
        assert_eq!(day_label(midnight), "Today");
        assert_eq!(day_label(midnight - 1), "Yesterday");
        assert_eq!(day_label(86_399), "1 January 1970");
        assert_eq!(short_label(midnight - 86_400 - 1), super::weekday_label(midnight - 86_400 - 1));
    }
}
