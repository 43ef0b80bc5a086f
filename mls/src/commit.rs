//! Making a commit.

use kez_core::mls::call::May;
use kez_core::mls::policy::Policy;
use kez_core::mls::reply::{Outcome, Reply, Stop, Why};
use kez_core::mls::{Bytes, LeafId};
use mls_rs::MlsMessage;

use crate::devices;
use crate::engine::{Engine, Halt, MlsGroup, bytes};
use crate::rules;

impl Engine {
    /// Makes a commit that is pending in the new state. A commit that was pending is dropped.
    pub(crate) fn commit(
        &self,
        state: &[u8],
        add: &[Bytes],
        remove: &[LeafId],
        policy: Option<&Policy>,
        may: &May,
    ) -> Result<Reply, Halt> {
        let (mut group, states) = self.load(state)?;
        group.clear_pending_commit();
        self.context.may().clone_from(may);
        let leaving = remove.iter().map(|leaf| index_of(&group, leaf)).collect::<Option<Vec<_>>>();
        let leaving = leaving.ok_or(Stop::Refused { why: Why::Invalid, by: None })?;

        let mut builder = group.commit_builder().commit_time(self.time());
        for package in add {
            let package = self.settle(MlsMessage::from_bytes(package))?;
            builder = self.settle(builder.add_member(package))?;
        }
        for index in leaving {
            builder = self.settle(builder.remove_member(index))?;
        }
        if let Some(policy) = policy {
            builder = self.settle(builder.set_group_context_ext(rules::extensions_of(policy)))?;
        }
        let output = self.settle(builder.build())?;

        let info = output.external_commit_group_info.as_ref().ok_or(kez_core::mls::reply::Fault::Engine)?;
        let welcome = output.welcome_messages.first().map(bytes).transpose()?;
        let outcome = Outcome::Committed { mls: bytes(&output.commit_message)?, info: bytes(info)?, welcome };
        Ok(Reply { group: Some(self.keep(&mut group, &states)?), outcome })
    }
}

fn index_of(group: &MlsGroup, leaf: &LeafId) -> Option<u32> {
    let mut members = group.roster().members_iter();
    members
        .find(|member| devices::leaf(member.signing_identity()) == Some(*leaf))
        .map(|member| member.index())
}
