//! Wakes the live streams that follow a log after a new item, on this node and, with NATS, on the others. A wake-up
//! carries no data, and a lost one causes delay but never loses a message.

mod bell;
pub mod nats;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kez_core::identity::Primary;
use kez_core::mls::GroupId;

use crate::store::InboxId;
use bell::Bell;
use nats::Bus;
use nats::hints::Hints;

pub use bell::{Dirty, News};

/// The streams that follow each log.
pub struct Push {
    rooms: Rooms,
    bus: Option<Arc<Bus>>,
}

/// The waiting rooms of this node: the bells of the streams that follow a log.
#[derive(Clone, Default)]
struct Rooms(Arc<Mutex<HashMap<InboxId, Vec<Arc<Bell>>>>>);

/// One stream with its bell, in the rooms of all logs that it follows; dropping it leaves them.
pub struct Waiting {
    rooms: Rooms,
    bell: Arc<Bell>,
    logs: Vec<InboxId>,
    hints: Option<Box<Hints>>,
}

impl Push {
    /// Starts without waiting streams.
    pub fn new(bus: Option<Arc<Bus>>) -> Self {
        Self { rooms: Rooms::default(), bus }
    }

    /// Wakes every stream that follows the inbox of this key, after `seq` was stored. Never waits itself.
    pub fn announce(&self, inbox: InboxId, key: Primary, seq: u64) {
        self.wake(inbox);
        if let Some(bus) = &self.bus {
            bus.announce(key, seq);
        }
    }

    /// Wakes every stream that follows the log of a group, after `seq` was stored; on other nodes by the keys of its
    /// members.
    pub fn announce_group(
        &self,
        log: InboxId,
        gid: GroupId,
        members: impl Iterator<Item = Primary>,
        seq: u64,
    ) {
        self.wake(log);
        if let Some(bus) = &self.bus {
            members.for_each(|key| bus.announce_group(key, gid, seq));
        }
    }

    /// Makes the streams of an account on this node look which groups it belongs to.
    pub fn list_again(&self, inbox: InboxId) {
        for bell in self.rooms.lock().get(&inbox).into_iter().flatten() {
            bell.ring_all();
        }
    }

    /// Wakes the streams of this node that follow the log.
    pub fn wake(&self, log: InboxId) {
        for bell in self.rooms.lock().get(&log).into_iter().flatten() {
            bell.ring(log);
        }
    }

    /// Tells the streams of this node that follow the inbox how many links the sigchain of its owner has.
    pub fn chain_grew(&self, inbox: InboxId, length: u64) {
        for bell in self.rooms.lock().get(&inbox).into_iter().flatten() {
            bell.ring_chain(inbox, length);
        }
    }

    /// Follows the inbox of this key. Announcements on this node are not missed from this call on.
    pub fn wait_for(&self, inbox: InboxId, key: &Primary) -> Waiting {
        let hints = self.bus.as_ref().map(|bus| Box::new(bus.hints(key)));
        let mut waiting =
            Waiting { rooms: self.rooms.clone(), bell: Arc::default(), logs: Vec::new(), hints };
        waiting.follow(inbox);
        waiting
    }

    /// The number of streams on this node that follow the log.
    pub fn waiting(&self, log: InboxId) -> usize {
        self.rooms.lock().get(&log).map_or(0, Vec::len)
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
    fn lock(&self) -> MutexGuard<'_, HashMap<InboxId, Vec<Arc<Bell>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, log: InboxId, leaving: &Arc<Bell>) {
        let mut rooms = self.lock();
        let Some(room) = rooms.get_mut(&log) else { return };
        room.retain(|bell| !Arc::ptr_eq(bell, leaving));
        if room.is_empty() {
            rooms.remove(&log);
        }
    }
}

impl Waiting {
    /// Follows one more log.
    pub fn follow(&mut self, log: InboxId) {
        if !self.logs.contains(&log) {
            self.logs.push(log);
            self.rooms.lock().entry(log).or_default().push(Arc::clone(&self.bell));
        }
    }

    /// Follows these logs beside the inbox, and no others.
    pub fn follow_only(&mut self, inbox: InboxId, logs: &[InboxId]) {
        let gone: Vec<InboxId> =
            self.logs.iter().copied().filter(|log| *log != inbox && !logs.contains(log)).collect();
        for log in gone {
            self.logs.retain(|followed| *followed != log);
            self.rooms.leave(log, &self.bell);
        }
        for log in logs {
            self.follow(*log);
        }
    }

    /// Returns what was announced since the last call, once there is anything. This method is cancel-safe.
    pub async fn woken(&mut self) -> News {
        match &mut self.hints {
            None => self.bell.rung().await,
            Some(hints) => tokio::select! {
                news = self.bell.rung() => news,
                () = hints.next() => Dirty::All.into(),
            },
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        for log in &self.logs {
            self.rooms.leave(*log, &self.bell);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn streams_are_woken_for_the_logs_that_they_follow_and_leave_the_rooms() {
        let (push, key) = (Push::new(None), format!("ed25519:{}", "ab".repeat(32)).parse().unwrap());
        let [one_log, two_log, shared] = [1, 2, -3].map(InboxId);
        let wait_for = |inbox| push.wait_for(inbox, &key);
        let (mut one, mut two) = (wait_for(one_log), wait_for(two_log));
        one.follow(shared);
        one.follow(shared);
        two.follow(shared);
        assert_eq!(one.woken().now_or_never(), None);
        push.announce(one_log, key, 7);
        push.announce(one_log, key, 7);
        assert_eq!(one.woken().now_or_never(), Some(Dirty::These(vec![one_log]).into()));
        assert_eq!(one.woken().now_or_never(), None, "two wake-ups before a look are one");
        assert_eq!(two.woken().now_or_never(), None);
        push.wake(shared);
        push.wake(one_log);
        assert_eq!(one.woken().now_or_never(), Some(Dirty::These(vec![shared, one_log]).into()));
        assert_eq!(two.woken().now_or_never(), Some(Dirty::These(vec![shared]).into()));

        two.follow_only(two_log, &[one_log]);
        push.wake(shared);
        assert_eq!(two.woken().now_or_never(), None);
        two.follow_only(two_log, &[shared]);
        push.list_again(two_log);
        assert_eq!(two.woken().now_or_never(), Some(Dirty::All.into()));
        assert_eq!(one.woken().now_or_never(), Some(Dirty::These(vec![shared]).into()));

        let again = wait_for(one_log);
        assert_eq!([one_log, two_log, shared, InboxId(4)].map(|log| push.waiting(log)), [2, 1, 2, 0]);
        drop(one);
        assert_eq!([one_log, shared].map(|log| push.waiting(log)), [1, 1]);
        drop((again, two));
        assert!(push.rooms.lock().is_empty());
    }
}
