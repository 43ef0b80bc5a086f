//! Groups on the relay: key packages, logs with epochs, members. It makes the same checks as the real server.

use std::collections::BTreeMap;

use kez_client::event::HttpResponse;
use kez_core::api::{
    AskForNews, Base64Url, ClaimPackages, ClaimedPackage, GroupExistsProblem, GroupKind, GroupList,
    GroupRole, GroupSummary, InboxItem, ItemStored, KeepPackages, LiveFrame, News, OfferState,
    PackagesClaimed, PackagesKept, PostItem, StaleEpochProblem,
};
use kez_core::group_item::{Body, GroupItem, Reason};
use kez_core::handle::Handle;
use kez_core::identity::Primary;
use kez_core::mls::call::{Certified, May};
use kez_core::mls::credential::Credential;
use kez_core::mls::policy::{Kind, Role};
use kez_core::mls::{GroupId, LeafId};
use kez_core::problem::{Problem, ProblemCode};
use kez_core::sigchain::{Chain, DeviceId, Hash};
use kez_core::time::Timestamp;
use kez_mls::key_package;
use kez_mls::observer::{self, Observed, Posted};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::invites::Invites;
use super::relay::{json, problem};

/// The most items in a frame.
const FRAME_ITEMS: usize = 20;

/// What a relay stores in place of an item that it was given.
pub(crate) type Tamper = Box<dyn FnMut(Box<RawValue>) -> Vec<Box<RawValue>>>;

/// All groups and key packages.
#[derive(Default)]
pub(crate) struct Groups {
    pub(crate) logs: BTreeMap<GroupId, Log>,
    /// The logs of the accounts to which the relay shows another history.
    pub(crate) split: BTreeMap<Handle, BTreeMap<GroupId, Log>>,
    /// Changes items before they are stored.
    pub(crate) tamper: Option<Tamper>,
    packages: BTreeMap<(Handle, DeviceId), Published>,
    /// Every distinct item that reached the relay, whether or not it took it.
    pub(crate) posted: Vec<Vec<u8>>,
    /// The time at which every item was stored, as the relay says.
    pub(crate) says_stored_at: Option<Timestamp>,
    /// Keeps commits from being shown.
    pub(crate) withholds: bool,
    invites: Invites,
    /// The seconds until the packages of these people can be claimed.
    pub(crate) later: BTreeMap<Handle, u64>,
}

/// A group.
#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) kind: GroupKind,
    pub(crate) observed: Observed,
    /// The `GroupInfo` with which it was created.
    created: Vec<u8>,
    pub(crate) info: Vec<u8>,
    pub(crate) items: Vec<InboxItem>,
    /// Items up to this number were deleted, because they were too old.
    pub(crate) deleted: u64,
    pub(crate) members: BTreeMap<Handle, Member>,
    /// Whether the relay was restored, and takes a later state.
    pub(crate) ahead: bool,
    welcomes: Vec<Welcome>,
}

#[derive(Clone)]
pub(crate) struct Member {
    since: u64,
    until: Option<u64>,
    leaving: bool,
    added_by: Option<Handle>,
}

#[derive(Clone)]
struct Welcome {
    seq: u64,
    devices: Vec<LeafId>,
    welcome: Vec<u8>,
    tree: Vec<u8>,
}

#[derive(Default)]
struct Published {
    once: Vec<(Hash, Vec<u8>)>,
    last_resort: Option<(Hash, Vec<u8>)>,
}

/// The caller of a request, and what the relay knows of all accounts.
pub(crate) struct Facts<'a> {
    pub(crate) caller: Handle,
    pub(crate) device: Option<DeviceId>,
    pub(crate) root: Primary,
    pub(crate) now: Timestamp,
    pub(crate) epoch: &'a str,
    /// The chain of every account.
    pub(crate) chains: &'a BTreeMap<Handle, Chain>,
}

#[derive(Deserialize)]
struct CreateGroup {
    gid: GroupId,
    kind: GroupKind,
    info: Base64Url,
    tree: Base64Url,
}

