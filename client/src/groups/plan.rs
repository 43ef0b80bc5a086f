//! Which commit a group needs next: what the user wants, and what must go in any case.

use kez_core::group_item::{Reason as Why, Revoked};
use kez_core::group_statements::GroupLeave;
use kez_core::identity::Primary;
use kez_core::mls::call::May;
use kez_core::mls::policy::{Account, Kind, Policy, Role};
use kez_core::mls::{Bytes, LeafId};
use kez_core::sigchain::Hash;
use kez_core::signed::Signed;

use super::group::{Known, StoredGroup, What};

/// What the plan has to know beside the group.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'a> {
    /// This device.
    pub(crate) me: LeafId,
    /// The leaves whose chain has revoked them, each with the seqno and hash of the link if they are known.
    pub(crate) revoked: &'a [(LeafId, Option<(u64, Hash)>)],
    /// The devices that were idle for long.
    pub(crate) idle: &'a [LeafId],
    /// Whether this device replaces its keys, even if nothing else changes.
    pub(crate) refreshes: bool,
}

/// A commit to be made.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) add: Vec<Bytes>,
    pub(crate) remove: Vec<LeafId>,
    pub(crate) policy: Option<Policy>,
    pub(crate) may: May,
    /// The statements for the item's `why`.
    pub(crate) why: Vec<Why>,
    /// Whether the user wants it, rather than that it must be.
    pub(crate) is_wanted: bool,
    /// Whether a message is sent only after it.
    pub(crate) is_urgent: bool,
    /// Who else could make it, or a part of it.
    makers: Makers,
}

/// Who may make a commit that must be.
#[derive(Debug, Default)]
struct Makers {
    everyone: bool,
    admins: bool,
    accounts: Vec<Primary>,
}

impl StoredGroup {
    /// Drops what the user wanted and is so, or can no longer be. Returns whether something could not be.
    pub(crate) fn settle(&mut self, me: &Primary) -> bool {
        let Some(Known { policy, leaves, epoch, .. }) = &self.known else { return false };
        self.intents.retain(|intent| match &intent.what {
            // Who belongs to a group of two never changes: only devices are added. Without a commit, the other account
            // never hears of the group.
            What::Add(_) if policy.kind() != Kind::Group => {
                let is_new = |(leaf, _): &(LeafId, Bytes)| !leaves.contains(leaf);
                *epoch == 0 || intent.packages.as_ref().is_none_or(|packages| packages.iter().any(is_new))
            }
            What::Add(roots) => roots.iter().any(|root| policy.role(root).is_none()),
            What::Remove(root) => policy.role(root).is_some(),
            What::Promote(root) => policy.role(root) == Some(Role::Member),
        });
        let is_hopeless = !self.intents.is_empty() && !policy.is_admin(me);
        if is_hopeless {
            self.intents.clear();
        }
        is_hopeless
    }

    /// The accounts whose devices' packages are to be claimed before the next commit.
    pub(crate) fn to_claim(&self) -> Option<&[Primary]> {
        match self.intents.first().map(|intent| (&intent.what, &intent.packages)) {
            Some((What::Add(roots), None)) => Some(roots),
            _ => None,
        }
    }

    /// The next commit; `None` when none is needed.
    pub(crate) fn plan(&self, facts: Facts<'_>) -> Option<Plan> {
        let known = self.known.as_ref()?;
        let is_admin = known.policy.is_admin(&facts.me.root);
        let mut plan = Plan::default();
        let mut accounts = known.policy.accounts().to_vec();
        let kind = known.policy.kind();
        let may_leave = |root: &Primary| kind == Kind::Group && *root != facts.me.root;
        for (root, statement) in self.left.iter().filter(|(root, _)| may_leave(root)) {
            let Ok(signed) = Signed::<GroupLeave>::parse(statement.as_bytes()) else { continue };
            if known.policy.role(root).is_some() {
                accounts.retain(|account| account.root != *root);
                plan.makers.everyone = true;
                plan.is_urgent = true;
                plan.may.left.push(*root);
                plan.why.push(Why::Leave(Box::new(signed)));
            }
        }
        for (leaf, link) in facts.revoked.iter().filter(|(leaf, _)| known.leaves.contains(leaf)) {
            if *leaf == facts.me || (!is_admin && leaf.root != facts.me.root && link.is_none()) {
                continue;
            }
            plan.remove.push(*leaf);
            plan.is_urgent = true;
            plan.makers.admins = true;
            plan.makers.accounts.push(leaf.root);
            if let Some((seqno, link)) = link {
                plan.makers.everyone = true;
                let revoked = Revoked { root: leaf.root, device: leaf.device, seqno: *seqno, link: *link };
                plan.may.revoked.push(*leaf);
                plan.why.push(Why::Revoked(revoked));
            }
        }
        // In a group of two, an account whose devices were all idle would be out of reach.
        let may_remove = |root: &Primary| *root == facts.me.root || (is_admin && kind == Kind::Group);
        for leaf in facts.idle.iter().filter(|leaf| known.leaves.contains(leaf) && may_remove(&leaf.root)) {
            if *leaf != facts.me && !plan.remove.contains(leaf) {
                plan.remove.push(*leaf);
                plan.makers.admins |= kind == Kind::Group;
                plan.makers.accounts.push(leaf.root);
            }
        }
        if let Some(intent) = self.intents.first() {
            plan.is_wanted = true;
            match &intent.what {
                What::Add(roots) => {
                    let new = roots.iter().filter(|root| known.policy.role(root).is_none());
                    accounts.extend(new.map(|root| Account { root: *root, role: Role::Member }));
                    let packages = intent.packages.iter().flatten();
                    let new = packages.filter(|(leaf, _)| !known.leaves.contains(leaf));
                    plan.add.extend(new.map(|(_, package)| package.clone()));
                }
                What::Remove(root) => accounts.retain(|account| account.root != *root),
                What::Promote(root) => {
                    for account in accounts.iter_mut().filter(|account| account.root == *root) {
                        account.role = Role::Admin;
                    }
                }
            }
        }
        let policy = Policy::new(kind, accounts).ok()?;
        for leaf in known.leaves.iter().filter(|leaf| policy.role(&leaf.root).is_none()) {
            if !plan.remove.contains(leaf) {
                plan.remove.push(*leaf);
            }
        }
        plan.policy = Some(policy).filter(|policy| *policy != known.policy);
        let is_first = plan.is_wanted && kind != Kind::Group && known.epoch == 0;
        let is_asked = is_first || facts.refreshes;
        let is_needed = is_asked || plan.policy.is_some() || !plan.add.is_empty() || !plan.remove.is_empty();
        is_needed.then_some(plan)
    }
}

impl Plan {
    /// The leaves whose devices could make this commit, or a part of it.
    pub(crate) fn makers<'a>(&'a self, known: &'a Known) -> impl Iterator<Item = &'a LeafId> {
        let Makers { everyone, admins, accounts } = &self.makers;
        known.leaves.iter().filter(move |leaf| {
            let may =
                *everyone || (*admins && known.policy.is_admin(&leaf.root)) || accounts.contains(&leaf.root);
            may && !self.remove.contains(leaf)
        })
    }
}
