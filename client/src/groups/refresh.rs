//! When a device replaces its keys in a group although nothing else changes: a state that was stolen before opens nothing
//! after it.

use super::group::Group;
use crate::kernel::context::Context;

const HOUR: u64 = 60 * 60 * 1000;
const DAY: u64 = 24 * HOUR;
/// How old its keys become, in milliseconds.
const INTERVAL: u64 = 7 * DAY;
/// Over which time, in milliseconds, the devices of a group spread their commits.
const SPREAD: u64 = HOUR;
/// The same for a device whose commit is overdue by a week: it may never be open for an hour, and must not seem idle.
const SPREAD_OVERDUE: u64 = 10_000;

impl Group {
    /// Decides when this device replaces its keys: within an hour after it was added, and then every week; soon, if that
    /// is overdue.
    pub(crate) fn plan_refresh(&mut self, cx: &mut Context<'_>) {
        if self.refresh.is_unset() {
            let since = |at: u64| cx.wall().saturating_sub(at.saturating_mul(1000));
            let is_overdue = since(self.updated_at.max(self.stored.since)) > 2 * INTERVAL;
            let spread = if is_overdue { SPREAD_OVERDUE } else { SPREAD };
            let wait = INTERVAL.saturating_sub(since(self.updated_at)) + cx.rng.next_u64() % spread;
            self.refresh.set(cx.now.saturating_add(wait));
        }
    }

    /// A commit of this device was met, which has replaced its keys. The time of this browser counts: one that the server
    /// names could have it commit again and again, or never.
    pub(crate) const fn has_refreshed(&mut self, cx: &Context<'_>) {
        self.updated_at = cx.wall() / 1000;
        self.refresh.clear();
    }

    /// Another commit was faster, or the server has refused this one: it has time.
    pub(crate) fn put_off_refresh(&mut self, cx: &mut Context<'_>) {
        if self.refresh.is_due() {
            self.refresh.set(cx.now.saturating_add(HOUR + cx.rng.next_u64() % DAY));
        }
    }
}