#[derive(Deserialize)]
struct PostCommit {
    item: Box<RawValue>,
    info: Base64Url,
    #[serde(default)]
    welcome: Option<Base64Url>,
}

#[derive(Serialize)]
struct CommitStored {
    seq: u64,
    created_at: Timestamp,
    epoch: u64,
}

#[derive(Serialize)]
struct Shown<'a> {
    gid: GroupId,
    kind: GroupKind,
    epoch: u64,
    head: u64,
    since: u64,
    until: Option<u64>,
    role: GroupRole,
    added_by: Option<&'a Handle>,
    info: Base64Url,
    tree: Base64Url,
    #[serde(skip_serializing_if = "Option::is_none")]
    welcome: Option<ShownWelcome>,
}

#[derive(Serialize)]
struct ShownWelcome {
    seq: u64,
    welcome: Base64Url,
    tree: Base64Url,
}

impl Facts<'_> {
    fn leaf(&self) -> Option<LeafId> {
        Some(LeafId { root: self.root, device: self.device? })
    }

    fn chain(&self, root: &Primary) -> Option<&Chain> {
        self.chains.values().find(|chain| chain.root() == *root)
    }

    fn handle(&self, root: &Primary) -> Option<Handle> {
        self.chains.iter().find(|(_, chain)| chain.root() == *root).map(|(handle, _)| handle.clone())
    }

    fn certified(&self) -> Vec<Certified> {
        let of = |chain: &Chain| {
            let root = chain.root();
            let one = |known: &kez_core::sigchain::Certified| {
                let (device, seqno) = (known.device.device, known.seqno);
                let link = chain.hash_at(seqno).unwrap();
                let credential = Credential { root, device, seqno, link };
                Certified { credential, key: known.device.key.primary(), ended: Some(known.ends_at()) }
            };
            chain.devices().iter().map(one).collect::<Vec<_>>()
        };
        self.chains.values().flat_map(of).collect()
    }

    fn may(&self, why: &[Reason]) -> May {
        let mut may = May::default();
        for reason in why {
            match reason {
                Reason::Leave(leave) => {
                    let root = leave.payload().root();
                    let devices = self.chain(&root).map(Chain::devices).unwrap_or_default();
                    if devices.iter().any(|known| leave.as_ref().clone().verify_by(&known.device.key).is_ok())
                    {
                        may.left.push(root);
                    }
                }
                Reason::Revoked(revoked) => {
                    let chain = self.chain(&revoked.root).unwrap();
                    if chain.hash_at(revoked.seqno) == Some(revoked.link)
                        && chain.device(&revoked.device).is_some_and(|known| known.is_revoked())
                    {
                        may.revoked.push(LeafId { root: revoked.root, device: revoked.device });
                    }
                }
            }
        }
        may
    }
}

