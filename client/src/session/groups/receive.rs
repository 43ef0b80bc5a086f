//! The items of a group's log: one entry point for live frames and for news.
//!
//! Everything that the items change is stored in one transaction: messages, lines, the group, its MLS state and the cursor.

use kez_core::api::InboxItem;
use kez_core::content::What as Content;
use kez_core::envelope::{EnvelopeHash, OpenError};
use kez_core::group_item::{Body, GroupItem, Reason as Why};
use kez_core::group_statements::{GroupLeave, GroupRequest};
use kez_core::message::{MalformedMessage, Message};
use kez_core::mls::call::{Item, MAX_ITEM_BYTES, MAX_ITEMS, May, Op};
use kez_core::mls::policy::Kind;
use kez_core::mls::reply::{Done, Fault, Outcome, Reply, Stop, Why as Cause};
use kez_core::mls::{GroupId, LeafId};
use kez_core::sigchain::Hash;
use kez_core::signed::Signed;

use crate::groups::{Group, Stage};
use crate::kernel::context::Context;
use crate::kernel::engine::EngineFault;
use crate::kernel::reason::Reason;
use crate::messages::{StoredBody, StoredLine, StoredMessage, Tag};
use crate::session::Session;
use crate::session::dispatch::{Arrived, Transport};

/// An item after a first look.
enum Step {
    /// A message of this device.
    Own(Hash),
    /// A message or commit for the engine.
    Engine(Item),
    /// An account leaves.
    Leave(Box<Signed<GroupLeave>>),
    /// An account wants to join.
    Request(Box<Signed<GroupRequest>>),
    /// Nothing that concerns this version.
    Nothing,
}

/// What the items of one call, so far, make of the log.
#[derive(Default)]
struct Line {
    /// The epoch after them.
    epoch: u64,
    /// The messages among them.
    names: Vec<Hash>,
    /// Whether the log is read again: items of earlier epochs were processed before.
    is_again: bool,
    /// Whether the items are of this device's epoch or a later one.
    is_current: bool,
}

/// What the rest of the items waits for.
enum Halted {
    /// Nothing: all items were processed.
    No,
    /// These devices are known to no chain here.
    Unknown(Vec<LeafId>),
    /// The group cannot go on from this state.
    Rejoin,
    /// The engine trapped, and it is not known at which of these items.
    Trapped,
    /// The engine gave no reply.
    Engine,
}

impl Session {
    /// Processes items after the cursor. Returns whether all of them were processed.
    pub(super) fn receive_items(
        &mut self,
        gid: GroupId,
        log: &str,
        items: &[InboxItem],
        cx: &mut Context<'_>,
    ) -> bool {
        let Some(group) = self.groups.recall(gid) else {
            self.meet_group(gid, cx);
            return false;
        };
        let stage = group.stored.stage.clone();
        if stage == Stage::In && group.is_of_another(log) {
            // The server has another database, in which this group may be in another epoch.
            self.on_database(log);
            return false;
        }
        let (is_lost, again) = (group.is_lost(), group.rereading().map(|again| again.asked));
        if is_lost || again == Some(false) {
            return false;
        }
        let fresh: Vec<&InboxItem> = items.iter().filter(|item| item.seq > group.stored.cursor).collect();
        if fresh.is_empty() {
            return true;
        }
        if let Some(group) = self.groups.change(gid).filter(|_| again.is_none()) {
            group.stored.log = Some(log.to_owned());
        }
        match stage {
            Stage::In => self.receive_in(gid, &fresh, cx),
            Stage::Joining => {
                let rest = self.receive_while_joining(gid, &fresh, cx);
                rest.is_some_and(|rest| self.receive_in(gid, rest, cx))
            }
            Stage::Creating | Stage::Broken(_) => true,
            Stage::Left | Stage::Removed => {
                self.may_be_added_again(gid, &fresh, cx);
                true
            }
        }
    }

