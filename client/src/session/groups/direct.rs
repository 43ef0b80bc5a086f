//! The conversation of two people over MLS. It stays the conversation of its contact; a group of two only carries it.
//!
//! A contact whose chain has ever named a device is written to over MLS alone, for ever. The group is created with the
//! first message, or it is the one that the other side was faster to create.

use kez_core::api::{GroupExistsProblem, InboxItem};
use kez_core::group_item::{Body, GroupItem};
use kez_core::handle::Handle;
use kez_core::identity::Primary;
use kez_core::mls::GroupId;
use kez_core::mls::policy::{Account, Kind, Policy, Role};
use kez_core::sigchain::{Certified, Chain};

use crate::groups::{Group, Intent, Stage, StoredGroup, What};
use crate::kernel::answer::Answer;
use crate::kernel::context::Context;
use crate::kernel::lookup::Found;
use crate::kernel::place::{Lane, PersonId, Place};
use crate::kernel::reason::Reason;
use crate::link::Inbox;
use crate::messages::{StoredBody, StoredLine, StoredMessage};
use crate::session::Session;
use crate::session::directory::HandleState;

/// How long, in milliseconds, before the key packages of a person whose devices had none are claimed again.
const CLAIM_AGAIN: u64 = 10 * 60 * 1000;
/// For how long, in seconds, a conversation that has moved to MLS may have envelopes that were sent before.
const JUST_MOVED: u64 = 24 * 60 * 60;
/// How long, in milliseconds, before a group is looked at again whose other person could not be looked up.
const LOOK_UP_AGAIN: u64 = 60 * 1000;

/// What carries the messages of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Carrier {
    /// Envelopes.
    Envelopes,
    /// A group.
    Group(GroupId),
    /// A group of two that does not exist yet.
    NoGroup,
}

impl Session {
    /// What carries the messages of a lane.
    pub(in crate::session) fn carrier(&self, lane: Lane) -> Carrier {
        match lane {
            Lane::Own => Carrier::Envelopes,
            Lane::Place(Place::Group(gid)) => Carrier::Group(gid),
            Lane::Place(Place::Direct(person)) => match self.contacts.get(person).map(|one| one.stored.mls) {
                Some(mls) if mls.required => mls.group.map_or(Carrier::NoGroup, Carrier::Group),
                _ => Carrier::Envelopes,
            },
        }
    }

    /// Whether a group has a conversation of its own.
    pub(crate) fn is_group_of_people(&self, gid: GroupId) -> bool {
        let group = self.groups.get(gid).filter(|group| group.person.is_none());
        group.is_some_and(|group| !matches!(group.stored.kind(), Some(Kind::Direct | Kind::Own)))
    }

    /// The chain of a contact, if it is proven to be theirs: it names the pinned key.
    fn proven_chain(&self, person: PersonId) -> Option<&Chain> {
        let key = self.contacts.get(person)?.stored.key.primary();
        let chain = self.chains.contacts().chain(person)?;
        let chain = self.chains.chain(&chain.root()).unwrap_or(chain);
        Some(chain).filter(|chain| chain.primaries().contains(&key))
    }

    /// Why messages to a person are not sent, for a reason that time alone does not end.
    pub(crate) fn why_not_sent(&self, person: PersonId) -> Option<Reason> {
        let chain = self.proven_chain(person);
        match self.carrier(Lane::Place(Place::Direct(person))) {
            Carrier::Envelopes => {
                chain.is_some_and(|chain| chain.min_version() > 1).then_some(Reason::OldMessagesRefused)
            }
            Carrier::Group(_) | Carrier::NoGroup if chain.is_none_or(has_no_device) => Some(Reason::NoDevice),
            Carrier::Group(gid) => self.groups.get(gid).and_then(|group| match &group.stored.stage {
                Stage::Broken(why) => Some(why.clone()),
                Stage::In if self.is_out_of_reach(group) => Some(Reason::NoReader),
                _ => None,
            }),
            Carrier::NoGroup => None,
        }
    }

