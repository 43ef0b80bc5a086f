//! Sending to a group: a message is sealed when it is its turn, and the same bytes are posted until they are answered.

use kez_core::api::{ItemStored, PostItem, messages_target};
use kez_core::content::{Content, What};
use kez_core::envelope::EnvelopeHash;
use kez_core::group_item::{GroupItem, MAX_BYTES};
use kez_core::group_statements::GroupLeave;
use kez_core::message::group_plaintext;
use kez_core::mls::GroupId;
use kez_core::mls::call::Op;
use kez_core::mls::reply::{Outcome as EngineOutcome, Reply};
use kez_core::problem::ProblemCode;
use kez_core::sigchain::Hash;
use serde_json::value::RawValue;

use crate::groups::{Group, Sent, Stage};
use crate::kernel::answer::{Answer, Outcome, body, outcome};
use crate::kernel::context::Context;
use crate::kernel::effect::Method;
use crate::kernel::place::{Key, Lane, Place};
use crate::kernel::reason::Reason;
use crate::kernel::requests::Purpose;
use crate::session::Session;

/// The bytes of an item beside its content, at most: heads, chain, and what MLS and JSON add.
const ROOM: usize = 2_048;

/// Why a message was not sealed.
enum NotSealed {
    /// It is to wait.
    Later,
    /// It can never be sealed.
    Never,
}

impl Session {
    /// Whether messages to a group may be sealed now: the log was read to its end, no commit of this device is under way,
    /// and no leaf is known to be revoked.
    fn may_send(&self, gid: GroupId, cx: &Context<'_>) -> bool {
        let Some(group) = self.groups.get(gid).filter(|group| group.is_in() && group.read) else {
            return false;
        };
        let stored = &group.stored;
        if group.person.is_some_and(|person| !self.may_reach(person, group)) {
            return false;
        }
        let is_clean = stored.known.as_ref().is_some_and(|known| self.revoked_leaves(known).is_empty());
        stored.commit.is_none() && stored.leaving.is_none() && is_clean && self.groups_are_ready(cx)
    }

    /// Whether messages to a group wait for something else than their turn. A broken group, and a new key of the other
    /// person, have notices of their own.
    pub(super) fn keeps_waiting(&self, gid: GroupId, cx: &Context<'_>) -> bool {
        let is_broken = |group: &Group| matches!(group.stored.stage, Stage::Broken(_));
        let contact = self.groups.place(gid).person().and_then(|person| self.contacts.get(person));
        !self.groups.get(gid).is_some_and(is_broken)
            && !contact.is_some_and(|contact| contact.stored.awaits_person())
            && !self.may_send(gid, cx)
    }

    /// Whether the user may write to a group. Writing accepts a request.
    pub(crate) fn group_to_write_to(&mut self, gid: GroupId) -> Result<(), Reason> {
        let group = self.groups.change(gid).ok_or(Reason::NoConversation)?;
        match &group.stored.stage {
            Stage::Left | Stage::Removed => Err(Reason::NotInGroup),
            Stage::Broken(why) => Err(why.clone()),
            Stage::Creating | Stage::Joining | Stage::In if group.stored.leaving.is_some() => {
                Err(Reason::NotInGroup)
            }
            Stage::Creating | Stage::Joining | Stage::In => {
                group.stored.request = false;
                Ok(())
            }
        }
    }

    /// Whether a content stays within the limit of an item.
    pub(crate) fn fits_in_group(&self, content: &Content) -> bool {
        let json = content.to_json().len();
        // Padding adds an eighth at most, and base64 a third. The rest has a few hundred bytes.
        (json + json / 8 + ROOM) / 3 * 4 < MAX_BYTES
    }

    /// Whether messages to a group are waiting.
    pub(super) fn has_waiting(&self, gid: GroupId) -> bool {
        self.outbox.next_in(Lane::Place(self.groups.place(gid))).is_some()
    }

    /// Sends the next message to a group, if it is its turn.
    pub(crate) fn send_next_in_group(&mut self, gid: GroupId, cx: &mut Context<'_>) {
        let lane = Lane::Place(self.groups.place(gid));
        while self.outbox.is_free(lane, cx.now) && self.may_send(gid, cx) {
            let Some(key) = self.outbox.next_in(lane) else { return };
            match self.sealed_in_group(gid, key, cx) {
                Ok(item) => self.post_item(gid, key, item, cx),
                Err(NotSealed::Later) => return,
                Err(NotSealed::Never) => self.refused(key, Reason::CannotBeSent, cx),
            }
        }
    }

