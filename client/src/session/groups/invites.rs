//! Joining groups by links. An admin hands out a link, a person who opens it asks to join, and an admin approves or
//! declines.
//!
//! A link names the code of an invitation, which the server knows by its hash, and the group: what the asker signs names
//! the group too, so no server can pass a request to another one.

use kez_core::api::{AskToJoin, ItemStored, PutInvite, REQUESTS_TARGET, invite_target};
use kez_core::group_item::GroupItem;
use kez_core::group_statements::GroupRequest;
use kez_core::handle::Handle;
use kez_core::identity::Primary;
use kez_core::invite::{InviteCode, InviteHash};
use kez_core::mls::GroupId;
use kez_core::mls::policy::Role;
use kez_core::problem::ProblemCode;
use kez_core::signed::Signed;
use kez_core::time::Timestamp;
use serde_json::value::RawValue;

use crate::groups::{AskState, Stage, StoredAsk, StoredAsking, StoredLink, What};
use crate::kernel::answer::{Answer, Outcome, body, no_content, outcome, retry_after};
use crate::kernel::context::Context;
use crate::kernel::effect::Method;
use crate::kernel::reason::Reason;
use crate::kernel::recipient::parse_recipient;
use crate::kernel::requests::Purpose;
use crate::session::Session;

const DAY: u64 = 24 * 60 * 60;
/// How long a link is valid, in seconds.
const LIFETIME: u64 = 7 * DAY;
/// How many people can ask with one link.
const USES: u64 = 50;

impl Session {
    /// "Invite link": makes a link, unless there is one that stays valid for another day.
    pub(super) fn make_link(&mut self, gid: GroupId, cx: &mut Context<'_>) {
        let now = cx.timestamp().unix();
        let lasts = |link: &StoredLink| link.expires_at > now + DAY;
        let invites = self.invites.change(gid);
        if !invites.link.as_ref().is_some_and(lasts) {
            let code = InviteCode::random(&mut &mut *cx.rng).to_string();
            invites.link = Some(StoredLink { code, expires_at: now + LIFETIME, live: false });
        }
    }

    /// "Ask to join" on the page of a link: the part of the link after `#`.
    pub(crate) fn ask_to_join(&mut self, link: &str, cx: &mut Context<'_>) {
        let Some((code, gid)) = parse_link(link) else { return cx.warn(Reason::BadLink) };
        let is_member = self.groups.get(gid).is_some_and(|group| group.stored.stage == Stage::In);
        let asked = self.invites.get(gid).and_then(|invites| invites.asked.as_ref());
        let is_open = asked
            .is_some_and(|ask| ask.code == code.to_string() && !matches!(ask.state, AskState::Refused(_)));
        if is_member || is_open {
            return;
        }
        let (root, now) = (self.my_root(), cx.timestamp());
        let Some(device) = self.me.device.as_ref() else { return cx.warn(Reason::NotConnected) };
        let Ok(request) = GroupRequest::sign(device.key(), root, gid, code.hash().into(), now) else {
            return;
        };
        let item = String::from_utf8(GroupItem::request(&request)).unwrap_or_default();
        let ask = StoredAsk { code: code.to_string(), item, state: AskState::Sending };
        self.invites.change(gid).asked = Some(ask);
    }

    /// Sends what the server does not know yet: new links, revoked ones, and the user's own requests.
    pub(super) fn advance_invites(&mut self, cx: &mut Context<'_>) {
        for gid in self.invites.due(cx.now) {
            let Some(invites) = self.invites.get(gid) else { continue };
            let mut requests = Vec::new();
            for hash in &invites.revoked {
                let target = invite_target(gid, *hash);
                requests.push((Method::Delete, target, None, Purpose::RevokeInvite(gid, (*hash).into())));
            }
            if let Some(link) = invites.link.as_ref().filter(|link| !link.live)
                && let Ok(code) = link.code.parse::<InviteCode>()
            {
                let put = PutInvite { expires_at: Timestamp::from_unix(link.expires_at), uses: USES };
                let target = invite_target(gid, code.hash().into());
                let body = serde_json::to_string(&put).ok();
                requests.push((Method::Put, target, body, Purpose::PutInvite(gid, code.hash())));
            }
            if let Some(ask) = invites.asked.as_ref().filter(|ask| ask.state == AskState::Sending)
                && let Ok(item) = RawValue::from_string(ask.item.clone())
            {
                let body = serde_json::to_string(&AskToJoin { code: ask.code.clone(), item }).ok();
                requests.push((Method::Post, REQUESTS_TARGET.to_owned(), body, Purpose::AskToJoin(gid)));
            }
            for (method, target, body, purpose) in requests {
                if !cx.shared.requests.awaits(&purpose)
                    && let Some(request) = self.me.signed_by_device(method, target, body, cx)
                {
                    cx.request(request, purpose);
                }
            }
        }
    }