    /// Whether the devices of the other person of a group had no key packages, and have not joined by themselves yet.
    fn is_out_of_reach(&self, group: &Group) -> bool {
        group.claim_at > 0 && group.stored.intents.is_empty() && !self.reaches(group)
    }

    /// Notes that a person is written to over MLS from now on, if their chain has named a device and this browser's own
    /// device stands. What was sealed in an envelope and not acknowledged is sealed anew, with the same id.
    pub(in crate::session) fn require_mls(&mut self, person: PersonId, cx: &mut Context<'_>) {
        let names_device = self.proven_chain(person).is_some_and(|chain| !chain.devices().is_empty());
        let stands = names_device && self.my_credential(cx).is_some();
        if let Some(contact) = self.contacts.get_mut(person).filter(|one| stands && !one.stored.mls.required)
        {
            contact.stored.mls.required = true;
            self.contacts.save(person, cx);
            self.forget_sealed(Place::Direct(person), cx);
        }
    }

    /// This browser's device may stand now: does the same for all contacts.
    pub(in crate::session) fn require_mls_of_all(&mut self, cx: &mut Context<'_>) {
        if self.my_credential(cx).is_some() {
            for person in self.contacts.ids() {
                self.require_mls(person, cx);
            }
        }
    }

    /// Creates the groups of two that messages wait for, and notes since when messages wait for any group.
    pub(super) fn begin_groups_of_two(&mut self, cx: &mut Context<'_>) {
        for lane in self.outbox.lanes() {
            let Lane::Place(place) = lane else { continue };
            let carrier = self.carrier(lane);
            let waits = match carrier {
                Carrier::Envelopes => continue,
                Carrier::Group(gid) => self.keeps_waiting(gid, cx),
                Carrier::NoGroup => true,
            };
            if waits && self.outbox.next_in(lane).is_some() {
                // The user is told if that takes long.
                let attempts = self.outbox.attempts.get_or_default(lane);
                attempts.since = attempts.since.or(Some(cx.now)).filter(|_| !cx.shared.offline);
            }
            if let Place::Direct(person) = place
                && carrier == Carrier::NoGroup
                && self.outbox.is_free(lane, cx.now)
                && self.outbox.next_in(lane).is_some()
                && self.why_not_sent(person).is_none()
                && self.contacts.get(person).is_some_and(|contact| !contact.stored.awaits_person())
            {
                let _ = self.begin_group_of_two(person, cx);
            }
        }
    }

    fn begin_group_of_two(&mut self, person: PersonId, cx: &mut Context<'_>) -> Option<()> {
        let (me, other) = (self.my_root(), self.proven_chain(person)?.root());
        let admins = [me, other].map(|root| Account { root, role: Role::Admin });
        let policy = Policy::new(Kind::Direct, admins.to_vec()).ok()?;
        let gid = self.create_group(policy, String::new(), None, cx)?;
        self.carry(gid, person, cx);
        Some(())
    }

    /// A group now carries the conversation with a person.
    fn carry(&mut self, gid: GroupId, person: PersonId, cx: &mut Context<'_>) {
        if let Some(empty) = self.conversations.remove(&Place::Group(gid)) {
            empty.erase(cx);
        }
        if let Some(group) = self.groups.recall(gid) {
            group.person = Some(person);
        }
        let Some(contact) = self.contacts.get_mut(person) else { return };
        let mls = &mut contact.stored.mls;
        if mls.required && mls.group == Some(gid) {
            return;
        }
        (mls.required, mls.group) = (true, Some(gid));
        self.contacts.save(person, cx);
        // Whatever was sealed was sealed for another group, or in an envelope.
        self.forget_sealed(Place::Direct(person), cx);
    }

    /// Says once in a conversation with one person that it has moved to MLS, before its first message over MLS.
    pub(in crate::session) fn say_upgraded(&mut self, place: Place, cx: &mut Context<'_>) {
        let Place::Direct(person) = place else { return };
        let Some(contact) = self.contacts.get_mut(person) else { return };
        let (mls, now) = (&mut contact.stored.mls, cx.wall() / 1000);
        if mls.required && mls.since.is_none() {
            mls.since = Some(now);
            self.contacts.save(person, cx);
            let line = StoredMessage::note(StoredBody::Group(StoredLine::Upgraded), now);
            self.add_message(place, line, cx);
        }
    }

