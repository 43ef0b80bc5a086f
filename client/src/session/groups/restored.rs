//! A server that was restored from a backup. Its logs have lost their end, and its groups may be in an earlier epoch than
//! their members.

use std::cmp::Ordering;

use kez_core::api::{Base64Url, GroupDetails, OfferState, StaleEpochProblem, state_target};
use kez_core::mls::GroupId;
use kez_core::mls::call::Op;
use kez_core::mls::reply::{Outcome as EngineOutcome, Reply};

use crate::groups::{Position, Rereading};
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
                && group.is_of_another(database)
            {
                group.position = Position::Lost(database.to_owned());
                group.read = false;
            }
        }
    }

    /// Tells the stream from where on it follows each group. A cursor of another database means nothing: there it follows
    /// from the start.
    pub(crate) fn follow_groups(&mut self) {
        let database = self.sync.epoch.as_deref();
        let groups = self.groups.iter().filter(|(_, group)| {
            !group.is_lost() && database.is_none_or(|database| !group.is_of_another(database))
        });
        self.link.follow(groups.map(|(gid, group)| (gid, group.stored.cursor)));
    }

    /// Asks the server for the group as it knows it.
    pub(super) fn find_place(&mut self, gid: GroupId, cx: &mut Context<'_>) {
        if !cx.shared.requests.awaits(&Purpose::OfferState(gid)) {
            self.show_group(gid, cx);
        }
    }

    /// Handles the group as the server knows it: this device reads the log again, offers its state to the server, or joins
    /// anew.
    pub(super) fn on_place(&mut self, gid: GroupId, shown: &GroupDetails, cx: &mut Context<'_>) {
        let Some(group) = self.groups.get(gid) else { return };
        let (Some(state), Some(known), Some(info)) = (group.state(), &group.stored.known, &shown.info) else {
            return self.join_anew(gid, cx);
        };
        let ahead = known.epoch.cmp(&shown.summary.epoch);
        if ahead == Ordering::Less {
            // The log shows whether it leads from this device's epoch to the present one.
            return self.begin_rereading(gid, shown.summary.epoch, cx);
        }
        let op = Op::Export { state: state.clone(), beside: info.0.clone().into() };
        match (ahead, self.engine(op, cx)) {
            (Ordering::Equal, Ok(Reply { outcome: EngineOutcome::Exported { is_same: true, .. }, .. })) => {
                self.begin_rereading(gid, shown.summary.epoch, cx);
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
                self.replace_keys(gid, cx);
                self.show_group(gid, cx);
            }
            // Another member was faster.
            Some(stands) if epoch.is_some_and(|epoch| stands >= epoch) => self.show_group(gid, cx),
            Some(_) => self.join_anew(gid, cx),
            None if response.status == 400 => self.join_anew(gid, cx),
            None => self.group_waits(gid, answer, cx),
        }
    }

    /// Reads the log again from its start. What this device has processed is skipped. The rest is what it had not read
    /// before, or what other members have posted since.
    fn begin_rereading(&mut self, gid: GroupId, epoch: u64, cx: &mut Context<'_>) {
        if let Some(group) = self.groups.change(gid)
            && let Position::Lost(log) = &mut group.position
        {
            let log = std::mem::take(log);
            group.position = Position::Rereading(Rereading { log, epoch, asked: false, is_current: false });
            group.stored.cursor = 0;
        }
        self.look_at_groups(cx);
    }

    /// Has this device commit new keys for itself as soon as the group allows it.
    pub(super) fn replace_keys(&mut self, gid: GroupId, cx: &mut Context<'_>) {
        if let Some(group) = self.groups.recall(gid) {
            group.refresh.set(cx.now);
        }
    }

    /// The log was read to its end. If that ends a second reading, the cursor belongs to the present database from now on.
    pub(super) fn end_rereading(&mut self, gid: GroupId, cx: &mut Context<'_>) {
        let Some(group) = self.groups.recall(gid) else { return };
        let epoch = group.stored.known.as_ref().map_or(0, |known| known.epoch);
        let Some(again) = group.rereading().filter(|again| again.asked) else { return };
        if epoch < again.epoch {
            // A member has offered a later state, and the log does not lead there.
            return self.join_anew(gid, cx);
        }
        let log = std::mem::take(&mut again.log);
        if let Some(group) = self.groups.change(gid) {
            group.position = Position::AtCursor;
            group.stored.log = Some(log);
        }
    }
}