    /// Handles the answer to a new link.
    pub(crate) fn invite_stored(
        &mut self,
        gid: GroupId,
        hash: InviteHash,
        answer: &Answer,
        cx: &mut Context<'_>,
    ) {
        let outcome = outcome(answer, no_content);
        if self.waits_for(gid, &outcome, answer, cx) {
            return;
        }
        let is_this =
            |link: &mut StoredLink| link.code.parse::<InviteCode>().is_ok_and(|code| code.hash() == hash);
        let invites = self.invites.change(gid);
        let Some(mut link) = invites.link.take_if(is_this) else { return };
        match outcome {
            Outcome::Refused(problem) => {
                if let Some(group) = self.groups.change(gid) {
                    group.stored.error = Some(Reason::server(&problem.detail));
                }
            }
            Outcome::Done(()) | Outcome::Unknown => {
                link.live = true;
                invites.link = Some(link);
            }
        }
    }

    /// Handles the answer to a revoked link. A server that refuses it does so because the user is no admin any more.
    pub(crate) fn invite_revoked(
        &mut self,
        gid: GroupId,
        hash: InviteHash,
        answer: &Answer,
        cx: &mut Context<'_>,
    ) {
        let outcome = outcome(answer, no_content);
        if !self.waits_for(gid, &outcome, answer, cx) {
            self.invites.change(gid).forget_revoked(hash);
        }
    }

    /// Handles the answer to the user's own request.
    pub(crate) fn ask_answered(&mut self, gid: GroupId, answer: &Answer, cx: &mut Context<'_>) {
        let outcome = outcome(answer, |response| body::<ItemStored>(response, &[200, 201]));
        if self.waits_for(gid, &outcome, answer, cx) {
            return;
        }
        let invites = self.invites.change(gid);
        let Some(ask) = invites.asked.as_mut() else { return };
        match outcome {
            Outcome::Refused(problem) if problem.code == ProblemCode::NotAuthorised => {
                // The user is a member already.
                self.look_at_groups(cx);
            }
            Outcome::Refused(problem) if problem.code == ProblemCode::InviteRefused => {
                ask.state = AskState::Refused(Reason::LinkRefused);
            }
            Outcome::Refused(problem) => ask.state = AskState::Refused(Reason::server(&problem.detail)),
            Outcome::Done(_) | Outcome::Unknown => ask.state = AskState::Waiting,
        }
    }

    /// Whether a request is to be sent again later: there was no answer, or the server does not accept this device.
    fn waits_for<T>(
        &mut self,
        gid: GroupId,
        outcome: &Outcome<T>,
        answer: &Answer,
        cx: &mut Context<'_>,
    ) -> bool {
        match outcome {
            Outcome::Refused(problem) if problem.code == ProblemCode::Unauthorized => {
                self.check_own_chain(cx);
            }
            Outcome::Unknown => {}
            Outcome::Done(_) | Outcome::Refused(_) => {
                self.invites.answered(gid);
                return false;
            }
        }
        self.invites.wait(gid, retry_after(answer), cx);
        true
    }

    /// A request to join stands in the log.
    pub(super) fn met_request(&mut self, gid: GroupId, request: &Signed<GroupRequest>, cx: &mut Context<'_>) {
        let root = request.payload().root();
        let group = self.groups.get(gid);
        let is_member = group.is_some_and(|group| group.accounts.iter().any(|(other, _)| *other == root));
        let is_blocked = self
            .contacts
            .iter()
            .any(|(_, contact)| contact.stored.root() == root && contact.stored.standing.blocked);
        let Some(statement) = request.to_json().ok().filter(|_| !is_member && !is_blocked) else { return };
        let verified = self.is_signed(request, &root);
        self.invites.change(gid).add_asking(StoredAsking { root, statement, verified });
        if !verified {
            self.chains.members().ask(vec![root], &self.me, cx);
        }
    }

