//! Earlier messages on their way to a new device of the user's.

use kez_core::sigchain::DeviceId;
use serde::{Deserialize, Serialize};

use super::Devices;

/// Messages that a new device is to get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outgoing {
    pub(crate) device: DeviceId,
    /// What is left to send.
    pub(crate) spans: Vec<Span>,
    /// How many parts were sent.
    pub(crate) sent: u64,
    /// How many parts are expected in all.
    pub(crate) of: u64,
}

/// Part of a conversation: the orders from `from` to before `to`, of which those before `left` are still to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Span {
    /// The number of the conversation's records.
    pub(crate) slot: u64,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) left: u64,
}

impl Devices {
    /// A device was linked here. Once it has joined, it gets the history.
    pub(crate) fn begin_history(&mut self, device: DeviceId) {
        if self.outgoing(device).is_none() {
            self.stored.outgoing.push(Outgoing { device, spans: Vec::new(), sent: 0, of: 0 });
            self.changed = true;
        }
    }

    /// What a device is to get, if it was linked here.
    pub(crate) fn outgoing(&self, device: DeviceId) -> Option<&Outgoing> {
        self.stored.outgoing.iter().find(|outgoing| outgoing.device == device)
    }

    /// All that is on its way.
    pub(crate) fn all_outgoing(&self) -> &[Outgoing] {
        &self.stored.outgoing
    }

    /// Changes what a device is to get.
    pub(crate) fn change_outgoing(&mut self, device: DeviceId) -> Option<&mut Outgoing> {
        self.changed = true;
        self.stored.outgoing.iter_mut().find(|outgoing| outgoing.device == device)
    }

    /// Nothing more is sent to a device.
    pub(crate) fn end_history(&mut self, device: DeviceId) {
        self.stored.outgoing.retain(|outgoing| outgoing.device != device);
        self.changed = true;
    }

    /// A part of the history has come.
    pub(crate) fn on_part(&mut self, part: u64, of: u64) {
        self.stored.incoming = Some((part, of.max(part)));
        self.changed = true;
    }

    /// How many parts have come, and how many there will be.
    pub(crate) const fn incoming(&self) -> Option<(u64, u64)> {
        self.stored.incoming
    }
}

impl Outgoing {
    /// Adds everything of a conversation before this order that was not added yet.
    pub(crate) fn add(&mut self, slot: u64, to: u64) {
        let covered = self.spans.iter().filter(|span| span.slot == slot).map(|span| span.to).max();
        let from = covered.unwrap_or(0);
        if from < to {
            self.spans.push(Span { slot, from, to, left: to });
        }
    }
}
