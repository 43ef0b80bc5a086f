//! A group on the server, with the state that each device keeps of it.

use std::sync::Arc;

use kez_core::api::{
    Base64Url, CommitToGroup, CreateGroup, GROUPS_TARGET, GroupKind, ItemStored, PostItem, commits_target,
    messages_target,
};
use kez_core::group_item::GroupItem;
use kez_core::message::group_plaintext;
use kez_core::mls::call::{Certified, Item, May, Op};
use kez_core::mls::policy::{Account, Kind, Policy, Role};
use kez_core::mls::reply::{Group as State, Outcome, Reply};
use kez_core::mls::{Bytes, GroupId};
use kez_core::sigchain::Heads;
use kez_core::time::Timestamp;
use serde_json::value::RawValue;

use super::device::Device;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::people::{Sealed, TEXT_BYTES, chain, now, text_message};

/// How many messages the engine seals in one call.
const AT_ONCE: usize = 100;
/// How long a key package lasts, in seconds.
const PACKAGE_LIFETIME: u64 = 24 * 60 * 60;

/// A group; see the module.
pub(crate) struct Group {
    /// Its id.
    pub(crate) gid: GroupId,
    /// The number of the last item of its log when it was founded.
    pub(crate) head: u64,
    certified: Vec<Certified>,
    members: Vec<(Arc<Device>, State)>,
}

impl Group {
    /// The first device creates the group and adds the others, which join by its Welcome. All accounts of a `direct`
    /// group are admins, of another group only the first.
    pub(crate) async fn found(
        connection: &mut Connection,
        gid: GroupId,
        kind: Kind,
        devices: &[Arc<Device>],
    ) -> Result<Self, Failure> {
        let certified: Vec<_> = devices.iter().map(|device| device.certified()).collect();
        let [founder, others @ ..] = devices else {
            return Err(Failure::protocol("a group without devices"));
        };
        let policy = Op::Create { gid, policy: policy(kind, devices)? };
        let Reply { group: Some(state), outcome: Outcome::Created { info, tree } } =
            founder.call(&certified, policy)?
        else {
            return Err(unexpected("a new group"));
        };
        let kind = if kind == Kind::Direct { GroupKind::Direct } else { GroupKind::Group };
        let (info, tree) = (Base64Url(info.to_vec()), Base64Url(tree.to_vec()));
        founder.post(connection, GROUPS_TARGET, &CreateGroup { gid, kind, info, tree }).await?;

        let mut packages = Vec::with_capacity(others.len());
        for device in others {
            let until = Timestamp::from_unix(now().unix() + PACKAGE_LIFETIME);
            let made = device.call(&certified, Op::Packages { count: 1, last_resort: false, until })?;
            let Outcome::Packages(made) = made.outcome else { return Err(unexpected("key packages")) };
            packages.extend(made);
        }
        let mut group = Self { gid, head: 0, certified, members: vec![(Arc::clone(founder), state)] };
        let added = packages.iter().map(|package| package.mls.clone()).collect();
        let (body, info) = group.commit(added)?;
        let stored = founder.post(connection, &commits_target(gid), &body).await?;
        group.head = serde_json::from_slice::<ItemStored>(&stored)?.seq;
        let (welcome, tree) = (body.welcome.unwrap_or(Base64Url(Vec::new())), group.tree(info)?);
        for (device, package) in others.iter().zip(packages) {
            let (welcome, tree) = (welcome.0.clone().into(), tree.clone());
            let joined = Op::Welcome { welcome, tree, packages: vec![package.secret] };
            let state =
                device.call(&group.certified, joined)?.group.ok_or_else(|| unexpected("a group joined"))?;
            group.members.push((Arc::clone(device), state));
        }
        Ok(group)
    }

