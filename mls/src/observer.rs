//! What a server checks of a group without its secrets: signatures, credentials, rules, and that a commit comes with the
//! `GroupInfo` of the very state that it makes.
//!
//! It cannot check the membership tag, the confirmation tag and the path's ciphertexts. So members may refuse a commit that
//! the server took; groups heal from that by external commits.

use std::sync::Arc;

use kez_core::mls::call::{Certified, May};
use kez_core::mls::header::Header;
use kez_core::mls::policy::Policy;
use kez_core::mls::reply::{Change, Rule, Stop, Why};
use kez_core::mls::{GroupId, LeafId};
use kez_core::time::Timestamp;
use mls_rs::MlsMessage;
use mls_rs::error::MlsError;
use mls_rs::extension::ExtensionType;
use mls_rs::external_client::builder::MlsConfig;
use mls_rs::external_client::{ExternalClient, ExternalGroup, ExternalReceivedMessage, ExternalSnapshot};
use mls_rs::group::{ExportedTree, GroupInfo};
use mls_rs::mls_rs_codec::MlsDecode;
use mls_rs::time::MlsTime;

use crate::context::Context;
use crate::crypto::Suite;
use crate::devices::{Devices, leaf};
use crate::failure::Failure;
use crate::process::{authored, change_of};
use crate::rules::{self, POLICY, Rules};

/// The version of a state, its first byte.
const FORMAT: u8 = 1;

/// A group as a server knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// What to keep and pass to [`apply`].
    pub state: Vec<u8>,
    /// The group.
    pub gid: GroupId,
    /// Its epoch.
    pub epoch: u64,
    /// Who belongs to it.
    pub policy: Policy,
    /// Its leaves, in the order of the tree.
    pub leaves: Vec<LeafId>,
    /// The device that signed the `GroupInfo`.
    pub by: LeafId,
    /// The ratchet tree, for those who join.
    pub tree: Vec<u8>,
}

/// A commit as it was posted.
#[derive(Clone, Copy, Debug)]
pub struct Posted<'a> {
    /// Its `MLSMessage`.
    pub mls: &'a [u8],
    /// The `GroupInfo` of the epoch that it begins.
    pub info: &'a [u8],
    /// The Welcome of the devices that it adds.
    pub welcome: Option<&'a [u8]>,
    /// What its `why` proves, after the server has checked it.
    pub may: &'a May,
    /// The time at which lifetimes are judged: that of its item in the log.
    pub stored_at: Timestamp,
}

/// A commit that the server may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The group after it.
    pub group: Observed,
    /// What it changes.
    pub change: Change,
    /// The devices that can join by its Welcome.
    pub welcomed: Vec<LeafId>,
}

/// Begins to observe a group, at any epoch.
///
/// # Errors
/// [`Stop`] when the tree does not belong to the `GroupInfo`, a signature or leaf is invalid, or a rule is broken.
pub fn open(info: &[u8], tree: &[u8], certified: &[Certified]) -> Result<Observed, Stop> {
    let context = Arc::new(Context::new(None, certified, None));
    let settle = |result: Result<_, MlsError>| context.settle(result.map_err(Failure), None);
    let message = MlsMessage::from_bytes(info).map_err(|_| refused(Why::Malformed))?;
    let info = message.as_group_info().cloned().ok_or(refused(Why::Malformed))?;
    let mut rest = tree;
    let tree = ExportedTree::mls_decode(&mut rest).map_err(|_| refused(Why::Malformed))?;
    if !rest.is_empty() {
        return Err(refused(Why::Malformed));
    }
    // No time: a leaf that expired after it was added is still a leaf.
    let group = settle(client(&context).observe_group(message, Some(tree), None))?;
    observed(&group, &info).map_err(|rule| refused(Why::Rule(rule)))
}

