//! Joining a group: by a Welcome or, where there is none that fits, by an external commit. Never both.

use kez_core::api::{CommitStored, GroupDetails, InboxItem, commits_target, group_target};
use kez_core::group_item::{Body, GroupItem};
use kez_core::handle::Handle;
use kez_core::identity::Primary;
use kez_core::mls::GroupId;
use kez_core::mls::call::Op;
use kez_core::mls::reply::{Outcome as EngineOutcome, Reply, Stop};
use kez_core::problem::ProblemCode;
use kez_core::sigchain::Hash;

use super::lines::accounts_of;
use crate::groups::{Built, Joining, Known, Position, Stage, StoredFace, StoredGroup};
use crate::kernel::answer::{Answer, Outcome, body, outcome};
use crate::kernel::context::Context;
use crate::kernel::effect::Method;
use crate::kernel::reason::Reason;
use crate::kernel::requests::Purpose;
use crate::messages::StoredLine;
use crate::people::Contact;
use crate::session::Session;

pub(super) const DAY: u64 = 24 * 60 * 60;
/// How often a day a device joins anew.
pub(super) const MOST_REJOINS: usize = 3;

/// Whether a step was done.
enum Step {
    Done,
    /// The chains of some devices have to be fetched first.
    Wait,
    /// It is not possible.
    Failed,
}

impl Session {
    /// A group that is not known here: the account was added to it, or this browser is new.
    pub(in crate::session) fn meet_group(&mut self, gid: GroupId, cx: &mut Context<'_>) {
        self.add_group(StoredGroup::new(gid, Stage::Joining, cx.wall() / 1000), cx);
    }

    /// Items have come for a group in which the user is no more.
    pub(super) fn may_be_added_again(&mut self, gid: GroupId, items: &[&InboxItem], cx: &mut Context<'_>) {
        if let (Some(group), Some(last)) = (self.groups.change(gid), items.last()) {
            group.stored.cursor = last.seq;
        }
        self.show_group(gid, cx);
    }

    /// This device cannot go on from its state, and joins by itself in place of its own leaf.
    pub(super) fn join_anew(&mut self, gid: GroupId, cx: &mut Context<'_>) {
        let now = cx.wall() / 1000;
        let Some(group) = self.groups.change(gid) else { return };
        group.stored.rejoins.retain(|at| at.saturating_add(DAY) > now);
        if group.stored.rejoins.len() >= MOST_REJOINS {
            return self.break_group(gid, Reason::GroupDamaged, cx);
        }
        group.stored.rejoins.push(now);
        let members = group.stored.known.as_ref().map_or(1, |known| known.policy.accounts().len() as u64);
        group.stored.stage = Stage::Joining;
        group.stored.commit = None;
        (group.read, group.position) = (false, Position::AtCursor);
        // All members may have to join again at the same time: a random delay spreads them.
        group.retry_at = Some(cx.now.saturating_add(cx.rng.next_u64() % (members * 1_000)));
        self.unseal(gid, cx);
    }

    /// Performs the next step of joining.
    pub(super) fn go_on_joining(&mut self, gid: GroupId, cx: &mut Context<'_>) {
        if self.reads_kept_messages(cx) {
            return;
        }
        let purpose = Purpose::Rejoin(gid);
        match self.groups.get(gid).and_then(|group| group.stored.joining.as_ref()) {
            None => self.show_group(gid, cx),
            Some(_) if cx.shared.requests.awaits(&purpose) => {}
            Some(joining) => {
                if let Some(body) = super::commit::commit_body(joining.built.clone())
                    && let Some(request) =
                        self.me.signed_by_device(Method::Post, commits_target(gid), Some(body), cx)
                {
                    cx.request(request, purpose);
                }
            }
        }
    }

    pub(super) fn show_group(&mut self, gid: GroupId, cx: &mut Context<'_>) {
        let purpose = Purpose::ShowGroup(gid);
        // Before the chains of its devices are here, no group can be joined.
        if !self.group_work.unknown.is_empty() || cx.shared.requests.awaits(&purpose) {
            return;
        }
        if let Some(request) = self.me.signed_by_device(Method::Get, group_target(gid), None, cx) {
            cx.request(request, purpose);
        }
    }

