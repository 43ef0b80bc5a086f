//! Wakes the live streams of an inbox after a new item, on this node and, with NATS, on the others. A wake-up carries
//! no data, and a lost one causes delay but never loses a message.

pub mod nats;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kez_core::identity::Primary;
use tokio::sync::watch;

use crate::store::AccountId;
use nats::Bus;
use nats::hints::Hints;

/// The streams that wait for each inbox.
pub struct Push {
    rooms: Rooms,
    bus: Option<Arc<Bus>>,
}

/// The waiting rooms of this node.
#[derive(Clone, Default)]
struct Rooms(Arc<Mutex<HashMap<AccountId, watch::Sender<()>>>>);

/// One stream's entry in the waiting room of an inbox; dropping it leaves the room.
pub struct Waiting {
    rooms: Rooms,
    inbox: AccountId,
    woken: watch::Receiver<()>,
    hints: Option<Box<Hints>>,
}

impl Push {
    /// Starts without waiting streams.
    pub fn new(bus: Option<Arc<Bus>>) -> Self {
        Self { rooms: Rooms::default(), bus }
    }

    /// Wakes every stream that waits for the inbox of this key, after `seq` was stored. Never waits itself.
    pub fn announce(&self, inbox: AccountId, key: Primary, seq: u64) {
        self.wake(inbox);
        if let Some(bus) = &self.bus {
            bus.announce(key, seq);
        }
    }

    /// Wakes the streams of this node that wait for the inbox.
    pub fn wake(&self, inbox: AccountId) {
        if let Some(sender) = self.rooms.lock().get(&inbox) {
            sender.send_replace(());
        }
    }

    /// Waits for the inbox of this key. Announcements on this node are not missed from this call on.
    pub fn wait_for(&self, inbox: AccountId, key: &Primary) -> Waiting {
        let woken = self.rooms.lock().entry(inbox).or_insert_with(|| watch::channel(()).0).subscribe();
        let hints = self.bus.as_ref().map(|bus| Box::new(bus.hints(key)));
        Waiting { rooms: self.rooms.clone(), inbox, woken, hints }
    }

    /// The number of streams on this node that wait for the inbox.
    pub fn waiting(&self, inbox: AccountId) -> usize {
        self.rooms.lock().get(&inbox).map_or(0, watch::Sender::receiver_count)
    }

    /// Whether a broker is connected; `None` without NATS.
    pub fn nats_connected(&self) -> Option<bool> {
        self.bus.as_ref().map(|bus| bus.is_up())
    }

    /// Whether all nodes receive each other's announcements, as far as this one can tell.
    pub fn is_whole(&self) -> bool {
        self.nats_connected().unwrap_or(true)
    }

    /// Sends the last announcements.
    pub async fn close(&self) {
        if let Some(bus) = &self.bus {
            bus.close().await;
        }
    }
}

impl Rooms {
    fn lock(&self) -> MutexGuard<'_, HashMap<AccountId, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Returns once the inbox has been announced since the last call.
    pub async fn woken(&mut self) {
        let here = async {
            if self.woken.changed().await.is_err() {
                // The sender lives as long as any stream waits; without one, only the periodic reading is left.
                std::future::pending::<()>().await;
            }
        };
        match &mut self.hints {
            None => here.await,
            Some(hints) => tokio::select! {
                () = here => {}
                () = hints.next() => {}
            },
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut rooms = self.rooms.lock();
        // This receiver is still included in the count.
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
    fn waiters_are_woken_and_dropped_waiters_removed() {
        let (push, key) = (Push::new(None), format!("ed25519:{}", "ab".repeat(32)).parse().unwrap());
        let wait_for = |inbox| push.wait_for(AccountId(inbox), &key);
        let (mut one, mut two) = (wait_for(1), wait_for(2));
        assert_eq!(one.woken().now_or_never(), None);
        push.announce(AccountId(1), key, 7);
        push.announce(AccountId(1), key, 7);
        assert_eq!(one.woken().now_or_never(), Some(()));
        assert_eq!(one.woken().now_or_never(), None, "two wake-ups before a look are one");
        assert_eq!(two.woken().now_or_never(), None);

        let again = wait_for(1);
        assert_eq!([1, 2, 3].map(|inbox| push.waiting(AccountId(inbox))), [2, 1, 0]);
        drop(one);
        assert_eq!(push.rooms.lock().len(), 2);
        drop((again, two));
        assert!(push.rooms.lock().is_empty());
    }
}
