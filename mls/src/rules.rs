//! The rules of groups (docs/SPEC.md, section 15.3). The author's client, the server and every member run this code.

use std::sync::Arc;

use kez_core::mls::call::May;
use kez_core::mls::policy::{Account, EXTENSION, Kind, Policy};
use kez_core::mls::reply::{Rule, Why};
use kez_core::mls::{LeafId, MAX_LEAVES};
use mls_rs::client_builder::PaddingMode;
use mls_rs::extension::ExtensionType;
use mls_rs::group::proposal::{AddProposal, ExternalInit, ReInitProposal, RemoveProposal};
use mls_rs::group::{GroupContext, Roster, Sender};
use mls_rs::mls_rules::{
    CommitDirection, CommitOptions, CommitSource, EncryptionOptions, ProposalBundle, ProposalSource,
};
use mls_rs::{Extension, ExtensionList, MlsRules};
use mls_rs_core::error::IntoAnyError;

use crate::context::Context;
use crate::devices::leaf;

/// The number of the policy among the extensions.
pub(crate) const POLICY: ExtensionType = ExtensionType::new(EXTENSION);

/// The rules for one call.
#[derive(Clone)]
pub(crate) struct Rules(pub(crate) Arc<Context>);

/// A commit breaks a rule. The context has it.
#[derive(Debug)]
pub(crate) struct Broken;

impl IntoAnyError for Broken {}

/// What a commit would do.
struct Commit<'a> {
    /// The policy before.
    policy: &'a Policy,
    /// The policy after, if the commit sets one.
    new_policy: Option<Policy>,
    /// All leaves before.
    leaves: Vec<LeafId>,
    by: LeafId,
    external: bool,
    added: Vec<LeafId>,
    removed: Vec<LeafId>,
    may: &'a May,
}

impl MlsRules for Rules {
    type Error = Broken;

    fn filter_proposals(
        &self,
        _: CommitDirection,
        source: CommitSource,
        roster: &Roster<'_>,
        context: &GroupContext,
        proposals: ProposalBundle,
    ) -> Result<ProposalBundle, Broken> {
        let judged = self.judge(&source, roster, context, &proposals);
        judged.map(|()| proposals).map_err(|rule| {
            self.0.note(Why::Rule(rule));
            Broken
        })
    }

    /// A path in every commit, and the tree out of band.
    fn commit_options(
        &self,
        _: &Roster<'_>,
        _: &GroupContext,
        _: &ProposalBundle,
    ) -> Result<CommitOptions, Broken> {
        Ok(CommitOptions::new()
            .with_path_required(true)
            .with_ratchet_tree_extension(false)
            .with_allow_external_commit(true))
    }

    /// Commits are public messages, so that a server can follow them. Texts are padded before they get here.
    fn encryption_options(&self, _: &Roster<'_>, _: &GroupContext) -> Result<EncryptionOptions, Broken> {
        Ok(EncryptionOptions::new(false, PaddingMode::None))
    }
}

impl Rules {
    fn judge(
        &self,
        source: &CommitSource,
        roster: &Roster<'_>,
        context: &GroupContext,
        proposals: &ProposalBundle,
    ) -> Result<(), Rule> {
        let (by, external) = match source {
            CommitSource::ExistingMember(member) => (leaf(member.signing_identity()), false),
            CommitSource::NewMember(identity) => (leaf(identity), true),
        };
        let usual = proposals.iter_proposals().all(|proposal| {
            let by_committer = matches!(proposal.sender, Sender::Member(_) | Sender::NewMemberCommit);
            by_committer && matches!(proposal.source, ProposalSource::ByValue)
        });
        let known = proposals.by_type::<AddProposal>().count()
            + proposals.by_type::<RemoveProposal>().count()
            + proposals.by_type::<ExternalInit>().count()
            + proposals.by_type::<ExtensionList>().count();
        let reinit = proposals.by_type::<ReInitProposal>().next().is_some();
        if !usual || reinit || known != proposals.length() {
            return Err(Rule::Shape);
        }
        let mut new_policy = None;
        for proposal in proposals.by_type::<ExtensionList>() {
            if new_policy.replace(policy_of(&proposal.proposal)?).is_some() {
                return Err(Rule::Shape);
            }
        }
        let added = proposals.by_type::<AddProposal>().map(|add| leaf(add.proposal.signing_identity()));
        let removed = proposals.by_type::<RemoveProposal>().map(|remove| {
            leaf(roster.member_with_index(remove.proposal.to_remove()).ok()?.signing_identity())
        });
        Commit {
            policy: &policy_of(&context.extensions)?,
            new_policy,
            leaves: roster.member_identities_iter().filter_map(leaf).collect(),
            by: by.ok_or(Rule::Shape)?,
            external,
            added: added.collect::<Option<_>>().ok_or(Rule::Shape)?,
            removed: removed.collect::<Option<_>>().ok_or(Rule::Shape)?,
            may: &self.0.may(),
        }
        .judge()
    }
}