    fn receive_in(&mut self, gid: GroupId, mut items: &[&InboxItem], cx: &mut Context<'_>) -> bool {
        if self.lacks_person(gid, items, cx) || self.awaits_envelopes(gid, items, cx) {
            return false;
        }
        let mut one_by_one = 0_usize;
        while !items.is_empty() {
            let count = if one_by_one > 0 { 1 } else { one_call(items) };
            one_by_one = one_by_one.saturating_sub(1);
            let (now, later) = items.split_at(count);
            let (done, halted) = self.process(gid, now, cx);
            if let Some(last) = done.checked_sub(1).and_then(|last| now.get(last))
                && let Some(group) = self.groups.change(gid)
            {
                group.stored.cursor = group.stored.cursor.max(last.seq);
                group.asked.clear();
            }
            match halted {
                Halted::No => items = later,
                Halted::Engine => return false,
                Halted::Unknown(leaves) => {
                    if self.ask_about_devices(gid, &leaves, cx) {
                        self.break_group(gid, Reason::UnknownDevice, cx);
                    }
                    return false;
                }
                Halted::Trapped => one_by_one = count,
                Halted::Rejoin => {
                    self.join_anew(gid, cx);
                    return false;
                }
            }
            if self.groups.get(gid).is_none_or(|group| group.stored.stage != Stage::In) {
                // The user is out. What follows is not for this device.
                return true;
            }
        }
        self.mark_visible_read(cx);
        true
    }

    /// Processes as many items as one call of the engine takes. Returns how many were processed.
    fn process(&mut self, gid: GroupId, items: &[&InboxItem], cx: &mut Context<'_>) -> (usize, Halted) {
        let mut steps = Vec::with_capacity(items.len());
        let mut missing = Halted::No;
        let mut line = self.groups.recall(gid).map_or_else(Line::default, Line::of);
        for item in items {
            match self.look_at_item(gid, item, &mut line) {
                Ok(step) => steps.push(step),
                Err(leaves) if self.groups.get(gid).is_some_and(|group| covers(&group.asked, &leaves)) => {
                    steps.push(self.unproven(gid, item));
                }
                Err(leaves) => {
                    missing = Halted::Unknown(leaves);
                    break;
                }
            }
        }
        let for_engine: Vec<Item> = steps.iter().filter_map(Step::item).cloned().collect();
        if let Some(again) = self.groups.recall(gid).and_then(Group::rereading) {
            again.is_current = line.is_current;
        }
        let (mut done, stop) = match self.apply_items(gid, for_engine, line.is_again, cx) {
            Ok((done, stop)) => (done.into_iter(), stop),
            Err(EngineFault::Absent) => return (0, Halted::Engine),
            Err(EngineFault::Trapped) if items.len() > 1 => return (0, Halted::Trapped),
            // The group can go on without a message.
            Err(EngineFault::Trapped) if self.have_message(gid, items) => {
                (vec![Done::Unreadable(Cause::NotDecryptable)].into_iter(), None)
            }
            Err(EngineFault::Refused(_) | EngineFault::Trapped) => return (0, Halted::Rejoin),
        };
        for (at, (step, item)) in steps.iter().zip(items).enumerate() {
            match step {
                Step::Own(name) => self.met_own(gid, *name, item, cx),
                Step::Leave(leave) => self.met_leave(gid, leave, cx),
                Step::Request(request) => self.met_request(gid, request, cx),
                Step::Nothing => {}
                Step::Engine(_) => match done.next() {
                    Some(Done::Own) if !line.is_again => return (at, Halted::Rejoin),
                    // Sent before, without a row. If this storage does not know because it is old, new keys make it safe.
                    Some(Done::Own) => self.replace_keys(gid, cx),
                    // Processed before, without a row: its key was used.
                    Some(Done::Unreadable(Cause::KeyMissing)) if line.is_again => {}
                    Some(Done::Unreadable(Cause::WrongEpoch)) if line.is_again => {
                        return (at, Halted::Rejoin);
                    }
                    Some(result) => self.met(gid, result, item, cx),
                    None => return (at, halted(stop)),
                },
            }
            self.seen.extend(name_of(item).map(|name| Tag::of_envelope(&name)));
        }
        (steps.len(), missing)
    }

