//! Changing a group: a commit is made, stored and posted. Nothing is applied before it is met in the log.

use std::collections::BTreeMap;

use kez_core::api::{
    Base64Url, CLAIM_TARGET, ClaimPackages, CommitStored, CommitToGroup, PackagesClaimed, commits_target,
};
use kez_core::group_item::GroupItem;
use kez_core::handle::Handle;
use kez_core::identity::Primary;
use kez_core::mls::call::Op;
use kez_core::mls::reply::{Outcome as EngineOutcome, Reply, Stop};
use kez_core::mls::{Bytes, GroupId, LeafId};
use kez_core::problem::ProblemCode;
use serde_json::value::RawValue;

use crate::groups::{Built, Facts, Plan, Stage};
use crate::kernel::answer::{Answer, Outcome, body, outcome};
use crate::kernel::context::Context;
use crate::kernel::effect::Method;
use crate::kernel::reason::Reason;
use crate::kernel::requests::Purpose;
use crate::session::Session;

/// After how many lost commits the user is told that a change does not get through.
const MOST_TRIES: u32 = 12;
/// After how many answers in a row that name another epoch, without a commit in the log, the server withholds commits.
const MOST_WITHHELD: u32 = 3;
/// How long, in seconds, a change waits at most for key packages that cannot be claimed yet.
const LONGEST_CLAIM: u64 = 60;

impl Session {
    /// Performs the next step of a change of a group.
    pub(super) fn go_on_changing(&mut self, gid: GroupId, cx: &mut Context<'_>) {
        let is_asked = cx
            .shared
            .requests
            .any(|purpose| *purpose == Purpose::Commit(gid) || *purpose == Purpose::Claim(gid));
        let Some(group) = self.groups.get(gid).filter(|group| group.is_in() && !is_asked && group.read)
        else {
            return;
        };
        if group.stored.commit.is_some() {
            return self.post_commit(gid, cx);
        }
        self.reach_other(gid, cx);
        let Some(group) = self.groups.get(gid) else { return };
        let has_intents = !group.stored.intents.is_empty();
        if let Some(group) = self.groups.recall(gid) {
            group.plan_refresh(cx);
            if group.retelling.is_due() {
                group.retelling.clear();
                self.tell_face(gid, cx);
            }
        }
        let me = self.my_root();
        if has_intents && let Some(group) = self.groups.change(gid) {
            let tries = group.stored.intents.first().map_or(0, |intent| intent.tries);
            if group.stored.settle(&me) || tries > MOST_TRIES {
                return self.change_failed(gid, Reason::GroupNotChanged);
            }
        }
        let Some(group) = self.groups.get(gid) else { return };
        if let Some(roots) = group.stored.to_claim().map(<[Primary]>::to_vec) {
            return self.claim(gid, roots, cx);
        }
        if let Some((roots, at)) = group.late.clone() {
            return self.claim_late(gid, roots, at, cx);
        }
        let (Some(known), Some(device)) = (&group.stored.known, &self.me.device) else { return };
        let revoked = self.revoked_leaves(known);
        let me = LeafId { root: me, device: device.id() };
        let idle = group.seen.idle(cx.wall() / 1000);
        let is_wanted = !group.stored.intents.is_empty();
        let refreshes = group.refresh.is_due();
        match group.stored.plan(Facts { me, revoked: &revoked, idle: &idle, refreshes }) {
            Some(plan)
                if plan.is_wanted
                    || refreshes
                    || (plan.is_urgent && self.has_waiting(gid))
                    || self.is_its_turn(gid, &me, &plan, cx) =>
            {
                self.build(gid, plan, cx)
            }
            Some(_) => {}
            None if is_wanted => self.change_failed(gid, Reason::GroupNotChanged),
            None => {}
        }
    }

    /// Whether it is the turn of this device to make a commit that others could make as well. Until then another one may
    /// be faster.
    fn is_its_turn(&mut self, gid: GroupId, me: &LeafId, plan: &Plan, cx: &mut Context<'_>) -> bool {
        let Some(group) = self.groups.recall(gid) else { return false };
        if let Some(known) = group.stored.known.as_ref().filter(|_| group.duty.is_unset()) {
            let wait = known.turn(me, plan.makers(known), cx);
            group.duty.set(cx.now.saturating_add(wait));
            group.duty.advance(cx.now);
        }
        group.duty.is_due()
    }

    /// The user's changes were given up.
    fn change_failed(&mut self, gid: GroupId, why: Reason) {
        if let Some(group) = self.groups.change(gid) {
            group.stored.intents.clear();
            group.late = None;
            group.stored.error = Some(why);
        }
    }

