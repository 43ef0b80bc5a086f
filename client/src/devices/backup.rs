//! "Keep history for my recovery words": whether it is on, and how far each conversation was kept.

use serde::{Deserialize, Serialize};

use crate::kernel::place::Slot;

/// The delay, in milliseconds, before new messages are kept. Those within it share one envelope.
const KEEP_AFTER: u64 = 60_000;
/// How much later, in milliseconds, the next device of the account does it. It keeps only what the first one has not.
const KEEP_LATER: u64 = 30_000;

/// The setting, and how far it has come.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Backup {
    /// The user's choice, if they have made one.
    on: Option<bool>,
    /// For each conversation, by the number of its records, the first order that was not kept.
    ends: Vec<(u64, u64)>,
    /// Whether it differs from what is stored.
    #[serde(skip)]
    changed: bool,
    #[serde(skip)]
    keeping: Keeping,
}

/// What is under way, in memory only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Keeping {
    /// Nothing is left to keep.
    #[default]
    Idle,
    /// There are new messages. They are kept at this time.
    Waiting(u64),
    /// Messages are kept, one envelope after the other.
    Busy,
}

impl Backup {
    /// Whether messages are kept for the recovery words; `None` as long as the user has not chosen.
    pub(crate) const fn keeps_history(&self) -> Option<bool> {
        self.on
    }

    /// The user's choice. Returns whether it is news.
    pub(crate) fn keep_history(&mut self, on: bool) -> bool {
        let is_news = self.on != Some(on);
        if is_news {
            self.on = Some(on);
            self.changed = true;
        }
        is_news
    }

    /// The first order of a conversation that was not kept.
    pub(crate) fn kept_up_to(&self, slot: Slot) -> u64 {
        let ends = &self.ends;
        ends.binary_search_by_key(&slot.0, |end| end.0)
            .ok()
            .and_then(|at| ends.get(at))
            .map_or(0, |end| end.1)
    }

    /// Everything of a conversation before this order was kept, or need not be.
    pub(crate) fn set_kept(&mut self, slot: Slot, end: u64) {
        let ends = &mut self.ends;
        match ends.binary_search_by_key(&slot.0, |end| end.0) {
            Ok(at) => ends.iter_mut().skip(at).take(1).for_each(|known| known.1 = end),
            Err(at) => ends.insert(at, (slot.0, end)),
        }
        self.changed = true;
    }

    /// What follows from this order on was not kept.
    pub(crate) fn keep_from(&mut self, slot: Slot, order: u64) {
        if self.kept_up_to(slot) > order {
            self.set_kept(slot, order);
        }
    }

    /// The server has lost what came after a backup of its own: everything is kept again.
    pub(crate) fn keep_all_again(&mut self) {
        self.changed |= !self.ends.is_empty();
        self.ends.clear();
    }

    /// Whether messages are to be kept now; `rank` is the number of devices of the account that do it before this one.
    pub(crate) fn is_time_to_keep(&mut self, rank: u64, now: u64) -> bool {
        self.keeping = match self.keeping {
            Keeping::Idle => Keeping::Waiting(now.saturating_add(KEEP_AFTER + rank * KEEP_LATER)),
            Keeping::Waiting(at) if at <= now => Keeping::Busy,
            other => other,
        };
        self.keeping == Keeping::Busy
    }

    /// When the next action is due.
    pub(super) const fn wake(&self) -> Option<u64> {
        self.keeping.wake()
    }

    /// Whether it has to be stored; once for each change.
    pub(super) const fn take_changed(&mut self) -> bool {
        std::mem::replace(&mut self.changed, false)
    }

    /// Nothing is left to keep.
    pub(crate) const fn end_keeping(&mut self) {
        self.keeping = Keeping::Idle;
    }
}

impl Keeping {
    /// When the next action is due.
    const fn wake(self) -> Option<u64> {
        match self {
            Self::Waiting(at) => Some(at),
            Self::Idle | Self::Busy => None,
        }
    }
}