/// Checks a commit against the state that it was made in.
///
/// # Errors
/// [`Stop`] as for a member, and when the `GroupInfo` or the Welcome does not belong to the commit.
pub fn apply(state: &[u8], posted: &Posted<'_>, certified: &[Certified]) -> Result<Applied, Stop> {
    let context = Arc::new(Context::new(None, certified, None));
    context.may().clone_from(posted.may);
    let mut group = load(&client(&context), state)?;
    let header = Header::parse(posted.mls).map_err(|_| refused(Why::Malformed))?;
    let before = group.group_context();
    if !header.is_commit() {
        return Err(refused(Why::Malformed));
    }
    if before.group_id != header.gid.as_bytes() {
        return Err(refused(Why::WrongGroup));
    }
    if before.epoch != header.epoch {
        return Err(refused(Why::WrongEpoch));
    }
    let (message, by) = authored(posted.mls, header.content, &group.roster())?;
    let broken = |why: Why| Stop::Refused { why, by: Some(by) };
    let welcomed = welcomed(posted.welcome, &message, &context).ok_or(broken(Why::Invalid))?;
    let time = MlsTime::from(posted.stored_at.unix());
    let received = group.process_incoming_message_with_time(message, time).map_err(Failure);
    let ExternalReceivedMessage::Commit(description) = context.settle(received, Some(by))? else {
        return Err(broken(Why::Malformed));
    };
    let change = change_of(&description, by).ok_or(broken(Why::Rule(Rule::Shape)))?;

    let info = MlsMessage::from_bytes(posted.info).map_err(|_| broken(Why::Malformed))?;
    if info.as_group_info().is_none() {
        return Err(broken(Why::Malformed));
    }
    let received = group.process_incoming_message_with_time(info, time).map_err(Failure);
    let ExternalReceivedMessage::GroupInfo(info) = context.settle(received, Some(by))? else {
        return Err(broken(Why::Malformed));
    };
    if info.sender() != description.committer {
        return Err(broken(Why::Invalid));
    }
    let group = observed(&group, &info).map_err(|rule| broken(Why::Rule(rule)))?;
    Ok(Applied { group, change, welcomed })
}

fn refused(why: Why) -> Stop {
    Stop::Refused { why, by: None }
}

fn client(context: &Arc<Context>) -> ExternalClient<impl MlsConfig> {
    ExternalClient::builder()
        .identity_provider(Devices(context.clone()))
        .crypto_provider(Suite::new(context.clone()))
        .mls_rules(Rules(context.clone()))
        .extension_type(POLICY)
        .build()
}

fn load<C: MlsConfig>(client: &ExternalClient<C>, state: &[u8]) -> Result<ExternalGroup<C>, Stop> {
    let Some((&FORMAT, state)) = state.split_first() else { return Err(refused(Why::Malformed)) };
    let snapshot = ExternalSnapshot::from_bytes(state).map_err(|_| refused(Why::Malformed))?;
    client.load_group(snapshot).map_err(|_| refused(Why::Malformed))
}

fn observed<C: MlsConfig>(group: &ExternalGroup<C>, info: &GroupInfo) -> Result<Observed, Rule> {
    // The key for external commits and nothing else: the tree stays out of band.
    if !matches!(info.extensions().as_slice(), [one] if one.extension_type == ExtensionType::EXTERNAL_PUB) {
        return Err(Rule::Shape);
    }
    let leaves: Option<Vec<_>> = group.roster().member_identities_iter().map(leaf).collect();
    let leaves = leaves.ok_or(Rule::Shape)?;
    let context = group.group_context();
    let policy = rules::check(&context.extensions, &leaves)?;
    let gid = context.group_id.as_slice().try_into().map_err(|_| Rule::Shape)?;
    let by = group.roster().member_with_index(info.sender()).ok().and_then(|by| leaf(by.signing_identity()));
    let snapshot = group.snapshot().to_bytes().map_err(|_| Rule::Shape)?;
    Ok(Observed {
        state: [&[FORMAT], snapshot.as_slice()].concat(),
        gid: GroupId::from_bytes(gid),
        epoch: context.epoch,
        policy,
        leaves,
        by: by.ok_or(Rule::Shape)?,
        tree: group.export_tree().map_err(|_| Rule::Shape)?,
    })
}

/// The devices that can join by a Welcome. It must be for the added key packages, each once, and for no others; then a
/// commit without an Add has no Welcome.
fn welcomed(welcome: Option<&[u8]>, commit: &MlsMessage, context: &Arc<Context>) -> Option<Vec<LeafId>> {
    use mls_rs::group::proposal::Proposal;

    let suite = Suite::new(context.clone());
    let mut added = Vec::new();
    for proposal in commit.proposals_by_value() {
        if let Proposal::Add(add) = proposal {
            added.push((add.key_package().to_reference(&suite).ok()?, leaf(add.signing_identity())?));
        }
    }
    let Some(welcome) = welcome else { return added.is_empty().then(Vec::new) };
    let welcome = MlsMessage::from_bytes(welcome).ok()?;
    let mut references = welcome.welcome_key_package_references();
    references.sort();
    added.sort_by(|one, other| one.0.cmp(&other.0));
    let same = !added.is_empty() && references.into_iter().eq(added.iter().map(|(reference, _)| reference));
    same.then(|| added.into_iter().map(|(_, leaf)| leaf).collect())
}