    /// Handles the present state of a group.
    pub(crate) fn on_shown(&mut self, gid: GroupId, answer: &Answer, cx: &mut Context<'_>) {
        let shown = match outcome(answer, |response| body::<GroupDetails>(response, &[200])) {
            Outcome::Done(shown) if shown.summary.gid == gid => shown,
            Outcome::Refused(problem) if problem.code == ProblemCode::UnknownGroup => {
                if self.groups.place(gid).person().is_some() {
                    return self.forget_group_of_two(gid, answer, cx);
                }
                return self.out(gid, Stage::Removed, None, cx);
            }
            _ => return self.group_waits(gid, answer, cx),
        };
        let Some(group) = self.groups.change(gid) else { return };
        match group.stored.stage {
            Stage::Left | Stage::Removed
                if shown.summary.until.is_none() && shown.summary.since >= group.stored.out_at =>
            {
                group.stored.stage = Stage::Joining;
                group.stored.request = true;
            }
            Stage::Joining => {}
            Stage::In if group.is_lost() && shown.summary.until.is_none() => {
                return self.on_place(gid, &shown, cx);
            }
            Stage::In if group.is_lost() => {}
            _ => return,
        }
        if shown.summary.until.is_some() {
            return self.out(gid, Stage::Removed, shown.summary.until, cx);
        }
        let mut step = self.join_by_welcome(gid, &shown, cx);
        if matches!(step, Step::Failed) {
            step = self.join_by_commit(gid, &shown, cx);
        }
        match step {
            Step::Done => self.look_at_groups(cx),
            Step::Wait => {}
            Step::Failed => self.group_waits(gid, answer, cx),
        }
    }

    /// Joins by the Welcome, unless this device was in the group already. It is checked before anything is stored.
    fn join_by_welcome(&mut self, gid: GroupId, shown: &GroupDetails, cx: &mut Context<'_>) -> Step {
        let Some(group) = self.groups.get(gid) else { return Step::Failed };
        let Some(welcome) = shown.welcome.as_ref().filter(|_| group.state().is_none()) else {
            return Step::Failed;
        };
        let op = Op::Welcome {
            welcome: welcome.welcome.0.clone().into(),
            tree: welcome.tree.0.clone().into(),
            packages: self.packages.secrets(),
        };
        let (new, by, used) = match self.engine(op, cx) {
            Ok(Reply { group: Some(new), outcome: EngineOutcome::Joined { by, used } }) if new.gid == gid => {
                (new, by, used)
            }
            Ok(Reply { outcome: EngineOutcome::Stopped(Stop::Unknown(leaves)), .. }) => {
                return self.wait_for_devices(gid, &leaves, cx);
            }
            _ => return Step::Failed,
        };
        self.packages.on_used(used.map(|used| used.0), cx);
        let accounts = accounts_of(&new.policy);
        let is_wanted = self.is_friend(&by.root) || self.has_asked(gid);
        let Some(group) = self.groups.change(gid) else { return Step::Failed };
        group.take(new);
        group.stored.stage = Stage::In;
        group.stored.cursor = welcome.seq;
        group.stored.added_by = Some(by.root);
        group.stored.request = !is_wanted;
        group.asked.clear();
        self.forget_own_request(gid);
        let (who, by, at) = (self.my_root(), by.root, cx.wall() / 1000);
        self.add_line(gid, StoredLine::Added { by, who }, at, cx);
        self.learn_members(&accounts, cx);
        self.entered(gid, cx);
        Step::Done
    }

    /// Makes the commit with which this device joins by itself.
    fn join_by_commit(&mut self, gid: GroupId, shown: &GroupDetails, cx: &mut Context<'_>) -> Step {
        let (Some(info), Some(tree)) = (&shown.info, &shown.tree) else { return Step::Failed };
        let op = Op::Rejoin { info: info.0.clone().into(), tree: tree.0.clone().into() };
        let (new, mls, info) = match self.engine(op, cx) {
            Ok(Reply { group: Some(new), outcome: EngineOutcome::Rejoined { mls, info } })
                if new.gid == gid && new.epoch == shown.summary.epoch + 1 =>
            {
                (new, mls, info)
            }
            Ok(Reply { outcome: EngineOutcome::Stopped(Stop::Unknown(leaves)), .. }) => {
                return self.wait_for_devices(gid, &leaves, cx);
            }
            _ => return Step::Failed,
        };
        let item =
            String::from_utf8(GroupItem::commit(gid, shown.summary.epoch, &mls, &[])).unwrap_or_default();
        let is_friend = |by: &Handle| {
            let contact = self.contacts.by_handle(by).and_then(|id| self.contacts.get(id));
            *by == self.me.handle || contact.is_some_and(is_accepted)
        };
        let is_wanted = shown.summary.added_by.as_ref().is_none_or(is_friend) || self.has_asked(gid);
        let Some(group) = self.groups.change(gid) else { return Step::Failed };
        let again = group.stored.known.is_some();
        if !again {
            group.stored.request = !is_wanted;
        }
        let (known, state) = Known::of(new);
        group.stored.joining =
            Some(Joining { built: Built { item, info, welcome: None }, state, known, again });
        group.stored.cursor = shown.summary.head;
        group.stored.log = None;
        group.asked.clear();
        Step::Done
    }

