//! Copies of what envelopes contained, for devices without the recovery words: when those that wait are sent, and which of
//! them other devices have sent.

use std::collections::VecDeque;

use kez_core::content::{EnvelopeCopy, MessageId};
use kez_core::identity::Primary;
use kez_core::sigchain::DeviceId;

use crate::kernel::context::Context;

/// The longest delay, in milliseconds, before a copy is sent. It is random, so that one device is the first.
const LONGEST_DELAY: u64 = 5_000;
/// The most copies of other devices that are remembered until their envelopes come.
const MOST_REMEMBERED: usize = 1_000;

/// Names a copied message: the root of the person, whether the user wrote it, and its author's id for it. Devices may have
/// the user's own message from different envelopes.
type Name = (Primary, bool, MessageId);

/// All but the devices is in memory only: the copies themselves wait in the outbox, and are sent at once after a restart.
#[derive(Default)]
pub(crate) struct Copies {
    /// The devices that have said that they have the recovery words.
    pub(super) with_words: Vec<DeviceId>,
    /// Whether they differ from what is stored.
    changed: bool,
    /// When the copies that wait are sent.
    due: Option<u64>,
    /// The copies of other devices whose envelopes have not come here, the oldest first.
    sent_elsewhere: VecDeque<Name>,
}

impl Copies {
    /// A copy waits. It is sent together with those that wait already, so that they keep their order.
    pub(crate) fn wait(&mut self, cx: &mut Context<'_>) {
        let delay = cx.rng.next_u64() % (LONGEST_DELAY + 1);
        self.due.get_or_insert(cx.now.saturating_add(delay));
    }

    /// Whether the copies that wait are to be sent now; once for each delay.
    pub(crate) fn are_due(&mut self, now: u64) -> bool {
        self.due.take_if(|at| *at <= now).is_some()
    }

    /// Another device has sent a copy whose envelope has not come here.
    pub(crate) fn on_sent_elsewhere(&mut self, copy: EnvelopeCopy) {
        self.sent_elsewhere.push_back((copy.with, copy.mine, copy.message.id));
        let excess = self.sent_elsewhere.len().saturating_sub(MOST_REMEMBERED);
        self.sent_elsewhere.drain(..excess);
    }

    /// Whether another device has sent the copy of a message. It is forgotten, because the envelope is here now.
    pub(crate) fn was_sent_elsewhere(&mut self, copy: &EnvelopeCopy) -> bool {
        let is_it =
            |(with, mine, id): &Name| (*with, *mine) == (copy.with, copy.mine) && *id == copy.message.id;
        let at = self.sent_elsewhere.iter().position(is_it);
        at.and_then(|at| self.sent_elsewhere.remove(at)).is_some()
    }

    /// Whether the devices have to be stored; once for each change.
    pub(super) const fn take_changed(&mut self) -> bool {
        std::mem::replace(&mut self.changed, false)
    }

    /// When the next action is due.
    pub(super) const fn wake(&self) -> Option<u64> {
        self.due
    }

    /// Whether a device is known to have the recovery words.
    pub(crate) fn has_words(&self, device: &DeviceId) -> bool {
        self.with_words.contains(device)
    }

    /// The devices that are known to have the recovery words.
    pub(crate) fn with_words(&self) -> &[DeviceId] {
        &self.with_words
    }

    /// Whether a device has the recovery words. Returns whether that is news.
    pub(crate) fn on_words(&mut self, device: DeviceId, has: bool) -> bool {
        if self.has_words(&device) == has {
            return false;
        }
        self.with_words.retain(|other| *other != device);
        if has {
            self.with_words.push(device);
        }
        self.changed = true;
        true
    }
}
