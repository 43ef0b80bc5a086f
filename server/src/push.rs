//! "There is something after what you have": wakes the live streams of an inbox. A wake-up says nothing more, and
//! losing one costs delay, never a message.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::store::AccountId;

/// Who waits for which inbox.
#[derive(Clone, Default)]
pub struct Push(Arc<Mutex<HashMap<AccountId, watch::Sender<()>>>>);

/// One stream's place in the waiting room of an inbox; leaves it when dropped.
pub struct Waiting {
    push: Push,
    inbox: AccountId,
    woken: watch::Receiver<()>,
}

impl Push {
    /// Wakes every stream that waits for the inbox.
    pub fn wake(&self, inbox: AccountId) {
        if let Some(sender) = self.rooms().get(&inbox) {
            sender.send_replace(());
        }
    }

    /// Waits for an inbox. What is pushed from this call on is not missed.
    pub fn wait_for(&self, inbox: AccountId) -> Waiting {
        let woken = self.rooms().entry(inbox).or_insert_with(|| watch::channel(()).0).subscribe();
        Waiting { push: self.clone(), inbox, woken }
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<AccountId, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Returns once the inbox was pushed since the last call.
    pub async fn woken(&mut self) {
        if self.woken.changed().await.is_err() {
            // The sender lives as long as anybody waits; without one, only the regular re-reading is left.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut rooms = self.push.rooms();
        // This receiver still counts.
        if rooms.get(&self.inbox).is_some_and(|sender| sender.receiver_count() <= 1) {
            rooms.remove(&self.inbox);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn wakes_those_who_wait_and_forgets_those_who_left() {
        let push = Push::default();
        let (mut one, mut two) = (push.wait_for(AccountId(1)), push.wait_for(AccountId(2)));
        assert_eq!(one.woken().now_or_never(), None);
        push.wake(AccountId(1));
        push.wake(AccountId(1));
        assert_eq!(one.woken().now_or_never(), Some(()));
        assert_eq!(one.woken().now_or_never(), None, "two wake-ups before a look are one");
        assert_eq!(two.woken().now_or_never(), None);

        let again = push.wait_for(AccountId(1));
        drop(one);
        assert_eq!(push.rooms().len(), 2);
        drop((again, two));
        assert!(push.rooms().is_empty());
    }
}