    fn post_item(&mut self, gid: GroupId, key: Key, item: String, cx: &mut Context<'_>) {
        let attempts = self.outbox.attempts.get_or_default(key.lane);
        attempts.in_flight = Some(key);
        attempts.since.get_or_insert(cx.now);
        if let Some(body) = item_body(item)
            && let Some(request) =
                self.me.signed_by_device(Method::Post, messages_target(gid), Some(body), cx)
        {
            cx.request(request, Purpose::Send(key));
        }
    }

    /// The item of an entry. It is sealed on the first attempt, and stored with the new state before it is posted.
    fn sealed_in_group(&mut self, gid: GroupId, key: Key, cx: &mut Context<'_>) -> Result<String, NotSealed> {
        let entry = self.outbox.entries.get(&key).ok_or(NotSealed::Never)?;
        if let Some(sealed) = entry.sealed() {
            return Ok(sealed.to_owned());
        }
        let content = entry.content().ok_or(NotSealed::Never)?;
        let group = self.groups.get(gid).ok_or(NotSealed::Never)?;
        let known = group.stored.known.as_ref().ok_or(NotSealed::Later)?;
        let (epoch, generation) = (known.epoch, known.generation);
        let state = group.state().cloned().ok_or(NotSealed::Later)?;
        let expires = group.stored.face.as_ref().and_then(|face| face.expires);
        let conversation = self.conversations.get(&key.place).ok_or(NotSealed::Never)?;
        let (chain, before) = (conversation.next_position(&self.sync.installation), conversation.sent_head());
        let heads = match key.place {
            Place::Direct(person) => self.chains.heads_for(person),
            Place::Group(_) => self.chains.own_head(),
        };
        let text = group_plaintext(&content, &chain, &heads, generation, expires);
        let texts = vec![text.to_vec().into()];
        let reply = self.engine_in(gid, Op::Seal { state, texts }, cx).map_err(|_| NotSealed::Later)?;
        let Reply { group: Some(sealed), outcome: EngineOutcome::Sealed(made) } = reply else {
            return Err(NotSealed::Never);
        };
        let made = made.into_iter().next().filter(|made| made.generation == generation);
        let item = GroupItem::message(gid, epoch, &made.ok_or(NotSealed::Never)?.mls);
        if item.len() > MAX_BYTES {
            return Err(NotSealed::Never);
        }
        let name = Hash::of(&item);
        let item = String::from_utf8(item).map_err(|_| NotSealed::Never)?;
        let hash: EnvelopeHash = name.to_string().parse().map_err(|_| NotSealed::Never)?;
        if let Some(conversation) = self.conversations.get_mut(&key.place) {
            conversation.sent(hash);
        }
        if let Some(group) = self.groups.change(gid) {
            group.take(sealed);
            let face = match content.what {
                What::Face(face) => Some(face.into()),
                _ => None,
            };
            group.stored.sent.push(Sent { item: name, order: key.order, face, before });
        }
        self.outbox.seal(key, &item, cx);
        Ok(item)
    }

    /// Handles the answer to a message.
    pub(crate) fn item_answered(&mut self, gid: GroupId, key: Key, answer: &Answer, cx: &mut Context<'_>) {
        let attempts = self.outbox.attempts.get_or_default(key.lane);
        attempts.in_flight = None;
        match outcome(answer, |response| body::<ItemStored>(response, &[200, 201])) {
            Outcome::Done(_) => {
                self.stands(key.place, key.order, cx);
            }
            Outcome::Refused(problem) if problem.code == ProblemCode::StaleEpoch => {
                self.unseal(gid, cx);
                self.read_again(gid, cx);
            }
            Outcome::Refused(problem) if problem.code == ProblemCode::Unauthorized => {
                self.check_own_chain(cx);
                self.attempt_failed(key.lane, answer, cx);
            }
            Outcome::Refused(problem) => self.refused(key, Reason::server(&problem.detail), cx),
            Outcome::Unknown => self.attempt_failed(key.lane, answer, cx),
        }
        self.send_next_in_group(gid, cx);
    }