impl Groups {
    /// Answers a request about groups or key packages; `None` for any other request.
    pub(crate) fn answer(
        &mut self,
        method: &str,
        target: &str,
        body: &str,
        facts: &Facts<'_>,
    ) -> Option<HttpResponse> {
        let Facts { caller, .. } = facts;
        if let Some(logs) = self.split.remove(caller) {
            let shown = std::mem::replace(&mut self.logs, logs);
            let answer = self.answer(method, target, body, facts);
            let logs = std::mem::replace(&mut self.logs, shown);
            self.split.insert(caller.clone(), logs);
            return answer;
        }
        if target == format!("/v1/u/{caller}/news") {
            return Some(json(200, &self.news(&serde_json::from_str(body).unwrap(), facts)));
        }
        let leaf = facts.leaf();
        if let Some(path) = target.strip_prefix(&format!("/v1/u/{caller}/devices/")) {
            let device: DeviceId = path.strip_suffix("/key-packages")?.parse().unwrap();
            if Some(device) != facts.device {
                return Some(problem(ProblemCode::Unauthorized));
            }
            return Some(self.keep(serde_json::from_str(body).unwrap(), facts));
        }
        if target == "/v1/key-packages/claim" {
            return Some(self.claim(&serde_json::from_str(body).unwrap(), facts));
        }
        if target == "/v1/groups" && method == "GET" {
            return Some(json(200, &self.list(facts)));
        }
        if target == "/v1/groups" && method == "POST" {
            return Some(self.create(&serde_json::from_str(body).unwrap(), leaf?, facts));
        }
        if target == "/v1/groups/requests" {
            let ask = serde_json::from_str(body).unwrap();
            return Some(self.invites.ask(&mut self.logs, &ask, facts));
        }
        let path = target.strip_prefix("/v1/groups/")?;
        let (gid, what) = path.split_once('/').unwrap_or((path, ""));
        let gid: GroupId = gid.parse().unwrap();
        let known = self.logs.get(&gid).is_some_and(|log| log.members.contains_key(caller));
        Some(match what {
            _ if !known => problem(ProblemCode::UnknownGroup),
            "" => self.show(gid, facts),
            "state" => self.offer(gid, &serde_json::from_str(body).unwrap(), facts),
            "commits" => self.commit(gid, serde_json::from_str(body).unwrap(), leaf?, facts),
            "messages" => self.message(gid, &serde_json::from_str(body).unwrap(), leaf?, facts),
            invite if invite.starts_with("invites/") => {
                if self.logs[&gid].observed.policy.role(&facts.root) != Some(Role::Admin) {
                    return Some(problem(ProblemCode::NotAuthorised));
                }
                self.invites.change(gid, method, invite.strip_prefix("invites/")?, body)
            }
            _ => problem(ProblemCode::NotFound),
        })
    }

    fn keep(&mut self, keep: KeepPackages, facts: &Facts<'_>) -> HttpResponse {
        let published = self.packages.entry((facts.caller.clone(), facts.device.unwrap())).or_default();
        published.once.retain(|(reference, _)| keep.keep.contains(reference));
        published.last_resort.take_if(|(reference, _)| !keep.keep.contains(reference));
        // A wrong clock makes packages that are not valid now.
        let is_valid = |package: &Base64Url| key_package::check(&package.0, facts.now).is_ok();
        if !keep.packages.iter().chain(&keep.last_resort).all(is_valid) {
            return problem(ProblemCode::Malformed);
        }
        let check = |package: Base64Url| {
            let checked = key_package::check(&package.0, facts.now).unwrap();
            assert_eq!((checked.root, Some(checked.device)), (facts.root, facts.device));
            (Hash::from_bytes(checked.reference), package.0, checked.last_resort)
        };
        for package in keep.packages {
            let (reference, package, last_resort) = check(package);
            assert!(!last_resort);
            published.once.push((reference, package));
        }
        if let Some(package) = keep.last_resort {
            let (reference, package, last_resort) = check(package);
            assert!(last_resort);
            published.last_resort = Some((reference, package));
        }
        if published.once.len() > 60 {
            return problem(ProblemCode::TooManyKeyPackages);
        }
        json(200, &PackagesKept { unclaimed: published.once.len() as u64 })
    }

    /// How many packages for one use a device of this account has on the relay.
    pub(crate) fn unclaimed(&self, handle: &str) -> Vec<(usize, bool)> {
        let of = |((owner, _), published): (&(Handle, DeviceId), &Published)| {
            (owner.as_str() == handle).then(|| (published.once.len(), published.last_resort.is_some()))
        };
        self.packages.iter().filter_map(of).collect()
    }

    /// Removes all packages of an account.
    pub(crate) fn drop_packages(&mut self, handle: &str) {
        self.packages.retain(|(owner, _), _| owner.as_str() != handle);
    }

    fn claim(&mut self, claim: &ClaimPackages, facts: &Facts<'_>) -> HttpResponse {
        let mut claimed = PackagesClaimed::default();
        for handle in &claim.handles {
            if let Some(seconds) = self.later.remove(handle) {
                claimed.later.insert(handle.clone(), seconds);
                continue;
            }
            let Some(chain) = facts.chains.get(handle) else { continue };
            let mut packages = Vec::new();
            for device in chain.live(facts.now) {
                let Some(published) = self.packages.get_mut(&(handle.clone(), device.device)) else {
                    continue;
                };
                let package = match published.once.is_empty() {
                    true => published.last_resort.clone(),
                    false => Some(published.once.remove(0)),
                };
                packages.extend(package.map(|(_, package)| ClaimedPackage {
                    device: device.device,
                    package: Base64Url(package),
                }));
            }
            claimed.packages.insert(handle.clone(), packages);
        }
        json(200, &claimed)
    }

