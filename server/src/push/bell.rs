//! What wakes one stream: one waker for all logs that the stream follows, with those that have changed, and for the
//! sigchain of the stream's owner.

use std::sync::{Mutex, MutexGuard, PoisonError};

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

/// What has changed since the stream last looked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// The logs.
    pub dirty: Dirty,
    /// The number of links that the owner's sigchain has now, if it has grown.
    pub chain: Option<u64>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Bell {
    news: Mutex<News>,
    notify: Notify,
}

impl Bell {
    /// A log has changed.
    pub(super) fn ring(&self, log: InboxId) {
        self.news().dirty.add(log);
        self.notify.notify_one();
    }

    /// Any log may have changed, and which logs there are.
    pub(super) fn ring_all(&self) {
        self.news().dirty = Dirty::All;
        self.notify.notify_one();
    }

    /// The sigchain of the owner of this log has grown.
    pub(super) fn ring_chain(&self, log: InboxId, length: u64) {
        let mut news = self.news();
        news.dirty.add(log);
        news.chain = news.chain.max(Some(length));
        drop(news);
        self.notify.notify_one();
    }

    /// Waits until there are news, and takes them. This method is cancel-safe.
    pub(super) async fn rung(&self) -> News {
        loop {
            let news = std::mem::take(&mut *self.news());
            if news != News::default() {
                return news;
            }
            self.notify.notified().await;
        }
    }

    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Dirty {
    fn default() -> Self {
        Self::These(Vec::new())
    }
}

impl From<Dirty> for News {
    fn from(dirty: Dirty) -> Self {
        Self { dirty, chain: None }
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
        let dirty = bell.rung().now_or_never().unwrap().dirty;
        assert!(dirty.contains(InboxId(15)) && !dirty.contains(InboxId(16)));
        for log in 0..=MOST_LISTED as i64 {
            bell.ring(InboxId(log));
        }
        assert_eq!(bell.rung().now_or_never(), Some(Dirty::All.into()));
        assert_eq!(bell.rung().now_or_never(), None);
    }

    #[test]
    fn a_change_during_the_wait_ends_it() {
        let bell = Bell::default();
        let mut waiting = std::pin::pin!(bell.rung());
        assert_eq!(waiting.as_mut().now_or_never(), None);
        bell.ring(InboxId(1));
        assert_eq!(waiting.now_or_never(), Some(Dirty::These(vec![InboxId(1)]).into()));
    }

    #[test]
    fn of_several_lengths_of_a_chain_the_greatest_is_told() {
        let bell = Bell::default();
        for length in [4, 6, 5] {
            bell.ring_chain(InboxId(1), length);
        }
        let news = News { dirty: Dirty::These(vec![InboxId(1)]), chain: Some(6) };
        assert_eq!(bell.rung().now_or_never(), Some(news));
    }
}
