//! Groups: what an open account does for them. One function, [`Session::advance_groups`], performs the next step of every
//! group after each event; the rest takes what comes: items of logs, answers and wishes of the user.

mod commit;
mod create;
mod direct;
mod invites;
mod join;
mod lines;
mod news;
mod packages;
mod receive;
mod restored;
mod send;
mod stopped;
mod work;

use kez_core::identity::{Primary, Seed};
use kez_core::mls::call::{Call, Certified, Me, Op};
use kez_core::mls::credential::Credential;
use kez_core::mls::reply::Reply;
use kez_core::mls::{GroupId, LeafId};
use kez_core::sigchain::{Chain, Hash};
use kez_core::signed::{Payload, Signed};
use zeroize::Zeroizing;

use crate::groups::{Known, Stage};
use crate::kernel::answer::Answer;
use crate::kernel::context::Context;
use crate::kernel::device::Standing;
use crate::kernel::engine::EngineFault;
use crate::kernel::reason::Reason;
use crate::session::Session;

pub(super) use direct::Carrier;
pub(super) use work::GroupWork;

/// How often, in milliseconds, the chains of all members are fetched.
const PEOPLE_INTERVAL: u64 = 6 * 60 * 60 * 1000;
/// The same while a member claims links that the server does not show.
const CLAIM_INTERVAL: u64 = 30 * 60 * 1000;

impl Session {
    /// The root of the user's chain.
    pub(crate) const fn my_root(&self) -> Primary {
        self.chains.own().chain().root()
    }

    /// This device as a leaf of groups, once the user's chain certifies it.
    pub(super) fn my_credential(&self, cx: &Context<'_>) -> Option<Credential> {
        let (device, chain) = (self.me.device.as_ref()?, self.chains.own().chain());
        if device.standing(chain, cx.timestamp()) != Standing::Live {
            return None;
        }
        let seqno = chain.device(&device.id())?.seqno;
        Some(Credential { root: chain.root(), device: device.id(), seqno, link: chain.hash_at(seqno)? })
    }

    /// Whether this device can take part in groups now.
    pub(in crate::session) fn groups_are_ready(&self, cx: &Context<'_>) -> bool {
        cx.shared.engine.is_ready && self.my_credential(cx).is_some()
    }

    /// Calls the MLS engine for a group that this device is in.
    pub(super) fn engine_in(&self, gid: GroupId, op: Op, cx: &mut Context<'_>) -> Result<Reply, EngineFault> {
        let me = self.my_root();
        match self.groups.get(gid).and_then(|group| group.stored.other(&me)) {
            // Nobody else can ever belong to it.
            Some(other) => self.call(op, self.chains.certified_of(&[me, other]), cx),
            None => self.engine(op, cx),
        }
    }

    /// Calls the MLS engine.
    pub(super) fn engine(&self, op: Op, cx: &mut Context<'_>) -> Result<Reply, EngineFault> {
        self.call(op, self.chains.certified(), cx)
    }

    fn call(&self, op: Op, certified: Vec<Certified>, cx: &mut Context<'_>) -> Result<Reply, EngineFault> {
        let credential = self.my_credential(cx).ok_or(EngineFault::Absent)?;
        let device = self.me.device.as_ref().ok_or(EngineFault::Absent)?;
        let me = Me { credential, secret: device.key().seed().clone() };
        let mut seed = Zeroizing::new([0; 32]);
        cx.rng.fill_bytes(&mut *seed);
        let call = Call { now: cx.timestamp(), seed: Seed::from_bytes(*seed), me, certified, op };
        cx.shared.engine.call(&call)
    }

    /// Whether a group is in the list of conversations. A request is not that the user has left, or that someone who is
    /// blocked has made; nor is a group that carries the conversation with one person.
    pub(crate) fn is_listed(&self, gid: GroupId) -> bool {
        let Some(group) = self.groups.get(gid) else { return false };
        let is_out = matches!(group.stored.stage, Stage::Left | Stage::Removed);
        let is_unwanted = || group.stored.added_by.is_some_and(|by| self.is_blocked(&by));
        self.is_group_of_people(gid)
            && !(group.stored.request && (is_out || is_unwanted()))
            && (group.stored.known.is_some()
                || group.stored.face.is_some()
                || group.stored.stage == Stage::Creating)
    }

