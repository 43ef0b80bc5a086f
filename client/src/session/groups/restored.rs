//! A server that was restored from a backup. Its logs have lost their end, and its groups may be in an earlier epoch than
//! their members.

use std::cmp::Ordering;

use kez_core::api::{Base64Url, GroupDetails, OfferState, StaleEpochProblem, state_target};
use kez_core::mls::GroupId;
use kez_core::mls::call::Op;
use kez_core::mls::reply::{Outcome as EngineOutcome, Reply};

use crate::groups::Stage;
use crate::kernel::answer::{Answer, body};
use crate::kernel::context::Context;
use crate::kernel::effect::Method;
use crate::kernel::engine::EngineFault;
use crate::kernel::requests::Purpose;
use crate::session::Session;

impl Session {
    /// Logs belong to this database of the server. Each group whose log was in another one finds its place anew, and
    /// nothing is sent to it until then.
    pub(super) fn on_database(&mut self, database: &str) {
        for gid in self.groups.ids() {
            if let Some(group) = self.groups.recall(gid)
                && group.is_in()
                && group.stored.log.as_deref().is_some_and(|known| known != database)
            {
                group.is_misplaced = true;
                group.read = false;
            }
        }
    }

    /// Asks the server for the group as it knows it.
    pub(super) fn find_place(&mut self, gid: GroupId, cx: &mut Context<'_>) {
        if !cx.shared.requests.awaits(&Purpose::OfferState(gid)) {
            self.show_group(gid, cx);
        }
    }

    /// Handles the group as the server knows it: this device goes on from its state, offers it to the server, or joins
    /// anew.
    pub(super) fn on_place(&mut self, gid: GroupId, shown: &GroupDetails, cx: &mut Context<'_>) {
        let Some(group) = self.groups.get(gid) else { return };
        let (Some(state), Some(known), Some(info)) = (group.state(), &group.stored.known, &shown.info) else {
            return self.join_anew(gid, cx);
        };
        let ahead = known.epoch.cmp(&shown.summary.epoch);
        let op = Op::Export { state: state.clone(), beside: info.0.clone().into() };
        match (ahead, self.engine(op, cx)) {
            (Ordering::Equal, Ok(Reply { outcome: EngineOutcome::Exported { is_same: true, .. }, .. })) => {
                self.go_on_after(gid, shown.summary.head, cx);
            }
            (Ordering::Greater, Ok(Reply { outcome: EngineOutcome::Exported { info, tree, .. }, .. })) => {
                let (info, tree) = (Base64Url(info.to_vec()), Base64Url(tree.to_vec()));
                if let Ok(body) = serde_json::to_string(&OfferState { info, tree })
                    && let Some(request) =
                        self.me.signed_by_device(Method::Put, state_target(gid), Some(body), cx)
                {
                    cx.request(request, Purpose::OfferState(gid));
                }
            }
            (_, Err(EngineFault::Absent)) => {}
            _ => self.join_anew(gid, cx),
        }
    }

    /// Handles the answer to the offer.
    pub(crate) fn offer_answered(&mut self, gid: GroupId, answer: &Answer, cx: &mut Context<'_>) {
        let Ok(response) = answer else { return self.group_waits(gid, answer, cx) };
        let known = self.groups.get(gid).and_then(|group| group.stored.known.as_ref());
        let epoch = known.map(|known| known.epoch);
        match body::<StaleEpochProblem>(response, &[409]).map(|stale| stale.epoch) {
            _ if response.status == 204 => {
                // A commit ends the time in which the server takes such offers.
                if let Some(group) = self.groups.recall(gid) {
                    group.refresh.set(cx.now);
                }
                self.show_group(gid, cx);
            }
            // Another member was faster.
            Some(stands) if epoch.is_some_and(|epoch| stands >= epoch) => self.show_group(gid, cx),
            Some(_) => self.join_anew(gid, cx),
            None if response.status == 400 => self.join_anew(gid, cx),
            None => self.group_waits(gid, answer, cx),
        }
    }

    /// The server is in this device's epoch: the log goes on after its present end.
    fn go_on_after(&mut self, gid: GroupId, head: u64, cx: &mut Context<'_>) {
        if let Some(group) = self.groups.change(gid).filter(|group| group.stored.stage == Stage::In) {
            group.is_misplaced = false;
            group.stored.cursor = head;
            group.stored.log = None;
        }
        self.look_at_groups(cx);
    }
}