    /// Whether a conversation had moved to MLS at this time, Unix seconds.
    pub(in crate::session) fn had_moved(&self, place: Place, at: u64) -> bool {
        let contact = place.person().and_then(|person| self.contacts.get(person));
        contact.and_then(|contact| contact.stored.mls.since).is_some_and(|since| since < at)
    }

    /// Whether a group is the one in which a person is written to, and a device of theirs can read there.
    pub(super) fn may_reach(&self, person: PersonId, group: &Group) -> bool {
        let contact = self.contacts.get(person).map(|contact| &contact.stored);
        contact.is_some_and(|it| it.mls.group == Some(group.stored.gid) && !it.awaits_person())
            && self.reaches(group)
    }

    /// Whether a device of the other person is in a group of two.
    fn reaches(&self, group: &Group) -> bool {
        let other = group.stored.other(&self.my_root());
        let mut leaves = group.stored.known.iter().flat_map(|known| &known.leaves);
        leaves.any(|leaf| Some(leaf.root) == other)
    }

    /// Has the devices of the other person added, and this account's other devices, if messages wait that no device of
    /// theirs can read.
    pub(super) fn reach_other(&mut self, gid: GroupId, cx: &mut Context<'_>) {
        let me = self.my_root();
        let Some(group) = self.groups.get(gid).filter(|group| group.stored.intents.is_empty()) else {
            return;
        };
        let Some(other) = group.stored.other(&me) else { return };
        let is_due = group.claim_at <= cx.now && self.has_waiting(gid) && !self.reaches(group);
        if is_due && let Some(group) = self.groups.change(gid) {
            group.claim_at = cx.now.saturating_add(CLAIM_AGAIN);
            group.stored.intents.push(Intent::new(What::Add(vec![other, me])));
        }
    }

    /// The server has another group of these two people already: that one carries the conversation.
    pub(super) fn follow_existing(&mut self, gid: GroupId, answer: &Answer, cx: &mut Context<'_>) -> bool {
        let exists = answer.as_ref().ok().and_then(|it| serde_json::from_slice(&it.body).ok());
        let Place::Direct(person) = self.groups.place(gid) else { return false };
        let Some(GroupExistsProblem { gid: other, .. }) = exists else { return false };
        self.groups.remove(gid, cx);
        match self.groups.change(other) {
            None => self.add_group(StoredGroup::new(other, Stage::Joining, cx.wall() / 1000), cx),
            Some(group) if matches!(group.stored.stage, Stage::Left | Stage::Removed) => {
                group.stored.stage = Stage::Joining;
            }
            Some(_) => {}
        }
        self.carry(other, person, cx);
        if self.groups.get(other).is_some_and(Group::is_in) {
            self.entered(other, cx);
        }
        true
    }

    /// The server refuses a group of two: the messages that waited for it are refused.
    pub(super) fn could_not_begin(&mut self, gid: GroupId, why: &Reason, cx: &mut Context<'_>) {
        let place = self.groups.place(gid);
        self.groups.remove(gid, cx);
        if let Some((person, contact)) =
            place.person().and_then(|person| Some((person, self.contacts.get_mut(person)?)))
        {
            contact.stored.mls.group = None;
            self.contacts.save(person, cx);
        }
        for key in self.outbox.keys_of(place).into_iter().filter(|key| key.lane == Lane::Place(place)) {
            self.refused(key, why.clone(), cx);
        }
    }

    /// The server has no such group: the next message begins another one.
    pub(super) fn forget_group_of_two(&mut self, gid: GroupId, answer: &Answer, cx: &mut Context<'_>) {
        let Place::Direct(person) = self.groups.place(gid) else { return };
        self.forget_sealed(Place::Direct(person), cx);
        self.groups.remove(gid, cx);
        if let Some(contact) = self.contacts.get_mut(person) {
            contact.stored.mls.group = None;
            self.contacts.save(person, cx);
        }
        self.attempt_failed(Lane::Place(Place::Direct(person)), answer, cx);
    }

