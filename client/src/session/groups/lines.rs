//! What changes in a group when a commit, a statement of leaving or a face is met in its log.

use kez_core::api::InboxItem;
use kez_core::group_statements::GroupLeave;
use kez_core::identity::Primary;
use kez_core::mls::policy::{Policy, Role};
use kez_core::mls::reply::Change;
use kez_core::mls::{GroupId, LeafId};
use kez_core::sigchain::Hash;
use kez_core::signed::Signed;

use crate::groups::{Stage, StoredFace};
use crate::kernel::context::Context;
use crate::kernel::device::OwnDevice;
use crate::messages::StoredLine;
use crate::session::Session;

impl Session {
    /// A commit was applied. The group is in its new epoch already.
    pub(super) fn met_change(
        &mut self,
        gid: GroupId,
        change: &Change,
        item: &InboxItem,
        cx: &mut Context<'_>,
    ) {
        let (at, me) = (item.created_at.unix(), self.my_root());
        let revoked: Vec<LeafId> =
            change.removed.iter().filter(|leaf| self.is_revoked(leaf)).copied().collect();
        let name = Hash::of(item.envelope.get().as_bytes());
        let Some(group) = self.groups.change(gid) else { return };
        let own = group.stored.commit.take().is_some_and(|built| Hash::of(built.item.as_bytes()) == name);
        match own {
            true => group.has_refreshed(cx),
            false => group.put_off_refresh(cx),
        }
        if !own && let Some(intent) = group.stored.intents.first_mut() {
            intent.tries += 1;
            // Other members that lost against this commit try again too.
            let most = 50_u64.saturating_mul(1 << intent.tries.min(10));
            group.retry_at = Some(cx.now.saturating_add(cx.rng.next_u64() % most));
        }
        group.duty.clear();
        group.withheld = 0;
        group.stored.error = group.stored.error.take().filter(|_| !own);
        let before = std::mem::take(&mut group.accounts);
        let after = change.policy.as_ref().map_or_else(|| before.clone(), accounts_of);
        group.accounts.clone_from(&after);
        let statements: Vec<Primary> = group.stored.left.iter().map(|(root, _)| *root).collect();
        let role = |accounts: &[(Primary, Role)], root: &Primary| {
            accounts.iter().find(|(other, _)| other == root).map(|(_, role)| *role)
        };
        let by = change.by.root;
        let mut lines = Vec::new();
        for (who, now) in &after {
            match role(&before, who) {
                None => lines.push(StoredLine::Added { by, who: *who }),
                Some(former) if former != *now => {
                    lines.push(StoredLine::Role { by, who: *who, admin: *now == Role::Admin });
                }
                Some(_) => {}
            }
        }
        for (who, _) in before.iter().filter(|(who, _)| role(&after, who).is_none()) {
            lines.push(match statements.contains(who) {
                true => StoredLine::Left { who: *who },
                false => StoredLine::Removed { by, who: *who },
            });
        }
        let is_new = |leaf: &&LeafId| role(&before, &leaf.root).is_some();
        let joined = change.external && !group.devices.contains(&change.by);
        let added = change.added.iter().chain(joined.then_some(&change.by)).filter(is_new);
        let is_another = |leaf: &&LeafId| {
            group.devices.iter().any(|other| other.root == leaf.root) && !group.seen.knows(leaf)
        };
        let added = added.filter(is_another);
        lines.extend(added.map(|leaf| StoredLine::Device { who: leaf.root }));
        group.devices.retain(|leaf| !change.removed.contains(leaf));
        group.devices.extend(&change.added);
        if joined {
            group.devices.push(change.by);
        }
        let now = cx.wall() / 1000;
        revoked.iter().for_each(|leaf| group.seen.forget(leaf));
        group.seen.came(change.added.iter().chain(change.external.then_some(&change.by)), now);
        group.seen.heard(&change.by, at, now);
        // A statement counts for the time before the account was added again.
        group.stored.left.retain(|(root, _)| role(&before, root).is_some() && role(&after, root).is_some());
        let is_out = role(&after, &me).is_none();
        let has_no_leaf = self.me.device.as_ref().is_some_and(|device| {
            change.removed.iter().any(|leaf| leaf.root == me && leaf.device == device.id())
        });
        for line in lines {
            self.add_line(gid, line, at, cx);
        }
        if is_out {
            self.out(gid, Stage::Removed, Some(item.seq), cx);
        } else if has_no_leaf {
            self.join_anew(gid, cx);
        } else if own && (!change.added.is_empty() || after.len() > before.len()) {
            self.tell_face(gid, cx);
        } else if change.external && role(&after, &me) == Some(Role::Admin) {
            self.tell_face_in_turn(gid, &change.by, cx);
        }
        self.settle_requests(gid, &after);
        self.learn_members(&after, cx);
        if joined && by == me {
            self.device_joined(gid, change.by.device, cx);
        }
    }