    /// Has the engine apply items, and keeps the group that it makes of them.
    fn apply_items(
        &mut self,
        gid: GroupId,
        items: Vec<Item>,
        is_again: bool,
        cx: &mut Context<'_>,
    ) -> Result<(Vec<Done>, Option<Stop>), EngineFault> {
        let state = self.groups.recall(gid).and_then(|group| {
            group.begin();
            group.state().cloned()
        });
        if items.is_empty() {
            return Ok((Vec::new(), None));
        }
        let state = state.ok_or(EngineFault::Refused(Fault::DamagedState))?;
        let Reply { group, outcome } = self.engine_in(gid, Op::Process { state, items }, cx)?;
        let Outcome::Processed { done, stop } = outcome else {
            return Err(EngineFault::Refused(Fault::Engine));
        };
        // Before a message of this device that it does not know, nothing is kept: the device joins anew.
        if (is_again || !done.contains(&Done::Own))
            && let (Some(new), Some(known)) = (group, self.groups.change(gid))
        {
            known.take(new);
        }
        Ok((done, stop))
    }

    /// Decides what to do with an item. An error names devices whose chains have to be fetched first.
    ///
    /// An honest server never repeats an item. A repeated one is ignored: a message by its name, a commit because its
    /// epoch is over.
    fn look_at_item(&self, gid: GroupId, item: &InboxItem, line: &mut Line) -> Result<Step, Vec<LeafId>> {
        let parsed = GroupItem::parse(item.envelope.get().as_bytes().to_vec());
        let Some(parsed) = parsed.ok().filter(|parsed| parsed.gid() == gid) else { return Ok(Step::Nothing) };
        let stored_at = item.created_at;
        match parsed.body() {
            Body::Message(post) => {
                let name = parsed.name();
                line.is_current |= post.epoch >= line.epoch;
                if line.has(name) || !line.is_current {
                    return Ok(Step::Nothing);
                }
                Ok(match self.is_own_item(gid, &name) {
                    true => Step::Own(name),
                    false if self.has_seen(item) => Step::Nothing,
                    false => {
                        Step::Engine(Item { mls: post.mls.clone().into(), stored_at, may: May::default() })
                    }
                })
            }
            Body::Commit(post, _) if post.epoch < line.epoch => {
                line.is_current |= post.epoch.saturating_add(1) >= line.epoch;
                Ok(Step::Nothing)
            }
            Body::Commit(post, why) => {
                line.is_current = true;
                let may = self.proven(why)?;
                line.epoch = line.epoch.max(post.epoch.saturating_add(1));
                Ok(Step::Engine(Item { mls: post.mls.clone().into(), stored_at, may }))
            }
            Body::Leave(_) | Body::Request(_) if !line.is_current => Ok(Step::Nothing),
            Body::Leave(leave) if self.chain_of(&leave.payload().root()).is_some() => {
                Ok(Step::Leave(Box::new(leave.clone())))
            }
            Body::Leave(_) => Ok(Step::Nothing),
            Body::Request(request) => Ok(Step::Request(Box::new(request.clone()))),
        }
    }

    /// A commit whose statements cannot be proven, although the server was asked about them.
    fn unproven(&self, gid: GroupId, item: &InboxItem) -> Step {
        match GroupItem::parse(item.envelope.get().as_bytes().to_vec()) {
            Ok(parsed) if parsed.gid() == gid => match parsed.body() {
                Body::Commit(post, _) => Step::Engine(Item {
                    mls: post.mls.clone().into(),
                    stored_at: item.created_at,
                    may: May::default(),
                }),
                _ => Step::Nothing,
            },
            _ => Step::Nothing,
        }
    }