    fn create(&mut self, create: &CreateGroup, leaf: LeafId, facts: &Facts<'_>) -> HttpResponse {
        if let Some(log) = self.logs.get(&create.gid) {
            // As the server: what was posted then, although the group may have changed since.
            let same = log.created == create.info.0;
            return if same { json(200, &()) } else { problem(ProblemCode::GroupExists) };
        }
        let is_mine = |log: &Log| log.kind == GroupKind::Own && log.members.contains_key(&facts.caller);
        if create.kind == GroupKind::Own
            && let Some((gid, _)) = self.logs.iter().find(|(_, log)| is_mine(log))
        {
            let problem = Problem::new(ProblemCode::GroupExists, "the account has its group of devices");
            return json(409, &GroupExistsProblem { problem, gid: *gid });
        }
        let Ok(observed) = observer::open(&create.info.0, &create.tree.0, &facts.certified()) else {
            return problem(ProblemCode::Malformed);
        };
        assert_eq!(
            (observed.epoch, observed.leaves.as_slice(), observed.gid),
            (0, [leaf].as_slice(), create.gid)
        );
        let kind = kind_of(&observed);
        assert_eq!(create.kind, kind);
        let of_these_people = |log: &Log| kind == GroupKind::Direct && log.observed.policy == observed.policy;
        if let Some((gid, _)) = self.logs.iter().find(|(_, log)| of_these_people(log)) {
            let problem = Problem::new(ProblemCode::GroupExists, "this group exists already");
            return json(409, &GroupExistsProblem { problem, gid: *gid });
        }
        let mut log = Log {
            deleted: 0,
            kind: create.kind,
            observed,
            created: create.info.0.clone(),
            info: create.info.0.clone(),
            items: Vec::new(),
            members: BTreeMap::new(),
            ahead: false,
            welcomes: Vec::new(),
        };
        log.update_members(0, facts);
        self.logs.insert(create.gid, log);
        json(201, &())
    }

    fn list(&self, facts: &Facts<'_>) -> GroupList {
        let summary = |(gid, log): (&GroupId, &Log)| {
            let member = log.members.get(&facts.caller)?;
            Some(GroupSummary {
                gid: *gid,
                kind: log.kind,
                epoch: log.observed.epoch,
                head: log.items.len() as u64,
                since: member.since,
                until: member.until,
                role: GroupRole::Member,
                added_by: member.added_by.clone(),
            })
        };
        GroupList { groups: self.logs.iter().filter_map(summary).collect() }
    }

    fn show(&self, gid: GroupId, facts: &Facts<'_>) -> HttpResponse {
        let log = &self.logs[&gid];
        let Member { since, until, added_by, .. } = &log.members[&facts.caller];
        let leaf = facts.leaf();
        let welcome =
            log.welcomes.iter().rev().find(|one| leaf.is_some_and(|leaf| one.devices.contains(&leaf)));
        let role = match log.observed.policy.role(&facts.root) {
            Some(Role::Admin) => GroupRole::Admin,
            _ => GroupRole::Member,
        };
        json(
            200,
            &Shown {
                gid,
                kind: log.kind,
                epoch: log.observed.epoch,
                head: log.items.len() as u64,
                since: *since,
                until: *until,
                role,
                added_by: added_by.as_ref(),
                info: Base64Url(log.info.clone()),
                tree: Base64Url(log.observed.tree.clone()),
                welcome: welcome.map(|one| ShownWelcome {
                    seq: one.seq,
                    welcome: Base64Url(one.welcome.clone()),
                    tree: Base64Url(one.tree.clone()),
                }),
            },
        )
    }

