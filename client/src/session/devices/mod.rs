//! The group of the user's own devices: how it begins, and what happens when a device joins a group.

mod backup;
mod copies;
mod history;
mod linking;
mod sync;

use kez_core::api::{GROUPS_TARGET, GroupExistsProblem, GroupKind, GroupList};
use kez_core::content::{Content, MessageId, What};
use kez_core::mls::GroupId;
use kez_core::mls::policy::Kind;
use kez_core::sigchain::DeviceId;

use crate::kernel::answer::{Answer, Outcome, body, outcome, retry_after};
use crate::kernel::context::Context;
use crate::kernel::device::OwnDevice;
use crate::kernel::effect::Method;
use crate::kernel::me::AccountKey;
use crate::kernel::place::{Place, Slot};
use crate::kernel::requests::Purpose;
use crate::messages::Conversation;
use crate::session::Session;

/// How long after an answer without a list of groups the server is asked again, in milliseconds.
const UNSUPPORTED: u64 = 60 * 60 * 1000;

impl Session {
    /// The group of the user's own devices, if this device is in it.
    fn own_group(&self) -> Option<GroupId> {
        self.groups.own().filter(|(_, group)| group.is_in()).map(|(gid, _)| gid)
    }

    /// Whether a group is that of the user's own devices.
    pub(super) fn is_own_group(&self, gid: GroupId) -> bool {
        self.groups.get(gid).is_some_and(|group| group.stored.is_own())
    }

    /// This browser as a device.
    fn this_device(&self) -> Option<DeviceId> {
        self.me.device.as_ref().map(OwnDevice::id)
    }

    /// The user's other devices that are in their group.
    fn other_devices(&self) -> Vec<DeviceId> {
        let here = self.this_device();
        let known = self.groups.own().and_then(|(_, group)| group.stored.known.as_ref());
        let leaves = known.map(|known| known.leaves.as_slice()).unwrap_or_default();
        leaves.iter().map(|leaf| leaf.device).filter(|device| Some(*device) != here).collect()
    }

    /// A conversation that begins now. In a browser that was linked there is room before it for earlier messages.
    pub(super) fn new_conversation(&self, slot: Slot) -> Conversation {
        match self.me.key {
            AccountKey::Secret(_) => Conversation::new(slot),
            AccountKey::Public(_) => Conversation::after_history(slot),
        }
    }

    /// Asks the server for the group of the user's own devices, unless it is here already.
    pub(super) fn find_own_group(&mut self, cx: &mut Context<'_>) {
        if self.devices.list_at.take_if(|at| *at <= cx.now).is_none() || self.groups.own().is_some() {
            return;
        }
        let request = self.me.signed(Method::Get, GROUPS_TARGET.to_owned(), None, cx);
        cx.request(request, Purpose::OwnGroups);
    }

    /// Handles the list of groups: the group of the user's devices is joined or, by the first device, created.
    pub(super) fn on_own_groups(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        let Outcome::Done(list) = outcome(answer, |response| body::<GroupList>(response, &[200])) else {
            let wait = match answer {
                Ok(response) if response.status == 404 => UNSUPPORTED,
                _ => self.devices.backoff.next_after(retry_after(answer), cx.rng).max(500),
            };
            self.devices.list_at = Some(cx.now.saturating_add(wait));
            return;
        };
        self.devices.backoff.reset();
        let own = list.groups.iter().find(|group| group.kind == GroupKind::Own && group.until.is_none());
        match own.map(|group| group.gid) {
            Some(gid) if self.groups.get(gid).is_some() => {}
            Some(gid) => self.meet_group(gid, cx),
            None if self.groups.own().is_some() || !self.groups_are_ready(cx) => {}
            None => {
                let policy = self.alone(Kind::Own);
                let _ = policy.and_then(|policy| self.create_group(policy, String::new(), None, cx));
            }
        }
    }

    /// Another device was faster to create the group of the user's devices.
    pub(super) fn own_group_exists(&mut self, gid: GroupId, answer: &Answer, cx: &mut Context<'_>) {
        let exists = answer.as_ref().ok().and_then(|response| body::<GroupExistsProblem>(response, &[409]));
        let Some(GroupExistsProblem { gid: other, .. }) = exists else {
            return self.group_waits(gid, answer, cx);
        };
        if other == gid {
            return self.group_waits(gid, answer, cx);
        }
        if let Some(conversation) = self.conversations.remove(&Place::Group(gid)) {
            conversation.erase(cx);
        }
        for key in self.outbox.keys_of(Place::Group(gid)) {
            self.outbox.remove(key, cx);
        }
        self.groups.remove(gid, cx);
        if self.groups.get(other).is_none() {
            self.meet_group(other, cx);
        }
    }

    /// Another device of the user's has joined a group by itself.
    pub(super) fn device_joined(&mut self, gid: GroupId, device: DeviceId, cx: &mut Context<'_>) {
        if self.this_device() == Some(device) {
            return;
        }
        self.add_to_history(gid, device);
        if !self.is_own_group(gid) {
            return;
        }
        // One of the others is enough: the one that has linked it or, for a browser with the words, the first one.
        let others = self.other_devices();
        let first = others.into_iter().filter(|other| *other != device).chain(self.this_device()).min();
        if self.devices.outgoing(device).is_some() || first == self.this_device() {
            self.introduce(cx);
        }
    }

    /// Sends a content to the user's other devices.
    fn say_to_devices(&mut self, what: What, cx: &mut Context<'_>) {
        let Some(gid) = self.own_group() else { return };
        let id = MessageId::ulid(cx.wall(), &mut &mut *cx.rng);
        self.say(Place::Group(gid), &Content { id, sent_at: Some(cx.timestamp()), what }, cx);
    }
}