    /// What the statements beside a commit prove.
    fn proven(&self, why: &[Why]) -> Result<May, Vec<LeafId>> {
        let (mut may, mut missing) = (May::default(), Vec::new());
        for reason in why {
            match reason {
                Why::Leave(leave) if self.is_signed(leave, &leave.payload().root()) => {
                    may.left.push(leave.payload().root())
                }
                Why::Leave(_) => {}
                Why::Revoked(revoked) => {
                    let leaf = LeafId { root: revoked.root, device: revoked.device };
                    let chain = self.chain_of(&revoked.root);
                    let link = chain.and_then(|chain| chain.hash_at(revoked.seqno));
                    let is_over =
                        chain.is_some_and(|chain| chain.is_ended_by(&revoked.device, revoked.seqno));
                    match link {
                        None => missing.push(leaf),
                        Some(link) if link == revoked.link && is_over => may.revoked.push(leaf),
                        Some(_) => {}
                    }
                }
            }
        }
        if missing.is_empty() { Ok(may) } else { Err(missing) }
    }

    /// What the engine has made of an item.
    fn met(&mut self, gid: GroupId, done: Done, item: &InboxItem, cx: &mut Context<'_>) {
        match done {
            Done::Text { by, generation, text } => {
                if let Some(group) = self.groups.change(gid) {
                    group.seen.heard(&by, item.created_at.unix(), cx.wall() / 1000);
                }
                self.met_text(gid, (by, generation), &text, item, cx);
            }
            Done::Change(change) => self.met_change(gid, &change, item, cx),
            Done::Unreadable(_) => self.met_unreadable(gid, item, cx),
            Done::Own => {}
        }
    }

    fn met_text(
        &mut self,
        gid: GroupId,
        (by, generation): (LeafId, u32),
        text: &[u8],
        item: &InboxItem,
        cx: &mut Context<'_>,
    ) {
        let (place, mine) = (self.groups.place(gid), by.root == self.my_root());
        if !mine && place.person().is_some_and(|person| self.contacts.is_blocked(person)) {
            return;
        }
        let message = match Message::parse(text) {
            // Another member may have sealed this text again.
            Ok(message) if message.generation != Some(generation.into()) => {
                return self.met_unreadable(gid, item, cx);
            }
            Ok(message) => message,
            Err(MalformedMessage { content, .. }) if content.quiet => {
                // Here it can only come from one of the user's devices.
                if let Some(name) = name_of(item).filter(|_| self.is_own_group(gid)) {
                    self.count_unreadable(name, cx);
                }
                return;
            }
            Err(_) => return self.add_unread(gid, Some((by, mine)), StoredBody::Malformed, item, cx),
        };
        let Message { content, chain, heads, .. } = message;
        if self.is_own_group(gid) {
            return self.met_from_device((by, item.created_at.unix()), content.what, cx);
        }
        let envelope = name_of(item);
        let chain = chain.map(|mut chain| {
            // An installation is named by its author, and an author speaks for no other.
            chain.id.push_str(&by.root.hex());
            chain
        });
        if let Content::Face(face) = &content.what {
            if let (Some(chain), Some(envelope), Some(conversation)) =
                (chain, envelope, self.conversations.get_mut(&place))
            {
                conversation.receive_in_group(chain, envelope);
            }
            let face = face.clone();
            self.met_face(gid, by.root, face.into(), item, cx);
        } else if let Some(envelope) = envelope {
            let (sealed_at, kept_at) = (item.created_at.unix(), item.created_at.unix());
            let from = (!mine && place.person().is_none()).then_some(by.root);
            let transport = Transport::Mls;
            self.arrived(
                Arrived { place, mine, from, content, envelope, sealed_at, kept_at, chain, transport },
                cx,
            );
        }
        if let Some(person) = place.person() {
            self.heard_heads((person, mine), &heads, cx);
        }
        if !mine {
            self.chains.members_mut().on_heads(&by.root, &heads, &self.me, cx);
        }
    }

    /// A message that cannot be read.
    fn met_unreadable(&mut self, gid: GroupId, item: &InboxItem, cx: &mut Context<'_>) {
        let body = StoredBody::Undecryptable(OpenError::NotDecryptable);
        self.add_unread(gid, None, body, item, cx);
    }

