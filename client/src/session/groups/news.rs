//! What is new in the logs of groups: one request for all of them. A frame of the live stream saves that request when it
//! continues exactly where the log was read to.

use std::collections::BTreeMap;

use kez_core::api::{AskForNews, InboxItem, LiveFrame, News, news_target};
use kez_core::identity::Primary;
use kez_core::mls::{GroupId, LeafId};

use super::{CLAIM_INTERVAL, PEOPLE_INTERVAL};
use crate::groups::Stage;
use crate::kernel::answer::{Answer, body, retry_after};
use crate::kernel::context::Context;
use crate::kernel::effect::Method;
use crate::kernel::requests::Purpose;
use crate::session::Session;

/// How long after an answer that knows no news the server is asked again, in milliseconds.
const UNSUPPORTED: u64 = 60 * 60 * 1000;

impl Session {
    /// Asks for news now or, if a request is in flight, once more after its answer.
    pub(crate) fn look_at_groups(&mut self, cx: &mut Context<'_>) {
        if cx.shared.requests.awaits(&Purpose::News) {
            self.group_work.look_again = true;
        } else {
            self.group_work.news_at = Some(cx.now);
        }
    }

    /// Sends the request for news if it is due.
    pub(super) fn ask_for_news(&mut self, cx: &mut Context<'_>) {
        let due = self.group_work.news_at.is_some_and(|at| at <= cx.now);
        if !due || cx.shared.requests.awaits(&Purpose::News) {
            return;
        }
        self.group_work.news_at = None;
        self.group_work.look_again = false;
        self.groups.on_asked();
        let groups: BTreeMap<GroupId, u64> =
            self.groups.iter().map(|(gid, group)| (gid, group.stored.cursor)).collect();
        let Ok(body) = serde_json::to_string(&AskForNews { inbox: self.sync.cursor, groups }) else { return };
        let request = self.me.signed(Method::Post, news_target(&self.me.handle), Some(body), cx);
        cx.request(request, Purpose::News);
    }

    /// Handles the answer with the news.
    pub(crate) fn on_news(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        let news: Option<News> = answer.as_ref().ok().and_then(|response| body(response, &[200]));
        let Some(News { epoch, frames, more }) = news else {
            let wait = match answer {
                Ok(response) if response.status == 404 => UNSUPPORTED,
                _ => self.group_work.backoff.next_after(retry_after(answer), cx.rng).max(500),
            };
            self.group_work.news_at = Some(cx.now.saturating_add(wait));
            return;
        };
        self.group_work.backoff.reset();
        self.on_database(&epoch);
        let mut stuck = Vec::new();
        for frame in frames {
            if let Ok(LiveFrame::Group { epoch, group, items, .. }) = serde_json::from_str(frame.get())
                && !self.receive_items(group, &epoch, &items, cx)
            {
                stuck.push(group);
            }
        }
        if more || self.group_work.look_again {
            self.group_work.news_at = Some(cx.now);
        }
        if more {
            return;
        }
        for gid in self.groups.ids() {
            if stuck.contains(&gid) || self.group_work.look_again {
                continue;
            }
            self.end_rereading(gid, cx);
            if let Some(group) = self.groups.recall(gid) {
                group.read |= group.is_in() && !group.is_lost();
            }
        }
    }

    /// Items have come on the live stream.
    pub(crate) fn on_group_frame(
        &mut self,
        (gid, epoch, items): (GroupId, String, Vec<InboxItem>),
        cx: &mut Context<'_>,
    ) {
        let group = self.groups.get(gid).filter(|group| group.is_in());
        let continues = group.is_some_and(|group| {
            let first = items.iter().find(|item| item.seq > group.stored.cursor);
            first.is_none_or(|first| first.seq == group.stored.cursor + 1)
        });
        if !self.groups_are_ready(cx) || !continues || !self.receive_items(gid, &epoch, &items, cx) {
            self.look_at_groups(cx);
        }
    }