    /// This device is in a group. If it is one of two people, it carries the conversation of its contact.
    pub(super) fn entered(&mut self, gid: GroupId, cx: &mut Context<'_>) {
        let me = self.my_root();
        let Some(group) = self.groups.get(gid) else { return };
        let (kind, other, expected) = (group.stored.kind(), group.stored.other(&me), group.person);
        let of_contact = other.and_then(|root| self.contact_of(&root));
        if expected.is_some() && expected != of_contact {
            // The server has given out the group of other people.
            return self.break_group(gid, Reason::GroupDamaged, cx);
        }
        if let (Some(Kind::Direct), Some(person)) = (kind, of_contact) {
            self.carry(gid, person, cx);
            self.say_upgraded(Place::Direct(person), cx);
        }
    }

    /// Whether messages have come in a group of two whose other person is no contact yet. Then they are looked up first.
    pub(super) fn lacks_person(&mut self, gid: GroupId, items: &[&InboxItem], cx: &mut Context<'_>) -> bool {
        let me = self.my_root();
        let group = self.groups.get(gid).filter(|group| group.person.is_none());
        let Some(other) = group.and_then(|group| group.stored.other(&me)) else { return false };
        if !self.have_message(gid, items) {
            return false;
        }
        self.meet_person(gid, &other, cx);
        self.entered(gid, cx);
        let Some(group) = self.groups.recall(gid) else { return false };
        group.waits_for_person = group.person.is_none();
        group.waits_for_person
    }

    /// Whether a message of another device is among these items.
    pub(super) fn have_message(&self, gid: GroupId, items: &[&InboxItem]) -> bool {
        items.iter().any(|item| {
            let parsed = GroupItem::parse(item.envelope.get().as_bytes().to_vec());
            parsed.is_ok_and(|parsed| {
                matches!(parsed.body(), Body::Message(_)) && !self.is_own_item(gid, &parsed.name())
            })
        })
    }

    /// Whether items have to wait for the inbox. Just after a conversation has moved to MLS, the inbox may have envelopes
    /// that were sent before the first message. So it is read to its end then.
    pub(super) fn awaits_envelopes(
        &mut self,
        gid: GroupId,
        items: &[&InboxItem],
        cx: &mut Context<'_>,
    ) -> bool {
        let Place::Direct(person) = self.groups.place(gid) else { return false };
        let since = self.contacts.get(person).and_then(|contact| contact.stored.mls.since);
        if since.is_some_and(|since| since.saturating_add(JUST_MOVED) < cx.wall() / 1000) {
            return false;
        }
        let follows = self.groups.get(gid).is_some_and(|group| group.follows_inbox);
        if !follows && !self.have_message(gid, items) {
            return false;
        }
        if let Some(group) = self.groups.recall(gid).filter(|group| !group.follows_inbox) {
            group.follows_inbox = true;
            self.link.read_once_more(Inbox { me: &self.me, cursor: self.sync.cursor }, cx);
        }
        !self.link.was_read_to_its_end()
    }

    /// The inbox was read to its end: items of groups may have waited for that.
    pub(in crate::session) fn look_at_groups_after_envelopes(&mut self, cx: &mut Context<'_>) {
        if self.groups.iter().any(|(_, group)| group.follows_inbox) {
            self.look_at_groups(cx);
        }
    }

    /// Makes a contact of the other person of a group of two, once their handle is proven.
    fn meet_person(&mut self, gid: GroupId, root: &Primary, cx: &mut Context<'_>) {
        if self.contact_of(root).is_some() {
            return;
        }
        let Some(handle) = self.chains.members().handle(root).cloned() else {
            return self.chains.members().ask(vec![*root], &self.me, cx);
        };
        let proves = |found: &Found| {
            let chain = self.chains.chain(root);
            chain.is_some_and(|chain| chain.primary() == found.key.primary())
        };
        match self.directory.handles.get(&handle) {
            Some(HandleState::Found(found)) if proves(found) => {
                let found = found.as_ref().clone();
                self.meet_contact(found, true, cx);
            }
            Some(HandleState::Asked) => {}
            // They are unknown, or a contact who has another key: then the user is asked about the new one.
            _ => self.look_up_again(gid, &handle, cx),
        }
    }