    /// Claims the key packages of the devices of these people.
    fn claim(&mut self, gid: GroupId, roots: Vec<Primary>, cx: &mut Context<'_>) {
        let handles = roots.iter().filter_map(|root| self.handle_of(root));
        let Ok(body) = serde_json::to_string(&ClaimPackages { handles: handles.collect() }) else { return };
        if let Some(request) = self.me.signed_by_device(Method::Post, CLAIM_TARGET.to_owned(), Some(body), cx)
        {
            cx.request(request, Purpose::Claim(gid));
        }
    }

    /// Claims the packages that could not be claimed at first.
    fn claim_late(&mut self, gid: GroupId, roots: Vec<Primary>, at: u64, cx: &mut Context<'_>) {
        let Some(group) = self.groups.recall(gid) else { return };
        if group.stored.intents.is_empty() {
            group.late = None;
        } else if at > cx.now {
            group.retry_at = Some(at);
        } else {
            self.claim(gid, roots, cx);
        }
    }

    /// Handles the answer with the packages. A short time is waited for those that can be claimed later, once. A person
    /// without a package is added too, and joins with an external commit.
    pub(crate) fn on_claimed(&mut self, gid: GroupId, answer: &Answer, cx: &mut Context<'_>) {
        let (claimed, later): (BTreeMap<Handle, _>, BTreeMap<Handle, u64>) =
            match outcome(answer, |response| body::<PackagesClaimed>(response, &[200])) {
                Outcome::Done(PackagesClaimed { packages, later }) => (packages, later),
                Outcome::Refused(problem) => {
                    if problem.code == ProblemCode::Unauthorized {
                        self.check_own_chain(cx);
                        return self.group_waits(gid, answer, cx);
                    }
                    return self.change_failed(gid, Reason::server(&problem.detail));
                }
                Outcome::Unknown => return self.group_waits(gid, answer, cx),
            };
        let all =
            claimed.into_iter().filter_map(|(handle, packages)| Some((self.root_of(&handle)?, packages)));
        let all: Vec<(LeafId, Bytes)> = all
            .flat_map(|(root, packages)| {
                packages
                    .into_iter()
                    .map(move |one| (LeafId { root, device: one.device }, one.package.0.into()))
            })
            .collect();
        let later = later.into_iter().filter(|(_, seconds)| *seconds <= LONGEST_CLAIM);
        let later: Vec<(Primary, u64)> =
            later.filter_map(|(handle, seconds)| Some((self.root_of(&handle)?, seconds))).collect();
        let Some(group) = self.groups.change(gid) else { return };
        let is_second = group.late.take().is_some();
        if let Some(intent) = group.stored.intents.first_mut() {
            intent.packages.get_or_insert_default().extend(all);
        }
        let wait = later.iter().map(|(_, seconds)| *seconds).max();
        if let (Some(wait), false) = (wait, is_second) {
            let roots = later.into_iter().map(|(root, _)| root).collect();
            group.late = Some((roots, cx.now.saturating_add(wait * 1_000)));
        }
    }

    /// Makes a commit and posts it.
    fn build(&mut self, gid: GroupId, plan: Plan, cx: &mut Context<'_>) {
        let Plan { add, remove, policy, may, why, is_wanted, .. } = plan;
        let group = self.groups.recall(gid);
        let Some((state, epoch)) = group.and_then(|group| {
            group.duty.clear();
            Some((group.state()?.clone(), group.stored.known.as_ref()?.epoch))
        }) else {
            return;
        };
        let op = Op::Commit { state: state.clone(), add, remove, policy: policy.clone(), may };
        match self.engine_in(gid, op, cx) {
            Ok(Reply { group: Some(new), outcome: EngineOutcome::Committed { mls, info, welcome } }) => {
                let item = String::from_utf8(GroupItem::commit(gid, epoch, &mls, &why)).unwrap_or_default();
                if let Some(group) = self.groups.change(gid) {
                    group.take(new);
                    group.stored.commit = Some(Built { item, info, welcome });
                }
                self.post_commit(gid, cx);
            }
            Ok(Reply { outcome: EngineOutcome::Stopped(Stop::Unknown(leaves)), .. }) => {
                if self.ask_about_devices(gid, &leaves, cx) {
                    // The server gives out packages of devices that no chain knows.
                    self.drop_packages(gid, |leaf, _| !leaves.contains(leaf));
                }
            }
            Ok(_) if is_wanted => self.drop_bad_packages(gid, &state, policy, cx),
            _ => self.group_waits(gid, &Err(crate::kernel::event::NetworkFault), cx),
        }
    }