    /// These devices are leaves of a group, and no chain knows them here. Their people are asked for. Returns whether the
    /// server has answered about all of them before.
    pub(super) fn ask_about_devices(
        &mut self,
        gid: GroupId,
        leaves: &[LeafId],
        cx: &mut Context<'_>,
    ) -> bool {
        let asked = self.groups.get(gid).map(|group| group.asked.clone()).unwrap_or_default();
        let new: Vec<LeafId> = leaves.iter().filter(|leaf| !asked.contains(leaf)).copied().collect();
        if new.is_empty() {
            return true;
        }
        let me = self.my_root();
        let roots: Vec<Primary> = new.iter().map(|leaf| leaf.root).filter(|root| *root != me).collect();
        if roots.len() < new.len() {
            let (chains, facts) = self.chains_with_facts();
            let length = chains.own().chain().length().saturating_add(1);
            chains.own_mut().on_length(length, facts, cx);
        }
        let unknown = &mut self.group_work.unknown;
        unknown.extend(new.iter().filter(|leaf| !unknown.contains(leaf)).copied().collect::<Vec<_>>());
        self.chains.members().ask(roots, &self.me, cx);
        false
    }

    /// Fetches the chains of all members now and then.
    pub(super) fn ask_about_members(&mut self, cx: &mut Context<'_>) {
        if self.group_work.people_at.is_none_or(|at| at > cx.now) {
            return;
        }
        self.group_work.people_at = Some(cx.now.saturating_add(PEOPLE_INTERVAL));
        let mut roots = self.invited();
        roots.extend(self.unproven_askers());
        for (_, group) in self.groups.iter().filter(|(_, group)| group.stored.stage == Stage::In) {
            let accounts = group.stored.known.iter().flat_map(|known| known.policy.accounts());
            roots.extend(accounts.map(|account| account.root));
        }
        roots.extend(self.group_work.unknown.iter().map(|leaf| leaf.root));
        let me = self.my_root();
        roots.retain(|root| *root != me);
        self.chains.members().ask(roots, &self.me, cx);
    }

    /// Handles the answer about people.
    pub(crate) fn on_people(&mut self, asked: &[Primary], answer: &Answer, cx: &mut Context<'_>) {
        let Some(news) = self.chains.members_mut().on_people(asked, answer, &self.me, cx) else {
            let wait = self.group_work.people_backoff.next_after(retry_after(answer), cx.rng).max(500);
            self.group_work.people_at = Some(cx.now.saturating_add(wait));
            return;
        };
        self.group_work.people_backoff.reset();
        if self.chains.members().has_claims() {
            let soon = cx.now.saturating_add(CLAIM_INTERVAL);
            self.group_work.people_at = Some(self.group_work.people_at.map_or(soon, |at| at.min(soon)));
        }
        for root in &news.grown {
            self.compare_with_contact(root, cx);
        }
        self.people_answered(&news.answered, cx);
        self.check_askers(&news.answered);
        self.look_at_groups_of_strangers(cx);
        self.go_on_inviting(&news.answered, cx);
    }

    /// The server has given its whole answer about these people.
    pub(crate) fn people_answered(&mut self, roots: &[Primary], cx: &mut Context<'_>) {
        let (answered, unknown) =
            self.group_work.unknown.drain(..).partition::<Vec<_>, _>(|leaf| roots.contains(&leaf.root));
        self.group_work.unknown = unknown;
        if answered.is_empty() {
            return;
        }
        for gid in self.groups.ids() {
            if let Some(group) = self.groups.recall(gid) {
                group.asked.extend(&answered);
                group.retry_at = None;
            }
        }
        self.look_at_groups(cx);
    }

    /// A member who is a contact has one chain: what the server shows in both places must agree.
    fn compare_with_contact(&mut self, root: &Primary, cx: &mut Context<'_>) {
        let Some(chain) = self.chains.members().chain(root) else { return };
        let Some(seen) = kez_core::sigchain::SeenHead::of(chain) else { return };
        let contact = self.contacts.iter().find(|(_, contact)| contact.stored.root() == *root);
        if let Some((id, _)) = contact {
            let heads = kez_core::sigchain::Heads::from([(*root, seen)]);
            let (chains, facts) = self.chains_with_facts();
            chains.contacts_mut().on_member_heads(id, &heads, facts, cx);
        }
    }
}