    /// The people whose requests no chain has proven yet.
    pub(super) fn unproven_askers(&self) -> impl Iterator<Item = Primary> {
        let all = self.invites.iter().flat_map(|(_, invites)| &invites.asking);
        all.filter(|asking| !asking.verified).map(|asking| asking.root)
    }

    /// The server has answered about these people: their requests are proven now, or never.
    pub(super) fn check_askers(&mut self, answered: &[Primary]) {
        let is_open = |asking: &&StoredAsking| !asking.verified && answered.contains(&asking.root);
        let open: Vec<(GroupId, StoredAsking)> = self
            .invites
            .iter()
            .flat_map(|(gid, invites)| {
                invites.asking.iter().filter(is_open).map(move |one| (gid, one.clone()))
            })
            .collect();
        for (gid, asking) in open {
            let signed = Signed::<GroupRequest>::parse(asking.statement.as_bytes());
            let is_proven = signed.is_ok_and(|signed| self.is_signed(&signed, &asking.root));
            let invites = self.invites.change(gid);
            invites.asking.retain_mut(|one| {
                one.verified |= is_proven && one.root == asking.root;
                one.verified || one.root != asking.root
            });
        }
    }

    /// Whether the user has asked to join a group.
    pub(super) fn has_asked(&self, gid: GroupId) -> bool {
        self.invites.get(gid).is_some_and(|invites| invites.asked.is_some())
    }

    /// The user belongs to a group.
    pub(super) fn forget_own_request(&mut self, gid: GroupId) {
        if self.has_asked(gid) {
            self.invites.change(gid).asked = None;
        }
    }

    /// These accounts belong to a group now. If the user does not, its link and its requests are of no use.
    pub(super) fn settle_requests(&mut self, gid: GroupId, accounts: &[(Primary, Role)]) {
        let is_member = |root: &Primary| accounts.iter().any(|(other, _)| other == root);
        let is_out = !is_member(&self.my_root());
        let Some(invites) = self.invites.get(gid) else { return };
        if is_out || invites.asking.iter().any(|asking| is_member(&asking.root)) {
            let invites = self.invites.change(gid);
            invites.asking.retain(|asking| !is_out && !is_member(&asking.root));
            invites.link.take_if(|_| is_out);
        }
    }

    /// "Decline": only here. Other admins can still approve.
    pub(super) fn decline(&mut self, gid: GroupId, text: &str) -> Result<(), Reason> {
        let (root, _) = self.asker_named(gid, text)?;
        self.invites.change(gid).asking.retain(|asking| asking.root != root);
        Ok(())
    }

    /// "Approve": the person is added like any other.
    pub(super) fn approve(&mut self, gid: GroupId, text: &str) -> Result<(), Reason> {
        let (root, handle) = self.asker_named(gid, text)?;
        self.invitee(handle.as_str())?;
        let contact = self.contacts.by_handle(&handle).and_then(|id| self.contacts.get(id));
        if contact.is_some_and(|contact| contact.stored.root() != root) {
            return Err(Reason::KeyChanged);
        }
        self.want(gid, What::Add(vec![root]));
        Ok(())
    }

    /// The person with this handle who asks to join a group.
    fn asker_named(&self, gid: GroupId, text: &str) -> Result<(Primary, Handle), Reason> {
        let handle = parse_recipient(text, self.me.server.as_str())?;
        let asking = self.invites.get(gid).map(|invites| invites.asking.as_slice()).unwrap_or_default();
        let members = self.chains.members();
        let found = asking.iter().filter(|one| one.verified).map(|one| one.root);
        let root = found.into_iter().find(|root| members.handle(root) == Some(&handle));
        root.map(|root| (root, handle)).ok_or(Reason::NoSuchHandle)
    }
}

/// The code and the group of a link: `K7QXM-2R9VD-WT4HB-N8ZPC.<32 hexadecimal digits>`.
fn parse_link(link: &str) -> Option<(InviteCode, GroupId)> {
    let (code, gid) = link.split_once('.')?;
    Some((code.parse().ok()?, gid.parse().ok()?))
}