    /// The verified chain with this root.
    pub(super) fn chain_of(&self, root: &Primary) -> Option<&Chain> {
        self.chains.chain(root)
    }

    /// The leaves of a group whose chain has revoked them, each with the link if it is known.
    pub(super) fn revoked_leaves(&self, known: &Known) -> Vec<(LeafId, Option<(u64, Hash)>)> {
        let is_revoked = |leaf: &&LeafId| {
            let chain = self.chain_of(&leaf.root);
            chain
                .and_then(|chain| chain.device(&leaf.device))
                .is_some_and(kez_core::sigchain::Certified::is_revoked)
        };
        let revoked = known.leaves.iter().filter(is_revoked);
        revoked.map(|leaf| (*leaf, self.chains.members().revoked(leaf))).collect()
    }

    /// Whether a statement of an account is signed by a device of that account.
    fn is_signed<P: Payload + Clone>(&self, statement: &Signed<P>, root: &Primary) -> bool {
        let mut devices = self.chain_of(root).map(Chain::devices).unwrap_or_default().iter();
        let device = devices.find(|known| known.device.key == *statement.key() && !known.is_revoked());
        device.is_some_and(|known| statement.clone().verify_by(&known.device.key).is_ok())
    }

    /// Performs the next step of every group, as far as there is one.
    pub(crate) fn advance_groups(&mut self, cx: &mut Context<'_>) {
        self.group_work.is_ready = self.groups_are_ready(cx) && !self.was_removed();
        if self.group_work.is_ready {
            self.advance_ready(cx);
        }
        self.invites.save(cx);
    }

    fn advance_ready(&mut self, cx: &mut Context<'_>) {
        self.keep_packages(cx);
        self.ask_about_members(cx);
        self.ask_for_news(cx);
        self.begin_groups_of_two(cx);
        self.find_own_group(cx);
        for gid in self.groups.ids() {
            self.advance_group(gid, cx);
        }
        self.advance_invites(cx);
        for gid in self.groups.ids() {
            self.send_in(self.groups.place(gid), cx);
        }
        self.groups.save(cx);
    }

    fn advance_group(&mut self, gid: GroupId, cx: &mut Context<'_>) {
        let Some(group) = self.groups.recall(gid) else { return };
        group.refresh.advance(cx.now);
        group.retelling.advance(cx.now);
        group.duty.advance(cx.now);
        if group.retry_at.is_some_and(|at| at > cx.now) {
            return;
        }
        group.retry_at = None;
        let is_due = group.duty.is_due();
        if is_due {
            group.duty.clear();
        }
        match &group.stored.stage {
            Stage::Creating => self.post_group(gid, cx),
            Stage::Joining => self.go_on_joining(gid, cx),
            Stage::In if group.stored.leaving.is_some() => self.post_leave(gid, cx),
            Stage::In if group.state().is_none() => self.join_anew(gid, cx),
            Stage::In if group.is_lost() => self.find_place(gid, cx),
            Stage::In => self.go_on_changing(gid, is_due, cx),
            Stage::Left | Stage::Removed | Stage::Broken(_) => {}
        }
    }

    /// When the next action for groups is due.
    pub(super) fn wake_of_groups(&self) -> Option<u64> {
        let work = &self.group_work;
        let wakes = [
            work.news_at,
            work.people_at,
            self.packages.due_at,
            self.groups.wake(),
            self.invites.wake(),
            self.devices.list_at,
        ];
        wakes.into_iter().flatten().min().filter(|_| work.is_ready)
    }

    /// Something is wrong with a group. Nothing is sent there any more, and the user is told.
    pub(super) fn break_group(&mut self, gid: GroupId, why: Reason, cx: &mut Context<'_>) {
        if let Some(group) = self.groups.change(gid) {
            group.stored.stage = Stage::Broken(why.clone());
            cx.warn(why);
        }
    }

    /// A request about a group failed: the next one waits.
    pub(super) fn group_waits(&mut self, gid: GroupId, answer: &Answer, cx: &mut Context<'_>) {
        if let Some(group) = self.groups.recall(gid) {
            let asked = crate::kernel::answer::retry_after(answer);
            let wait = group.backoff.next_after(asked, cx.rng);
            group.retry_at = Some(cx.now.saturating_add(wait.max(50)));
        }
    }
}
