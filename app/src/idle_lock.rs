//! Locks the account after a period without activity in any tab of this browser. The user chooses the period.

use std::time::Duration;

use kez_client::event::UiEvent;
use kez_client::view::AccountView;
use leptos::{ev, prelude::*};

use crate::browser::now;
use crate::reactive::effect;
use crate::session::{Session, use_session};

/// The keys in the browser's local storage, which all tabs share.
const CHOICE: &str = "kez-lock-after";
const LAST_USE: &str = "kez-last-use";
/// How often a tab checks whether the period is over.
const CHECK: Duration = Duration::from_secs(10);
/// An active tab records its activity at most this often, in seconds.
const SAY_EVERY: u64 = 5;

/// The period without activity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LockAfter {
    FiveMinutes,
    OneHour,
    #[default]
    Never,
}

impl LockAfter {
    pub(crate) const ALL: [Self; 3] = [Self::FiveMinutes, Self::OneHour, Self::Never];

    /// The stored name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::FiveMinutes => "5m",
            Self::OneHour => "1h",
            Self::Never => "never",
        }
    }

    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::FiveMinutes => "5 minutes",
            Self::OneHour => "1 hour",
            Self::Never => "Never",
        }
    }

    /// The period in seconds.
    const fn limit(self) -> Option<u64> {
        match self {
            Self::FiveMinutes => Some(5 * 60),
            Self::OneHour => Some(60 * 60),
            Self::Never => None,
        }
    }

    /// Whether the period is over, given the current time and the last activity, both in Unix seconds.
    fn is_over(self, now: u64, last_use: u64) -> bool {
        self.limit().is_some_and(|limit| now.saturating_sub(last_use) >= limit)
    }

    /// The stored choice of this browser. Browser only.
    pub(crate) fn load() -> Self {
        let stored = storage().and_then(|storage| storage.get_item(CHOICE).ok().flatten());
        Self::ALL.into_iter().find(|after| Some(after.name()) == stored.as_deref()).unwrap_or_default()
    }

    /// Stores the choice. A browser that refuses storage forgets it.
    pub(crate) fn choose(self) {
        if let Some(storage) = storage() {
            let _ = storage.set_item(CHOICE, self.name());
        }
        note_use(now());
    }
}

/// Watches for activity in this tab while the app is on the page.
#[component]
pub(crate) fn IdleLock() -> impl IntoView {
    let session = use_session();
    let noted = StoredValue::new(0_u64);
    effect(move || {
        let used = move || {
            let now = now();
            if now.abs_diff(noted.get_value()) >= SAY_EVERY {
                noted.set_value(now);
                note_use(now);
            }
        };
        used();
        let listeners = [
            window_event_listener(ev::keydown, move |_| used()),
            window_event_listener(ev::pointerdown, move |_| used()),
            window_event_listener(ev::pointermove, move |_| used()),
            window_event_listener(ev::wheel, move |_| used()),
        ];
        let timer = set_interval_with_handle(move || lock_if_over(session), CHECK).ok();
        on_cleanup(move || {
            listeners.into_iter().for_each(|listener| listener.remove());
            if let Some(timer) = timer {
                timer.clear();
            }
        });
    });
}

fn lock_if_over(session: Session) {
    let can_lock = session
        .account
        .with_untracked(|account| matches!(account, AccountView::Open(me) if me.has_passphrase));
    if can_lock && LockAfter::load().is_over(now(), last_use()) {
        session.send(UiEvent::LockPressed);
    }
}

fn note_use(now: u64) {
    if let Some(storage) = storage() {
        let _ = storage.set_item(LAST_USE, &now.to_string());
    }
}

/// The recorded last activity; the current time if there is no record.
fn last_use() -> u64 {
    let noted = storage().and_then(|storage| storage.get_item(LAST_USE).ok().flatten());
    noted.and_then(|noted| noted.parse().ok()).unwrap_or_else(now)
}

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::LockAfter;

    #[test]
    fn the_lock_period_ends_after_inactivity() {
        assert!(!LockAfter::FiveMinutes.is_over(299, 0) && LockAfter::FiveMinutes.is_over(300, 0));
        assert!(!LockAfter::OneHour.is_over(3_599, 0) && LockAfter::OneHour.is_over(3_600, 0));
        assert!(!LockAfter::Never.is_over(u64::MAX, 0));
        assert!(!LockAfter::FiveMinutes.is_over(0, 1_000), "a clock that was put back is not over");
    }
}