    /// A commit was refused by the engine. If that is because of a key package, it is left out.
    fn drop_bad_packages(
        &mut self,
        gid: GroupId,
        state: &Bytes,
        policy: Option<kez_core::mls::policy::Policy>,
        cx: &mut Context<'_>,
    ) {
        let intent = self.groups.get(gid).and_then(|group| group.stored.intents.first());
        let packages = intent.and_then(|intent| intent.packages.clone()).unwrap_or_default();
        let is_good = |(_, package): &&(LeafId, Bytes), cx: &mut Context<'_>| {
            let (state, policy) = (state.clone(), policy.clone());
            let op = Op::Commit {
                state,
                add: vec![package.clone()],
                remove: Vec::new(),
                policy,
                may: Default::default(),
            };
            matches!(self.engine_in(gid, op, cx), Ok(Reply { outcome: EngineOutcome::Committed { .. }, .. }))
        };
        let good: Vec<LeafId> =
            packages.iter().filter(|one| is_good(one, cx)).map(|(leaf, _)| *leaf).collect();
        if good.len() == packages.len() {
            return self.change_failed(gid, Reason::GroupNotChanged);
        }
        self.drop_packages(gid, |leaf, _| good.contains(leaf));
    }

    fn drop_packages(&mut self, gid: GroupId, keep: impl Fn(&LeafId, &Bytes) -> bool) {
        let intent = self.groups.change(gid).and_then(|group| group.stored.intents.first_mut());
        if let Some(packages) = intent.and_then(|intent| intent.packages.as_mut()) {
            packages.retain(|(leaf, package)| keep(leaf, package));
        }
    }

    /// Posts the commit that is on its way: always the same bytes.
    fn post_commit(&mut self, gid: GroupId, cx: &mut Context<'_>) {
        let built = self.groups.get(gid).and_then(|group| group.stored.commit.clone());
        if let Some(body) = built.and_then(commit_body)
            && let Some(request) = self.me.signed_by_device(Method::Post, commits_target(gid), Some(body), cx)
        {
            cx.request(request, Purpose::Commit(gid));
        }
    }

    /// Handles the answer to a commit. Whatever it is, the log is read: there the commit is met, or another one.
    pub(crate) fn commit_answered(&mut self, gid: GroupId, answer: &Answer, cx: &mut Context<'_>) {
        match outcome(answer, |response| body::<CommitStored>(response, &[200, 201])) {
            Outcome::Done(stored) => {
                let group = self.groups.recall(gid);
                let epoch = group.and_then(|group| {
                    group.withheld = 0;
                    group.backoff.reset();
                    group.stored.known.as_ref().map(|known| known.epoch)
                });
                if epoch.is_none_or(|epoch| stored.epoch <= epoch) {
                    return;
                }
            }
            Outcome::Refused(problem) if problem.code == ProblemCode::StaleEpoch => {
                self.on_stale_commit(gid, cx)
            }
            Outcome::Refused(problem) if problem.code == ProblemCode::Unauthorized => {
                self.check_own_chain(cx);
                self.group_waits(gid, answer, cx);
            }
            Outcome::Refused(problem) => {
                if let Some(group) = self.groups.change(gid) {
                    group.stored.commit = None;
                    group.put_off_refresh(cx);
                }
                self.change_failed(gid, Reason::server(&problem.detail));
                self.group_waits(gid, answer, cx);
            }
            Outcome::Unknown => self.group_waits(gid, answer, cx),
        }
        self.read_again(gid, cx);
    }

    /// The server is in another epoch. If the log never shows how it came there, something is withheld.
    fn on_stale_commit(&mut self, gid: GroupId, cx: &mut Context<'_>) {
        let Some(group) = self.groups.recall(gid).filter(|group| group.stored.stage == Stage::In) else {
            return;
        };
        group.withheld += 1;
        if group.withheld > MOST_WITHHELD {
            return self.break_group(gid, Reason::CommitsWithheld, cx);
        }
        let wait = group.backoff.next(cx.rng);
        group.retry_at = Some(cx.now.saturating_add(wait));
    }
}

/// The body of a request that posts a commit.
pub(super) fn commit_body(built: Built) -> Option<String> {
    let item = RawValue::from_string(built.item).ok()?;
    let info = Base64Url(built.info.to_vec());
    let welcome = built.welcome.map(|welcome| Base64Url(welcome.to_vec()));
    serde_json::to_string(&CommitToGroup { item, info, welcome }).ok()
}