    fn look_up_again(&mut self, gid: GroupId, handle: &Handle, cx: &mut Context<'_>) {
        let again = cx.now.saturating_add(LOOK_UP_AGAIN);
        self.group_work.news_at = Some(again);
        let Some(group) = self.groups.recall(gid).filter(|group| group.look_up_at <= cx.now) else { return };
        group.look_up_at = again;
        self.ask_about(handle, cx);
    }

    /// Someone was looked up: groups of two may have waited for that.
    pub(in crate::session) fn look_at_groups_of_strangers(&mut self, cx: &mut Context<'_>) {
        if self.groups.iter().any(|(_, group)| group.waits_for_person) {
            self.look_at_groups(cx);
        }
    }

    /// The contact is gone, or is another person now: their groups carry no conversation.
    pub(in crate::session) fn part_from(&mut self, person: PersonId, cx: &mut Context<'_>) {
        for gid in self.groups.of_person(person) {
            self.unseal(gid, cx);
            if let Some(group) = self.groups.recall(gid) {
                group.person = None;
            }
        }
        if let Some(contact) = self.contacts.get_mut(person) {
            contact.stored.mls.group = None;
        }
    }

    /// After the records were read: every group of two finds its contact.
    pub(in crate::session) fn find_people_of_groups(&mut self) {
        let me = self.my_root();
        for gid in self.groups.ids() {
            let other = self.groups.get(gid).and_then(|group| group.stored.other(&me));
            let mut contacts = self.contacts.iter();
            let chosen =
                contacts.find(|(_, contact)| contact.stored.mls.group == Some(gid)).map(|(id, _)| id);
            let person = chosen.or_else(|| self.contact_of(&other?));
            if let (Some(person), Some(group)) = (person, self.groups.recall(gid)) {
                group.person = Some(person);
                self.conversations.remove(&Place::Group(gid));
            }
        }
    }

    /// Whether the user has blocked the person with this root.
    pub(crate) fn is_blocked(&self, root: &Primary) -> bool {
        let contact = self.contact_of(root);
        contact.is_some_and(|person| self.contacts.is_blocked(person))
            || self.handle_of(root).is_some_and(|handle| self.lists.blocks_stranger(&handle))
    }

    /// The contact whose pinned key the chain with this root proves. What the server says of roots proves nothing.
    fn contact_of(&self, root: &Primary) -> Option<PersonId> {
        let keys = self.chains.chain(root).map(Chain::primaries).unwrap_or_default();
        keys.iter().chain([root]).find_map(|key| self.contacts.by_key(key))
    }

    /// The handle of a person by the root of their chain.
    pub(super) fn handle_of(&self, root: &Primary) -> Option<Handle> {
        let own = (*root == self.my_root()).then_some(&self.me.handle);
        let contact = || self.contact_of(root).and_then(|id| self.contacts.get(id));
        let known = own.or_else(|| self.chains.members().handle(root));
        known.cloned().or_else(|| contact().map(|contact| contact.stored.handle.clone()))
    }

    /// The root of the chain of the person with this handle.
    pub(super) fn root_of(&self, handle: &Handle) -> Option<Primary> {
        let own = (*handle == self.me.handle).then(|| self.my_root());
        let chain = || self.proven_chain(self.contacts.by_handle(handle)?);
        own.or_else(|| self.chains.members().by_handle(handle)).or_else(|| chain().map(Chain::root))
    }
}

/// Whether every device that a chain names is revoked.
fn has_no_device(chain: &Chain) -> bool {
    chain.devices().iter().all(Certified::is_revoked)
}