    /// The chains of these devices are fetched. If the server has answered about all of them, something is wrong.
    fn wait_for_devices(
        &mut self,
        gid: GroupId,
        leaves: &[kez_core::mls::LeafId],
        cx: &mut Context<'_>,
    ) -> Step {
        if self.ask_about_devices(gid, leaves, cx) {
            self.break_group(gid, Reason::UnknownDevice, cx);
        }
        Step::Wait
    }

    /// Handles the answer to that commit. Whatever it is, the log is read.
    pub(crate) fn rejoin_answered(&mut self, gid: GroupId, answer: &Answer, cx: &mut Context<'_>) {
        match outcome(answer, |response| body::<CommitStored>(response, &[200, 201])) {
            Outcome::Done(_) => {}
            Outcome::Refused(problem) => {
                if problem.code == ProblemCode::Unauthorized {
                    self.check_own_chain(cx);
                } else if let Some(group) =
                    self.groups.change(gid).filter(|group| group.stored.stage == Stage::Joining)
                {
                    // Another commit was faster, or the state that the server showed is not to be joined.
                    group.stored.joining = None;
                }
                self.group_waits(gid, answer, cx);
            }
            Outcome::Unknown => self.group_waits(gid, answer, cx),
        }
        self.look_at_groups(cx);
    }

    /// Reads on to the commit with which this device joins. Returns the items after it.
    pub(super) fn receive_while_joining<'a, 'b>(
        &mut self,
        gid: GroupId,
        items: &'a [&'b InboxItem],
        cx: &mut Context<'_>,
    ) -> Option<&'a [&'b InboxItem]> {
        let group = self.groups.change(gid)?;
        let joining = group.stored.joining.as_ref()?;
        let name = Hash::of(joining.built.item.as_bytes());
        for (at, item) in items.iter().enumerate() {
            let bytes = item.envelope.get().as_bytes();
            if Hash::of(bytes) == name {
                group.stored.cursor = item.seq;
                self.joined(gid, item, cx);
                return items.get(at + 1..);
            }
            let parsed = GroupItem::parse(bytes.to_vec());
            if parsed.is_ok_and(|parsed| matches!(parsed.body(), Body::Commit(..))) {
                // Another commit was faster.
                group.stored.joining = None;
                return None;
            }
            group.stored.cursor = item.seq;
        }
        None
    }

    /// This device's commit stands in the log.
    fn joined(&mut self, gid: GroupId, item: &InboxItem, cx: &mut Context<'_>) {
        let expected = self.devices.take_expected(gid);
        let Some(group) = self.groups.change(gid) else { return };
        let Some(Joining { state, known, again, .. }) = group.stored.joining.take() else { return };
        let accounts = accounts_of(&known.policy);
        if let Some(name) = expected {
            // Another device has accepted it. Who joins by itself has not seen the face, and no one sends it again.
            group.stored.request = false;
            if let Some(name) = name {
                group.stored.face.get_or_insert_with(|| StoredFace::named(name));
            }
        }
        group.become_known(known, state);
        group.stored.stage = Stage::In;
        group.stored.sent.clear();
        group.has_refreshed(item.created_at.unix());
        group.backoff.reset();
        let who = self.my_root();
        let line = if again { StoredLine::Rejoined } else { StoredLine::Device { who } };
        self.entered(gid, cx);
        self.add_line(gid, line, item.created_at.unix(), cx);
        self.forget_own_request(gid);
        self.learn_members(&accounts, cx);
    }

    /// Whether this is the user, or someone whom the user has accepted.
    fn is_friend(&self, root: &Primary) -> bool {
        let mut contacts = self.contacts.iter();
        *root == self.my_root()
            || contacts.any(|(_, contact)| contact.stored.root() == *root && is_accepted(contact))
    }
}

/// Whether a contact is neither a request nor blocked.
const fn is_accepted(contact: &Contact) -> bool {
    !contact.stored.standing.request && !contact.stored.standing.blocked
}