    fn commit(&mut self, gid: GroupId, post: PostCommit, leaf: LeafId, facts: &Facts<'_>) -> HttpResponse {
        let log = self.logs.get_mut(&gid).unwrap();
        let item = GroupItem::parse(post.item.get().as_bytes().to_vec()).unwrap();
        if let Some(at) = log.position(&post.item) {
            let (seq, created_at) = (at as u64 + 1, log.items[at].created_at);
            let epoch = item.epoch().unwrap() + 1;
            return json(200, &CommitStored { seq, created_at, epoch });
        }
        if item.epoch() != Some(log.observed.epoch) {
            return log.stale();
        }
        let Body::Commit(made, why) = item.body() else { panic!("no commit") };
        let posted = Posted {
            mls: &made.mls,
            info: &post.info.0,
            welcome: post.welcome.as_ref().map(|welcome| welcome.0.as_slice()),
            may: &facts.may(why),
            stored_at: facts.now,
        };
        let applied = match observer::apply(&log.observed.state, &posted, &facts.certified()) {
            Ok(applied) if applied.change.by == leaf => applied,
            other => panic!("a commit that no server takes: {:?}", other.err()),
        };
        (log.observed, log.ahead) = (applied.group, false);
        log.info = post.info.0;
        let seq = log.append(post.item, self.says_stored_at.unwrap_or(facts.now), &mut self.tamper);
        if let Some(welcome) = post.welcome {
            let tree = log.observed.tree.clone();
            log.welcomes.push(Welcome { seq, devices: applied.welcomed, welcome: welcome.0, tree });
        }
        log.update_members(seq, facts);
        json(201, &CommitStored { seq, created_at: facts.now, epoch: log.observed.epoch })
    }

    fn offer(&mut self, gid: GroupId, offer: &OfferState, facts: &Facts<'_>) -> HttpResponse {
        let log = self.logs.get_mut(&gid).unwrap();
        let observed = observer::open(&offer.info.0, &offer.tree.0, &facts.certified()).unwrap();
        assert_eq!(observed.gid, gid);
        if !log.ahead || observed.epoch <= log.observed.epoch {
            return log.stale();
        }
        log.info = offer.info.0.clone();
        log.observed = observed;
        HttpResponse { status: 204, body: Vec::new(), ..json(204, &()) }
    }

    fn message(&mut self, gid: GroupId, post: &PostItem, leaf: LeafId, facts: &Facts<'_>) -> HttpResponse {
        let log = self.logs.get_mut(&gid).unwrap();
        let bytes = post.item.get().as_bytes().to_vec();
        if !self.posted.contains(&bytes) {
            self.posted.push(bytes.clone());
        }
        let item = GroupItem::parse(bytes).unwrap();
        if let Some(at) = log.position(&post.item) {
            let (seq, created_at) = (at as u64 + 1, log.items[at].created_at);
            return json(200, &ItemStored { seq, created_at });
        }
        let member = log.members.get_mut(&facts.caller).unwrap();
        if member.until.is_some() || member.leaving {
            return problem(ProblemCode::NotAuthorised);
        }
        match item.body() {
            Body::Message(message) if message.epoch != log.observed.epoch => return log.stale(),
            Body::Message(_) if !log.observed.leaves.contains(&leaf) => {
                return problem(ProblemCode::NotAuthorised);
            }
            Body::Message(_) => {}
            Body::Leave(_) => member.leaving = true,
            other => panic!("no message: {other:?}"),
        }
        let stored_at = self.says_stored_at.unwrap_or(facts.now);
        let seq = log.append(post.item.clone(), stored_at, &mut self.tamper);
        json(201, &ItemStored { seq, created_at: facts.now })
    }

    fn news(&self, ask: &AskForNews, facts: &Facts<'_>) -> News {
        let mut frames = Vec::new();
        let mut more = false;
        for gid in self.groups_of(&facts.caller) {
            let cursor = ask.groups.get(&gid).copied().unwrap_or_default();
            if let Some((frame, last)) = self.frame_after(gid, &facts.caller, cursor, facts.epoch) {
                frames.push(RawValue::from_string(frame).unwrap());
                more |= self.frame_after(gid, &facts.caller, last, facts.epoch).is_some();
            }
        }
        News { epoch: facts.epoch.to_owned(), frames, more }
    }

