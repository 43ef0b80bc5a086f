//! When a device replaces its keys in a group although nothing else changes: a state that was stolen before opens nothing
//! after it.

use super::group::Group;
use crate::kernel::context::Context;

const HOUR: u64 = 60 * 60 * 1000;
const DAY: u64 = 24 * HOUR;
/// How old its keys become, in milliseconds.
const INTERVAL: u64 = 7 * DAY;

impl Group {
    /// Decides when this device replaces its keys: within an hour after it was added, and then every week.
    pub(crate) fn plan_refresh(&mut self, cx: &mut Context<'_>) {
        if self.refresh.is_unset() {
            let age = cx.wall().saturating_sub(self.updated_at.saturating_mul(1000));
            let wait = INTERVAL.saturating_sub(age) + cx.rng.next_u64() % HOUR;
            self.refresh.set(cx.now.saturating_add(wait));
        }
    }

    /// A commit of this device was met, which has replaced its keys.
    pub(crate) const fn has_refreshed(&mut self, at: u64) {
        self.updated_at = at;
        self.refresh.clear();
    }

    /// Another commit was faster, or the server has refused this one: it has time.
    pub(crate) fn put_off_refresh(&mut self, cx: &mut Context<'_>) {
        if self.refresh.is_due() {
            self.refresh.set(cx.now.saturating_add(HOUR + cx.rng.next_u64() % DAY));
        }
    }
}