    /// A device has joined by itself, and may know no name. One device of an admin is enough to tell it.
    fn tell_face_in_turn(&mut self, gid: GroupId, newcomer: &LeafId, cx: &mut Context<'_>) {
        let (me, device) = (self.my_root(), self.me.device.as_ref().map(OwnDevice::id));
        if let Some(group) = self.groups.recall(gid).filter(|group| group.stored.face.is_some())
            && let (Some(known), Some(device)) = (&group.stored.known, device)
        {
            let of_admins = known.leaves.iter().filter(|leaf| known.policy.is_admin(&leaf.root));
            let others = of_admins.filter(|leaf| *leaf != newcomer);
            let wait = known.turn(&LeafId { root: me, device }, others, cx);
            group.retelling.set(cx.now.saturating_add(wait));
        }
    }

    /// An account says that it leaves.
    pub(super) fn met_leave(&mut self, gid: GroupId, leave: &Signed<GroupLeave>, cx: &mut Context<'_>) {
        let root = leave.payload().root();
        if !self.is_signed(leave, &root) {
            return;
        }
        if root == self.my_root() {
            return self.left(gid, None, cx);
        }
        if let (Some(group), Ok(json)) = (self.groups.change(gid), leave.to_json())
            && group.stored.role(&root).is_some()
        {
            group.stored.left.retain(|(other, _)| *other != root);
            group.stored.left.push((root, json));
        }
    }

    /// A face stands in the log.
    pub(super) fn met_face(
        &mut self,
        gid: GroupId,
        by: Primary,
        face: StoredFace,
        item: &InboxItem,
        cx: &mut Context<'_>,
    ) {
        let Some(group) = self.groups.change(gid).filter(|group| group.is_admin_now(&by)) else { return };
        group.retelling.clear();
        let former = group.stored.face.replace(face);
        let name = group.stored.name().to_owned();
        if former.is_some_and(|former| former.name != name) {
            self.add_line(gid, StoredLine::Renamed { by, name }, item.created_at.unix(), cx);
        }
    }

    /// Looks up the members who are not known yet.
    pub(super) fn learn_members(&mut self, accounts: &[(Primary, Role)], cx: &mut Context<'_>) {
        let me = self.my_root();
        let new = accounts.iter().map(|(root, _)| *root);
        let new: Vec<Primary> =
            new.filter(|root| *root != me && self.chains.members().chain(root).is_none()).collect();
        self.chains.members().ask(new, &self.me, cx);
    }

    /// The user is out of a group: the secrets of this device go.
    pub(super) fn out(&mut self, gid: GroupId, stage: Stage, seq: Option<u64>, cx: &mut Context<'_>) {
        let Some(group) = self.groups.change(gid) else { return };
        group.stored.stage = stage;
        group.stored.leaving = None;
        group.stored.cursor = group.stored.cursor.max(seq.unwrap_or_default());
        group.stored.out_at = group.stored.cursor;
        group.stored.sent.clear();
        group.forget_state();
        self.settle_requests(gid, &[]);
        self.drop_unsent(gid, cx);
    }
}

/// The accounts of a policy with their roles.
pub(super) fn accounts_of(policy: &Policy) -> Vec<(Primary, Role)> {
    policy.accounts().iter().map(|account| (account.root, account.role)).collect()
}