    /// The groups that an account belongs to or once belonged to.
    pub(crate) fn groups_of(&self, handle: &Handle) -> Vec<GroupId> {
        let logs = self.split.get(handle).unwrap_or(&self.logs).iter();
        logs.filter(|(_, log)| log.members.contains_key(handle)).map(|(gid, _)| *gid).collect()
    }

    /// The next frame of a group after this cursor.
    pub(crate) fn frame_after(
        &self,
        gid: GroupId,
        handle: &Handle,
        cursor: u64,
        epoch: &str,
    ) -> Option<(String, u64)> {
        let log = self.split.get(handle).unwrap_or(&self.logs).get(&gid)?;
        let member = log.members.get(handle)?;
        let (since, until) = (cursor.max(member.since), member.until.unwrap_or(u64::MAX));
        let shown = log.items.iter().filter(|item| item.seq > since.max(log.deleted) && item.seq <= until);
        let is_commit = |item: &InboxItem| item.envelope.get().contains(r#""kind":"commit""#);
        let shown = shown.take_while(|item| !(self.withholds && is_commit(item)));
        let items: Vec<InboxItem> = shown.take(FRAME_ITEMS).cloned().collect();
        let last = items.last()?.seq;
        let frame = LiveFrame::Group { epoch: epoch.to_owned(), group: gid, items, last: None };
        Some((serde_json::to_string(&frame).unwrap(), last))
    }
}

fn kind_of(group: &Observed) -> GroupKind {
    match group.policy.kind() {
        Kind::Group => GroupKind::Group,
        Kind::Direct => GroupKind::Direct,
        Kind::Own => GroupKind::Own,
    }
}

impl Log {
    /// The last Welcome for a device of this account, with its ratchet tree.
    pub(crate) fn welcome_of(&self, root: Primary) -> (Vec<u8>, Vec<u8>) {
        let is_for = |welcome: &&Welcome| welcome.devices.iter().any(|leaf| leaf.root == root);
        let welcome = self.welcomes.iter().rfind(is_for).unwrap();
        (welcome.welcome.clone(), welcome.tree.clone())
    }

    pub(super) fn position(&self, item: &RawValue) -> Option<usize> {
        self.items.iter().position(|other| other.envelope.get() == item.get())
    }

    fn stale(&self) -> HttpResponse {
        let problem = Problem::new(ProblemCode::StaleEpoch, "the group is in another epoch");
        json(409, &StaleEpochProblem { problem, epoch: self.observed.epoch, head: self.items.len() as u64 })
    }

    pub(crate) fn append(
        &mut self,
        item: Box<RawValue>,
        created_at: Timestamp,
        tamper: &mut Option<Tamper>,
    ) -> u64 {
        let stored = tamper.as_mut().map_or_else(|| vec![item.clone()], |tamper| tamper(item.clone()));
        for envelope in stored {
            let seq = self.items.len() as u64 + 1;
            self.items.push(InboxItem { seq, envelope, created_at });
        }
        self.items.len() as u64
    }

    fn update_members(&mut self, seq: u64, facts: &Facts<'_>) {
        for (handle, member) in &mut self.members {
            let root = facts.chains.get(handle).map(Chain::root);
            if member.until.is_none() && root.is_none_or(|root| self.observed.policy.role(&root).is_none()) {
                (member.until, member.leaving) = (Some(seq), false);
            }
        }
        for account in self.observed.policy.accounts() {
            let handle = facts.handle(&account.root).unwrap();
            if self.members.get(&handle).is_none_or(|member| member.until.is_some()) {
                let (since, added_by) = (seq.saturating_sub(1), Some(facts.caller.clone()));
                self.members.insert(handle, Member { since, until: None, leaving: false, added_by });
            }
        }
    }
}