impl Commit<'_> {
    fn judge(&self) -> Result<(), Rule> {
        if self.external {
            self.joiner_may()?;
        }
        if let Some(new) = &self.new_policy {
            self.policy_may_become(new)?;
        }
        let after = self.new_policy.as_ref().unwrap_or(self.policy);
        for leaf in &self.added {
            if after.role(&leaf.root).is_none() {
                return Err(Rule::AddedOutsider);
            }
            if !self.by_admin() && leaf.root != self.by.root {
                return Err(Rule::AddedByMember);
            }
        }
        for leaf in &self.removed {
            let leaves_policy = after.role(&leaf.root).is_none();
            let own = leaf.root == self.by.root;
            if !(own || self.by_admin() || leaves_policy || self.may.revoked.contains(leaf)) {
                return Err(Rule::RemovedByMember);
            }
        }
        self.leaves_fit(after)
    }

    fn by_admin(&self) -> bool {
        self.policy.is_admin(&self.by.root)
    }

    /// A device that joins by itself adds nothing else and replaces at most its own leaf.
    fn joiner_may(&self) -> Result<(), Rule> {
        let belongs = self.policy.role(&self.by.root).is_some();
        let alone = self.added.is_empty() && self.new_policy.is_none();
        let own = self.removed.is_empty() || self.removed == [self.by];
        if belongs && alone && own { Ok(()) } else { Err(Rule::External) }
    }

    fn policy_may_become(&self, new: &Policy) -> Result<(), Rule> {
        if new == self.policy {
            return Ok(());
        }
        if self.policy.kind() != Kind::Group || new.kind() != Kind::Group {
            return Err(Rule::Fixed);
        }
        let without_leavers =
            || self.policy.accounts().iter().filter(|account| !self.left(new, account)).eq(new.accounts());
        if self.by_admin() || without_leavers() { Ok(()) } else { Err(Rule::PolicyByAdmin) }
    }

    /// Whether the account has said that it leaves, and the new policy no longer has it.
    fn left(&self, new: &Policy, account: &Account) -> bool {
        self.may.left.contains(&account.root) && new.role(&account.root).is_none()
    }

    fn leaves_fit(&self, after: &Policy) -> Result<(), Rule> {
        let mut leaves = self.leaves.clone();
        leaves.retain(|leaf| !self.removed.contains(leaf));
        leaves.extend(&self.added);
        leaves.extend(self.external.then_some(self.by));
        fits(after, leaves)
    }
}

/// Checks a whole group, by whatever way this device came to know it.
pub(crate) fn check(extensions: &ExtensionList, leaves: &[LeafId]) -> Result<Policy, Rule> {
    let policy = policy_of(extensions)?;
    fits(&policy, leaves.to_vec()).map(|()| policy)
}

fn fits(policy: &Policy, mut leaves: Vec<LeafId>) -> Result<(), Rule> {
    leaves.sort_unstable();
    if leaves.windows(2).any(|pair| matches!(pair, [one, next] if one == next)) {
        return Err(Rule::Twice);
    }
    if leaves.len() > MAX_LEAVES {
        return Err(Rule::TooManyLeaves);
    }
    if leaves.iter().any(|leaf| policy.role(&leaf.root).is_none()) {
        return Err(Rule::Leftover);
    }
    Ok(())
}

/// The policy, which is a group's only extension.
pub(crate) fn policy_of(extensions: &ExtensionList) -> Result<Policy, Rule> {
    match extensions.as_slice() {
        [Extension { extension_type, extension_data, .. }] if *extension_type == POLICY => {
            Policy::parse(extension_data).map_err(|_| Rule::Policy)
        }
        _ => Err(Rule::Policy),
    }
}

/// The extensions of a group with this policy.
pub(crate) fn extensions_of(policy: &Policy) -> ExtensionList {
    let mut extensions = ExtensionList::new();
    extensions.set(Extension::new(POLICY, policy.to_bytes()));
    extensions
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use kez_core::identity::Primary;
    use kez_core::mls::policy::Role;
    use kez_core::sigchain::DeviceId;

    use super::*;

    #[test]
    fn a_group_has_at_most_500_leaves() {
        let root = Primary::from_bytes([1; 32]);
        let policy = Policy::new(Kind::Group, vec![Account { root, role: Role::Member }]).unwrap();
        let device = |n: u16| DeviceId::from_bytes([n.to_be_bytes(); 8].concat().try_into().unwrap());
        let leaves: Vec<_> = (0..=500).map(|n| LeafId { root, device: device(n) }).collect();
        assert_eq!(check(&extensions_of(&policy), &leaves[..500]), Ok(policy.clone()));
        assert_eq!(check(&extensions_of(&policy), &leaves), Err(Rule::TooManyLeaves));
        assert_eq!(check(&extensions_of(&policy), &[leaves[0], leaves[0]]), Err(Rule::Twice));
        // A commit that would add one more.
        let may = May::default();
        let commit = |removed: Vec<LeafId>| Commit {
            policy: &policy,
            new_policy: None,
            leaves: leaves[..500].to_vec(),
            by: leaves[0],
            external: false,
            added: vec![leaves[500]],
            removed,
            may: &may,
        };
        assert_eq!(commit(vec![]).judge(), Err(Rule::TooManyLeaves));
        assert_eq!(commit(vec![leaves[1]]).judge(), Ok(()));
    }
}