    /// A message of this device stands in the log, whether or not the server has answered.
    pub(super) fn stands(&mut self, place: Place, order: u64, cx: &mut Context<'_>) {
        let key = Key { lane: Lane::Place(place), place, order };
        if self.outbox.remove(key, cx).is_some() {
            self.keep_from(place, order);
            cx.shared.requests.forget(|purpose| *purpose == Purpose::Send(key));
            self.outbox.attempts.remove(&key.lane);
        }
    }

    /// The messages to a group that are not in its log are to be sealed anew, with the same ids.
    pub(super) fn unseal(&mut self, gid: GroupId, cx: &mut Context<'_>) {
        let place = self.groups.place(gid);
        self.forget_sealed(place, cx);
        let Some(group) = self.groups.change(gid) else { return };
        let sent = std::mem::take(&mut group.stored.sent);
        let (waiting, stored): (Vec<_>, Vec<_>) =
            sent.into_iter().partition(|sent| self.outbox.entry(place, sent.order).is_some());
        group.stored.sent = stored;
        if let (Some(first), Some(conversation)) = (waiting.first(), self.conversations.get_mut(&place)) {
            conversation.continue_after(first.before);
        }
    }

    /// The log has something that was not read.
    pub(super) fn read_again(&mut self, gid: GroupId, cx: &mut Context<'_>) {
        if let Some(group) = self.groups.recall(gid) {
            group.read = false;
        }
        self.look_at_groups(cx);
    }

    /// Nothing more can be sent to a group.
    pub(super) fn drop_unsent(&mut self, gid: GroupId, cx: &mut Context<'_>) {
        let place = self.groups.place(gid);
        self.forget_sealed(place, cx);
        if place.person().is_some() {
            return;
        }
        for key in self.outbox.keys_of(place) {
            self.refused(key, Reason::NotInGroup, cx);
        }
    }

    /// "Leave group".
    pub(super) fn leave_group(&mut self, gid: GroupId, cx: &mut Context<'_>) {
        let (root, now) = (self.my_root(), cx.timestamp());
        let Some(device) = self.me.device.as_ref() else { return };
        let Ok(leave) = GroupLeave::sign(device.key(), root, gid, now) else { return };
        let item = String::from_utf8(GroupItem::leave(&leave)).unwrap_or_default();
        let Some(group) = self.groups.change(gid) else { return };
        match group.stored.stage {
            Stage::In => group.stored.leaving = Some(item),
            Stage::Joining | Stage::Broken(_) => {
                group.stored.stage = Stage::In;
                group.stored.leaving = Some(item);
            }
            Stage::Creating | Stage::Left | Stage::Removed => {}
        }
    }

    /// Tells the group that the user leaves, until the server has it.
    pub(super) fn post_leave(&mut self, gid: GroupId, cx: &mut Context<'_>) {
        let purpose = Purpose::LeaveGroup(gid);
        let item = self.groups.get(gid).and_then(|group| group.stored.leaving.clone());
        if cx.shared.requests.awaits(&purpose) {
            return;
        }
        if let Some(body) = item.and_then(item_body)
            && let Some(request) =
                self.me.signed_by_device(Method::Post, messages_target(gid), Some(body), cx)
        {
            cx.request(request, purpose);
        }
    }

    /// Handles the answer to that.
    pub(crate) fn leave_answered(&mut self, gid: GroupId, answer: &Answer, cx: &mut Context<'_>) {
        match outcome(answer, |response| body::<ItemStored>(response, &[200, 201])) {
            Outcome::Done(stored) => self.left(gid, Some(stored.seq), cx),
            Outcome::Refused(problem) if problem.code == ProblemCode::Unauthorized => {
                self.check_own_chain(cx);
                self.group_waits(gid, answer, cx);
            }
            // The user is no member any more.
            Outcome::Refused(_) => self.left(gid, None, cx),
            Outcome::Unknown => self.group_waits(gid, answer, cx),
        }
    }

    /// The user has left.
    pub(super) fn left(&mut self, gid: GroupId, seq: Option<u64>, cx: &mut Context<'_>) {
        if self.groups.get(gid).is_some_and(|group| group.stored.stage == Stage::In) {
            self.out(gid, Stage::Left, seq, cx);
            let who = self.my_root();
            self.add_line(gid, crate::messages::StoredLine::Left { who }, cx.wall() / 1000, cx);
        }
    }
}

/// The body of a request that posts an item.
fn item_body(item: String) -> Option<String> {
    let item = RawValue::from_string(item).ok()?;
    serde_json::to_string(&PostItem { item }).ok()
}