    /// Seals `each` messages for each of the first `senders` devices.
    pub(crate) fn messages(&mut self, senders: usize, each: usize) -> Result<Vec<Vec<Sealed>>, Failure> {
        let (gid, certified) = (self.gid, &self.certified);
        let seal = |(device, state): &mut (Arc<Device>, State)| {
            let mut row = Vec::with_capacity(each);
            while row.len() < each {
                let first = state.generation;
                let texts =
                    (first..).take(AT_ONCE.min(each - row.len())).map(text).collect::<Result<_, _>>()?;
                let sealed = device.call(certified, Op::Seal { state: state.state.clone(), texts })?;
                let Reply { group: Some(next), outcome: Outcome::Sealed(sealed) } = sealed else {
                    return Err(unexpected("sealed messages"));
                };
                *state = next;
                for message in sealed {
                    let item = raw(GroupItem::message(gid, state.epoch, &message.mls))?;
                    row.push(post(messages_target(gid), serde_json::to_vec(&PostItem { item })?));
                }
            }
            Ok(row)
        };
        self.members.iter_mut().take(senders).map(seal).collect()
    }

    /// Makes commits by which the founder replaces its keys, one after another. After that, no message of an earlier
    /// epoch can be posted.
    pub(crate) fn updates(&mut self, count: usize) -> Result<Vec<Sealed>, Failure> {
        let path = commits_target(self.gid);
        (0..count).map(|_| Ok(post(path.clone(), serde_json::to_vec(&self.commit(Vec::new())?.0)?))).collect()
    }

    /// Signs each row by its sender.
    pub(crate) fn sign(&self, rows: &mut [Vec<Sealed>]) -> Result<(), Failure> {
        for ((device, _), row) in self.members.iter().zip(rows) {
            row.iter_mut().try_for_each(|message| device.sign(message))?;
        }
        Ok(())
    }

    /// The founder makes a commit and applies it. Also returns the `GroupInfo`.
    fn commit(&mut self, add: Vec<Bytes>) -> Result<(CommitToGroup, Bytes), Failure> {
        let Some((founder, state)) = self.members.first_mut() else { return Err(unexpected("a founder")) };
        let (epoch, before) = (state.epoch, state.state.clone());
        let made = Op::Commit { state: before, add, remove: Vec::new(), policy: None, may: May::default() };
        let made = founder.call(&self.certified, made)?;
        let Reply { group: Some(pending), outcome: Outcome::Committed { mls, info, welcome } } = made else {
            return Err(unexpected("a commit"));
        };
        let item = raw(GroupItem::commit(self.gid, epoch, &mls, &[]))?;
        let stored = Item { mls, stored_at: now(), may: May::default() };
        let applied =
            founder.call(&self.certified, Op::Process { state: pending.state, items: vec![stored] })?;
        *state = applied.group.ok_or_else(|| unexpected("a commit applied"))?;
        let welcome = welcome.map(|welcome| Base64Url(welcome.to_vec()));
        Ok((CommitToGroup { item, info: Base64Url(info.to_vec()), welcome }, info))
    }

    fn tree(&self, beside: Bytes) -> Result<Bytes, Failure> {
        let Some((founder, state)) = self.members.first() else { return Err(unexpected("a founder")) };
        let exported = founder.call(&self.certified, Op::Export { state: state.state.clone(), beside })?;
        match exported.outcome {
            Outcome::Exported { tree, .. } => Ok(tree),
            _ => Err(unexpected("a tree")),
        }
    }
}

fn policy(kind: Kind, devices: &[Arc<Device>]) -> Result<Policy, Failure> {
    let account = |(place, device): (usize, &Arc<Device>)| {
        let role = if place == 0 || kind == Kind::Direct { Role::Admin } else { Role::Member };
        Account { root: device.credential.root, role }
    };
    Policy::new(kind, devices.iter().enumerate().map(account).collect()).map_err(Failure::protocol)
}

/// The plaintext of the message with this generation, with the same text as a version 1 message.
fn text(generation: u32) -> Result<Bytes, Failure> {
    let n = u64::from(generation) + 1;
    let content = text_message(TEXT_BYTES, n)?;
    Ok(group_plaintext(&content, &chain(n), &Heads::new(), generation, None).to_vec().into())
}

fn post(log_path: String, body: Vec<u8>) -> Sealed {
    Sealed { inbox: 0, log_path: Some(log_path), body: body.into(), auth: None }
}

fn raw(item: Vec<u8>) -> Result<Box<RawValue>, Failure> {
    Ok(RawValue::from_string(String::from_utf8(item).map_err(Failure::protocol)?)?)
}

fn unexpected(wanted: &str) -> Failure {
    Failure::Protocol(format!("the engine returned something else than {wanted}"))
}
