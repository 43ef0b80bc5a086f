//! Applying a log: messages and commits, in order.

use kez_core::mls::call::{Item, MAX_ITEM_BYTES, MAX_ITEMS};
use kez_core::mls::header::{Content, Header};
use kez_core::mls::policy::Policy;
use kez_core::mls::reply::{Change, Done, Fault, Outcome, Reply, Rule, Stop, Why};
use kez_core::mls::{GroupId, LeafId};
use mls_rs::MlsMessage;
use mls_rs::error::MlsError;
use mls_rs::group::proposal::Proposal;
use mls_rs::group::{CommitEffect, CommitMessageDescription, NewEpoch, ReceivedMessage, Roster};
use mls_rs::time::MlsTime;

use crate::devices::leaf;
use crate::engine::{Engine, Halt, MlsGroup, gid};
use crate::failure::Failure;
use crate::rules;

impl Engine {
    /// Applies items until one cannot be. The reply has the group before that one.
    pub(crate) fn process(&self, state: &[u8], items: &[Item]) -> Result<Reply, Fault> {
        let bytes: usize = items.iter().map(|item| item.mls.len()).sum();
        if items.len() > MAX_ITEMS || bytes > MAX_ITEM_BYTES {
            return Err(Fault::TooLarge);
        }
        let (mut group, states) = self.load(state)?;
        let id = gid(&group).map_err(|_| Fault::DamagedState)?;
        let (mut done, mut stop, mut member) = (Vec::with_capacity(items.len()), None, true);
        for item in items {
            if !member {
                stop = Some(Stop::Refused { why: Why::Removed, by: None });
                break;
            }
            // An item that fails leaves no trace: it is tried on a copy.
            let mut tried = group.clone();
            match self.item(&mut tried, id, item) {
                Ok(Done::Unreadable(why)) => done.push(Done::Unreadable(why)),
                Ok(Done::Own) => done.push(Done::Own),
                Ok(applied) => {
                    member = !matches!(&applied, Done::Change(change) if change.removed.contains(&self.me()));
                    done.push(applied);
                    group = tried;
                }
                Err(why) => {
                    stop = Some(why);
                    break;
                }
            }
        }
        let group = match member.then(|| self.keep(&mut group, &states)).transpose() {
            Ok(group) => group,
            Err(Halt::Fault(fault)) => return Err(fault),
            Err(Halt::Stop(_)) => return Err(Fault::Engine),
        };
        Ok(Reply { group, outcome: Outcome::Processed { done, stop } })
    }

    fn item(&self, group: &mut MlsGroup, id: GroupId, item: &Item) -> Result<Done, Stop> {
        let refused = |why| Stop::Refused { why, by: None };
        let header = Header::parse(&item.mls).map_err(|_| refused(Why::Malformed))?;
        let misplaced = match header {
            Header { gid, .. } if gid != id => Some(Why::WrongGroup),
            Header { epoch, .. } if epoch != group.context().epoch => Some(Why::WrongEpoch),
            _ => None,
        };
        match (header.content, misplaced) {
            (Content::Message, Some(why)) => Ok(Done::Unreadable(why)),
            (Content::Message, None) => Ok(self.message(group, item)),
            (_, Some(why)) => Err(refused(why)),
            (content, None) => self.change(group, item, content).map(Done::Change),
        }
    }

    fn message(&self, group: &mut MlsGroup, item: &Item) -> Done {
        let received = MlsMessage::from_bytes(&item.mls)
            .and_then(|message| group.process_incoming_message_with_time(message, time(item)));
        if matches!(received, Err(MlsError::CantProcessMessageFromSelf)) {
            return Done::Own;
        }
        let received = match self.settle(received) {
            Ok(ReceivedMessage::ApplicationMessage(received)) => received,
            Ok(_) => return Done::Unreadable(Why::Malformed),
            Err(Stop::Refused { why, .. }) => return Done::Unreadable(why),
            Err(_) => return Done::Unreadable(Why::Invalid),
        };
        let by = group.member_at_index(received.sender_index).and_then(|by| leaf(by.signing_identity()));
        match (by, received.unauthenticated_key_generation) {
            (Some(by), Some(generation)) => {
                Done::Text { by, generation, text: received.data().to_vec().into() }
            }
            _ => Done::Unreadable(Why::Invalid),
        }
    }

    fn change(&self, group: &mut MlsGroup, item: &Item, content: Content) -> Result<Change, Stop> {
        let (message, by) = authored(&item.mls, content, &group.roster())?;
        let refused = |why| Stop::Refused { why, by: Some(by) };
        self.context.may().clone_from(&item.may);
        let own = group.has_pending_commit();
        let received = group.process_incoming_message_with_time(message, time(item));
        if matches!(received, Err(MlsError::CantProcessMessageFromSelf)) {
            return Err(Stop::Own);
        }
        let received = self.context.settle(received.map_err(Failure), Some(by))?;
        let ReceivedMessage::Commit(description) = received else {
            return Err(refused(Why::Malformed));
        };
        let change = change_of(&description, by).ok_or(refused(Why::Rule(Rule::Shape)))?;
        // A device that rejoined with a newer storage has replaced the leaf of this one.
        if by == self.me() && !own {
            return Err(Stop::Own);
        }
        Ok(change)
    }
}

/// Decodes a commit, which must have an update path, and names the device that it says is its author.
pub(crate) fn authored(
    mls: &[u8],
    content: Content,
    roster: &Roster<'_>,
) -> Result<(MlsMessage, LeafId), Stop> {
    let malformed = |_| Stop::Refused { why: Why::Malformed, by: None };
    let message = MlsMessage::from_bytes(mls).map_err(malformed)?;
    let joiner = message.commit_path_leaf_node().map(|path| leaf(&path.signing_identity));
    let by = match content {
        Content::Commit { leaf: index } => {
            roster.member_with_index(index).ok().and_then(|by| leaf(by.signing_identity()))
        }
        _ => joiner.flatten(),
    };
    match (by, joiner) {
        (Some(by), Some(_)) => Ok((message, by)),
        _ => Err(Stop::Refused { why: Why::Rule(Rule::Shape), by }),
    }
}

fn time(item: &Item) -> MlsTime {
    MlsTime::from(item.stored_at.unix())
}

/// What a commit changed.
pub(crate) fn change_of(description: &CommitMessageDescription, by: LeafId) -> Option<Change> {
    let NewEpoch { epoch, prior_state, applied_proposals, .. } = match &description.effect {
        CommitEffect::NewEpoch(epoch) | CommitEffect::Removed { new_epoch: epoch, .. } => &**epoch,
        CommitEffect::ReInit(_) => return None,
    };
    let (mut added, mut removed, mut policy) = (Vec::new(), Vec::new(), None::<Policy>);
    for applied in applied_proposals {
        match &applied.proposal {
            Proposal::Add(add) => added.push(leaf(add.signing_identity())?),
            Proposal::Remove(remove) => {
                removed.push(leaf(prior_state.member_at_index(remove.to_remove())?.signing_identity())?);
            }
            Proposal::GroupContextExtensions(extensions) => {
                policy = Some(rules::policy_of(extensions).ok()?);
            }
            _ => {}
        }
    }
    if description.is_external {
        removed.retain(|leaf| *leaf != by);
    }
    let before = rules::policy_of(&prior_state.context.extensions).ok()?;
    let policy = policy.filter(|policy| *policy != before);
    Some(Change { epoch: *epoch, by, added, removed, policy, external: description.is_external })
}
