//! What wakes one stream: one waker for all logs that the stream follows, with those that have changed.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::store::InboxId;

/// More changed logs than this are not listed one by one.
const MOST_LISTED: usize = 16;

/// The logs that have changed since the stream last looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dirty {
    /// Only these, in the order of their first change.
    These(Vec<InboxId>),
    /// Any of them.
    All,
}

/// See the module.
pub(super) struct Bell {
    dirty: Mutex<Dirty>,
    notify: Notify,
}

impl Default for Bell {
    fn default() -> Self {
        Self { dirty: Mutex::new(Dirty::These(Vec::new())), notify: Notify::new() }
    }
}

impl Bell {
    /// A log has changed.
    pub(super) fn ring(&self, log: InboxId) {
        self.dirty.lock().unwrap_or_else(PoisonError::into_inner).add(log);
        self.notify.notify_one();
    }

    /// Waits until there is a change, and takes it. This method is cancel-safe.
    pub(super) async fn rung(&self) -> Dirty {
        loop {
            let dirty = self.dirty.lock().unwrap_or_else(PoisonError::into_inner).take();
            if dirty != Dirty::These(Vec::new()) {
                return dirty;
            }
            self.notify.notified().await;
        }
    }
}

impl Dirty {
    /// Whether the log may have changed.
    pub fn contains(&self, log: InboxId) -> bool {
        match self {
            Self::All => true,
            Self::These(logs) => logs.contains(&log),
        }
    }

    fn add(&mut self, log: InboxId) {
        let Self::These(logs) = self else { return };
        if logs.contains(&log) {
            return;
        }
        if logs.len() < MOST_LISTED {
            logs.push(log);
        } else {
            *self = Self::All;
        }
    }

    fn take(&mut self) -> Self {
        std::mem::replace(self, Self::These(Vec::new()))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn many_changes_are_all_changes() {
        let bell = Bell::default();
        for log in 0..MOST_LISTED as i64 {
            bell.ring(InboxId(log));
            bell.ring(InboxId(0));
        }
        let dirty = bell.rung().now_or_never().unwrap();
        assert!(dirty.contains(InboxId(15)) && !dirty.contains(InboxId(16)));
        for log in 0..=MOST_LISTED as i64 {
            bell.ring(InboxId(log));
        }
        assert_eq!(bell.rung().now_or_never(), Some(Dirty::All));
        assert_eq!(bell.rung().now_or_never(), None);
    }

    #[test]
    fn a_change_during_the_wait_ends_it() {
        let bell = Bell::default();
        let mut waiting = std::pin::pin!(bell.rung());
        assert_eq!(waiting.as_mut().now_or_never(), None);
        bell.ring(InboxId(1));
        assert_eq!(waiting.now_or_never(), Some(Dirty::These(vec![InboxId(1)])));
    }
}