    fn add_unread(
        &mut self,
        gid: GroupId,
        by: Option<(LeafId, bool)>,
        body: StoredBody,
        item: &InboxItem,
        cx: &mut Context<'_>,
    ) {
        if self.is_own_group(gid) {
            return;
        }
        let (row, place) = (StoredMessage::note(body, item.created_at.unix()), self.groups.place(gid));
        let from = by.filter(|(_, mine)| !mine).map(|(by, _)| by.root);
        let from = from.filter(|_| place.person().is_none());
        self.add_message(place, StoredMessage { envelope: name_of(item), from, ..row }, cx);
    }

    /// A message of this device stands in the log.
    fn met_own(&mut self, gid: GroupId, name: Hash, item: &InboxItem, cx: &mut Context<'_>) {
        let Some(group) = self.groups.change(gid) else { return };
        let Some(at) = group.stored.sent.iter().position(|sent| sent.item == name) else { return };
        let sent = group.stored.sent.remove(at);
        self.stands(self.groups.place(gid), sent.order, cx);
        if let Some(face) = sent.face {
            let me = self.my_root();
            self.met_face(gid, me, face, item, cx);
        }
    }

    /// Whether a message was processed before.
    fn has_seen(&self, item: &InboxItem) -> bool {
        name_of(item).is_some_and(|name| self.seen.contains(&Tag::of_envelope(&name)))
    }

    pub(super) fn is_own_item(&self, gid: GroupId, name: &Hash) -> bool {
        self.groups.get(gid).is_some_and(|group| group.stored.sent.iter().any(|sent| sent.item == *name))
    }

    /// Adds an event of the group. Who belongs to a conversation of two is no event.
    pub(super) fn add_line(&mut self, gid: GroupId, line: StoredLine, at: u64, cx: &mut Context<'_>) {
        if self.is_own_group(gid) {
            return;
        }
        let is_of_two = self.groups.get(gid).is_some_and(|group| group.stored.kind() == Some(Kind::Direct));
        if !is_of_two || line == StoredLine::Rejoined {
            let note = StoredMessage::note(StoredBody::Group(line), at);
            self.add_message(self.groups.place(gid), note, cx);
        }
    }
}

impl Line {
    /// Before the first of the items.
    fn of(group: &mut Group) -> Self {
        let again = group.rereading().map(|again| again.is_current);
        Self {
            epoch: group.stored.known.as_ref().map_or(0, |known| known.epoch),
            names: Vec::new(),
            is_again: again.is_some(),
            is_current: again.unwrap_or(true),
        }
    }

    /// Whether a message is among them; it is from now on.
    fn has(&mut self, name: Hash) -> bool {
        let is_there = self.names.contains(&name);
        self.names.push(name);
        is_there
    }
}

impl Step {
    const fn item(&self) -> Option<&Item> {
        match self {
            Self::Engine(item) => Some(item),
            _ => None,
        }
    }
}

/// Why the engine went no further, after all that it has done.
fn halted(stop: Option<Stop>) -> Halted {
    match stop {
        Some(Stop::Unknown(leaves)) => Halted::Unknown(leaves),
        Some(Stop::Refused { why: Cause::Removed, .. }) => Halted::No,
        Some(Stop::Own | Stop::Refused { .. }) | None => Halted::Rejoin,
    }
}

fn covers(asked: &[LeafId], leaves: &[LeafId]) -> bool {
    leaves.iter().all(|leaf| asked.contains(leaf))
}

/// The name of an item, as rows keep it.
fn name_of(item: &InboxItem) -> Option<EnvelopeHash> {
    Hash::of(item.envelope.get().as_bytes()).to_string().parse().ok()
}

/// How many of the first items one call of the engine takes.
fn one_call(items: &[&InboxItem]) -> usize {
    let mut bytes = 0_usize;
    let fits = items.iter().take(MAX_ITEMS).take_while(|item| {
        bytes += item.envelope.get().len();
        bytes <= MAX_ITEM_BYTES
    });
    fits.count().max(1)
}
