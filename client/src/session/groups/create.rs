//! Creating a group, and what the user changes in one. People are named by handles: each is looked up, and their chain
//! is verified, before anything is done.

use kez_core::api::{Base64Url, CreateGroup, GROUPS_TARGET, GroupKind};
use kez_core::content::{Content, Face, MessageId, What as ContentKind};
use kez_core::handle::Handle;
use kez_core::identity::Primary;
use kez_core::mls::GroupId;
use kez_core::mls::call::Op;
use kez_core::mls::policy::{Account, Kind, Policy, Role};
use kez_core::mls::reply::{Outcome as EngineOutcome, Reply};
use kez_core::problem::ProblemCode;

use super::work::{Invitation, To};
use crate::groups::{Creating, Intent, Stage, StoredGroup, What};
use crate::kernel::answer::{Answer, Outcome, outcome};
use crate::kernel::context::Context;
use crate::kernel::effect::Method;
use crate::kernel::event::{GroupChange, TabId};
use crate::kernel::lookup::Proof;
use crate::kernel::place::{Place, Slot};
use crate::kernel::reason::Reason;
use crate::kernel::recipient::parse_recipient;
use crate::kernel::requests::Purpose;
use crate::messages::StoredLine;
use crate::session::Session;
use crate::view::NewGroup;

/// The most characters of a group's name.
const MOST_NAME: usize = 100;

impl Session {
    /// "Create group".
    pub(crate) fn group_created(
        &mut self,
        tab: &TabId,
        name: &str,
        members: &[String],
        cx: &mut Context<'_>,
    ) {
        if cx.shared.tabs.entry(tab).group_dialog.busy {
            return;
        }
        let name: String = name.trim().chars().take(MOST_NAME).collect();
        let people = members.iter().filter(|text| !text.trim().is_empty()).map(|text| self.invitee(text));
        let people: Result<Vec<Handle>, Reason> = people.collect();
        let dialog = match people {
            _ if !self.groups_are_ready(cx) => {
                NewGroup { error: Some(Reason::NotConnected), ..NewGroup::default() }
            }
            _ if name.is_empty() => NewGroup { error: Some(Reason::GroupNeedsName), ..NewGroup::default() },
            Ok(people) => {
                self.invite(To::New(tab.clone(), name), people, cx);
                NewGroup { busy: true, ..NewGroup::default() }
            }
            Err(why) => NewGroup { error: Some(why), ..NewGroup::default() },
        };
        let screen = cx.shared.tabs.entry(tab);
        if !(dialog.busy && screen.group_dialog.started.is_some()) {
            screen.group_dialog = dialog;
        }
    }

    /// A change in the dialog "Group members", or an answer to a request.
    pub(crate) fn group_changed(&mut self, gid: &str, change: GroupChange, cx: &mut Context<'_>) {
        let Some(gid) = gid.parse().ok().filter(|gid| self.is_group_of_people(*gid)) else { return };
        let Some(group) = self.groups.change(gid) else { return };
        group.stored.error = None;
        let is_admin = group.stored.is_admin(&self.chains.own().chain().root());
        let result = match change {
            GroupChange::Accept => {
                group.stored.request = false;
                Ok(())
            }
            GroupChange::Leave => {
                self.leave_group(gid, cx);
                Ok(())
            }
            _ if !is_admin => Err(Reason::NotAdmin),
            GroupChange::Add(text) => {
                self.invitee(&text).map(|handle| self.invite(To::Group(gid), vec![handle], cx))
            }
            GroupChange::Remove(text) => {
                self.member_named(gid, &text).map(|root| self.want(gid, What::Remove(root)))
            }
            GroupChange::Promote(text) => {
                self.member_named(gid, &text).map(|root| self.want(gid, What::Promote(root)))
            }
            GroupChange::Rename(name) => {
                self.rename_group(gid, &name, cx);
                Ok(())
            }
            GroupChange::Invite => {
                self.make_link(gid, cx);
                Ok(())
            }
            GroupChange::RevokeLink => {
                self.invites.change(gid).revoke();
                Ok(())
            }
            GroupChange::Approve(text) => self.approve(gid, &text),
            GroupChange::Decline(text) => self.decline(gid, &text),
        };
        if let (Err(why), Some(group)) = (result, self.groups.change(gid)) {
            group.stored.error = Some(why);
        }
    }

    pub(super) fn want(&mut self, gid: GroupId, what: What) {
        if let Some(group) = self.groups.change(gid)
            && !group.stored.intents.iter().any(|intent| intent.what == what)
        {
            group.stored.intents.push(Intent::new(what));
        }
    }

    /// The handle that a text names, of someone who can be added.
    pub(super) fn invitee(&self, text: &str) -> Result<Handle, Reason> {
        let handle = parse_recipient(text, self.me.server.as_str())?;
        let contact = self.contacts.by_handle(&handle).and_then(|id| self.contacts.get(id));
        match contact.map(|contact| &contact.stored) {
            _ if handle == self.me.handle => Err(Reason::OwnHandle),
            Some(contact) if contact.awaits_person() => Err(Reason::KeyChanged),
            Some(contact) if contact.standing.blocked => Err(Reason::Blocked),
            _ => Ok(handle),
        }
    }

    /// The member of a group with this handle.
    fn member_named(&self, gid: GroupId, text: &str) -> Result<Primary, Reason> {
        let handle = parse_recipient(text, self.me.server.as_str())?;
        let root = self.chains.members().by_handle(&handle);
        let group = self.groups.get(gid);
        let is_member = |root: &Primary| group.is_some_and(|group| group.stored.role(root).is_some());
        root.filter(is_member).ok_or(Reason::NoSuchHandle)
    }

    fn invite(&mut self, to: To, people: Vec<Handle>, cx: &mut Context<'_>) {
        for handle in &people {
            let purpose = Purpose::Invitee(handle.clone());
            if !cx.shared.requests.awaits(&purpose) {
                cx.get(format!("/v1/u/{handle}"), purpose);
            }
        }
        let people = people.into_iter().map(|handle| (handle, None)).collect();
        self.group_work.invitations.push(Invitation { to, people });
        self.go_on_inviting(&[], cx);
    }

    /// The roots of the people who are being looked up.
    pub(super) fn invited(&self) -> Vec<Primary> {
        let people = self.group_work.invitations.iter().flat_map(|invitation| &invitation.people);
        people.filter_map(|(_, root)| *root).collect()
    }

    /// Handles the answer about a handle.
    pub(crate) fn invitee_answered(&mut self, handle: &Handle, answer: &Answer, cx: &mut Context<'_>) {
        let unknown =
            || Reason::UnknownHandle { handle: handle.to_string(), server: self.me.server.to_string() };
        let contact = self.contacts.by_handle(handle).and_then(|id| self.contacts.get(id));
        let found = match Proof::of_handle(answer, &self.me.server, handle) {
            Proof::Proven(found) if contact.is_some_and(|contact| contact.stored.key != found.key) => {
                Err(Reason::KeyChanged)
            }
            Proof::Proven(found) => Ok(found.root.unwrap_or(found.key.primary())),
            Proof::NotFound => Err(unknown()),
            Proof::Replaced(_) | Proof::Unavailable => Err(Reason::Unproven(handle.to_string())),
        };
        match found {
            Err(why) => self.fail_invitations(|other| other == handle, &why, cx),
            Ok(root) => {
                for invitation in &mut self.group_work.invitations {
                    for (_, found) in invitation.people.iter_mut().filter(|(other, _)| other == handle) {
                        *found = Some(root);
                    }
                }
                // The chain may have grown since it was fetched.
                self.chains.members().ask(vec![root], &self.me, cx);
            }
        }
    }

    /// The server has answered about these people: those with a verified chain can be added now.
    pub(super) fn go_on_inviting(&mut self, answered: &[Primary], cx: &mut Context<'_>) {
        let members = self.chains.members();
        let unproven = |(handle, root): &&(Handle, Option<Primary>)| {
            root.is_some_and(|root| answered.contains(&root) && members.handle(&root) != Some(handle))
        };
        let people = self.group_work.invitations.iter().flat_map(|invitation| &invitation.people);
        let unproven: Vec<Handle> = people.filter(unproven).map(|(handle, _)| handle.clone()).collect();
        for handle in unproven {
            self.fail_invitations(|other| *other == handle, &Reason::Unproven(handle.to_string()), cx);
        }
        let members = self.chains.members();
        let is_ready = |invitation: &Invitation| {
            invitation.people.iter().all(|(handle, root)| {
                root.is_some_and(|root| {
                    let asked = |purpose: &Purpose| matches!(purpose, Purpose::People(roots) if roots.contains(&root));
                    members.handle(&root) == Some(handle) && !cx.shared.requests.any(asked)
                })
            })
        };
        let (ready, waiting) =
            std::mem::take(&mut self.group_work.invitations).into_iter().partition::<Vec<_>, _>(is_ready);
        self.group_work.invitations = waiting;
        for Invitation { to, people } in ready {
            let roots: Vec<Primary> = people.into_iter().filter_map(|(_, root)| root).collect();
            match to {
                To::Group(gid) => self.want(gid, What::Add(roots)),
                To::New(tab, name) => {
                    let made = self.create_group_of_people(name, roots, cx);
                    let screen = cx.shared.tabs.entry(&tab);
                    screen.group_dialog = match made {
                        Some(gid) => NewGroup { started: Some(gid.to_string()), ..NewGroup::default() },
                        None => NewGroup { error: Some(Reason::GroupNotChanged), ..NewGroup::default() },
                    };
                }
            }
        }
    }

    fn fail_invitations(&mut self, whom: impl Fn(&Handle) -> bool, why: &Reason, cx: &mut Context<'_>) {
        let fails = |invitation: &Invitation| invitation.people.iter().any(|(handle, _)| whom(handle));
        let (failed, rest) =
            std::mem::take(&mut self.group_work.invitations).into_iter().partition::<Vec<_>, _>(fails);
        self.group_work.invitations = rest;
        for Invitation { to, .. } in failed {
            match to {
                To::New(tab, _) => {
                    cx.shared.tabs.entry(&tab).group_dialog =
                        NewGroup { error: Some(why.clone()), ..NewGroup::default() };
                }
                To::Group(gid) => {
                    if let Some(group) = self.groups.change(gid) {
                        group.stored.error = Some(why.clone());
                    }
                }
            }
        }
    }

    fn create_group_of_people(
        &mut self,
        name: String,
        members: Vec<Primary>,
        cx: &mut Context<'_>,
    ) -> Option<GroupId> {
        let policy = self.alone(Kind::Group)?;
        let wish = Some(members)
            .filter(|members| !members.is_empty())
            .map(|members| Intent::new(What::Add(members)));
        let gid = self.create_group(policy, name, wish, cx)?;
        let by = self.my_root();
        self.add_line(gid, StoredLine::Created { by }, cx.wall() / 1000, cx);
        Some(gid)
    }

    /// A policy with this account alone.
    pub(in crate::session) fn alone(&self, kind: Kind) -> Option<Policy> {
        Policy::new(kind, vec![Account { root: self.my_root(), role: Role::Admin }]).ok()
    }

    /// Creates a group with this device alone. What is wished is done once the server has it.
    pub(in crate::session) fn create_group(
        &mut self,
        policy: Policy,
        name: String,
        wish: Option<Intent>,
        cx: &mut Context<'_>,
    ) -> Option<GroupId> {
        let gid = GroupId::random(&mut &mut *cx.rng);
        let Reply { group, outcome } = self.engine(Op::Create { gid, policy }, cx).ok()?;
        let EngineOutcome::Created { info, tree } = outcome else { return None };
        let mut stored = StoredGroup::new(gid, Stage::Creating, cx.wall() / 1000);
        stored.creating = Some(Creating { info, tree, name });
        stored.intents.extend(wish);
        self.add_group(stored, cx);
        self.groups.change(gid)?.take(group?);
        Some(gid)
    }

    /// A group and its conversation begin here.
    pub(in crate::session) fn add_group(&mut self, stored: StoredGroup, cx: &mut Context<'_>) {
        let (slot, gid) = (Slot(self.sync.last_contact + 1), stored.gid);
        self.sync.last_contact = slot.0;
        cx.save(self.sync.record());
        self.groups.add(slot, stored);
        self.conversations.insert(Place::Group(gid), self.new_conversation(slot));
    }

    /// Posts a group that the server does not have yet.
    pub(super) fn post_group(&mut self, gid: GroupId, cx: &mut Context<'_>) {
        let purpose = Purpose::CreateGroup(gid);
        let Some(group) = self.groups.get(gid).filter(|_| !cx.shared.requests.awaits(&purpose)) else {
            return;
        };
        let Some(creating) = &group.stored.creating else { return };
        let kind = match group.stored.kind() {
            Some(Kind::Direct) => GroupKind::Direct,
            Some(Kind::Own) => GroupKind::Own,
            Some(Kind::Group) | None => GroupKind::Group,
        };
        let (info, tree) = (Base64Url(creating.info.to_vec()), Base64Url(creating.tree.to_vec()));
        let Ok(body) = serde_json::to_string(&CreateGroup { gid, kind, info, tree }) else {
            return;
        };
        if let Some(request) =
            self.me.signed_by_device(Method::Post, GROUPS_TARGET.to_owned(), Some(body), cx)
        {
            cx.request(request, purpose);
        }
    }

    /// Handles the answer to that.
    pub(crate) fn group_posted(&mut self, gid: GroupId, answer: &Answer, cx: &mut Context<'_>) {
        let stands = |status: u16| matches!(status, 200 | 201).then_some(());
        match outcome(answer, |response| stands(response.status)) {
            Outcome::Done(()) => {
                let Some(group) = self.groups.change(gid) else { return };
                group.stored.stage = Stage::In;
                // It is new, so it has no items of other members.
                group.read = true;
                group.backoff.reset();
                let name = group.stored.creating.take().map(|creating| creating.name);
                if group.person.is_some() {
                    return self.say_upgraded(self.groups.place(gid), cx);
                }
                // Only groups of people have a name.
                let name = name.filter(|name| !name.is_empty());
                let has_members = !group.stored.intents.is_empty();
                let face = name.map(|name| Face { name, about: None, expires: None });
                if let Some(face) = face {
                    group.stored.face = Some(face.clone().into());
                    if !has_members {
                        self.say_face(gid, face, cx);
                    }
                }
            }
            Outcome::Refused(problem) if problem.code == ProblemCode::Unauthorized => {
                self.check_own_chain(cx);
                self.group_waits(gid, answer, cx);
            }
            Outcome::Refused(problem)
                if problem.code == ProblemCode::GroupExists && self.is_own_group(gid) =>
            {
                self.own_group_exists(gid, answer, cx);
            }
            Outcome::Refused(problem)
                if problem.code == ProblemCode::GroupExists && self.follow_existing(gid, answer, cx) => {}
            Outcome::Refused(problem) if self.groups.place(gid).person().is_some() => {
                self.could_not_begin(gid, &Reason::server(&problem.detail), cx);
            }
            Outcome::Refused(problem) => self.break_group(gid, Reason::server(&problem.detail), cx),
            Outcome::Unknown => self.group_waits(gid, answer, cx),
        }
    }

    fn rename_group(&mut self, gid: GroupId, name: &str, cx: &mut Context<'_>) {
        let name: String = name.trim().chars().take(MOST_NAME).collect();
        let face = self.groups.get(gid).and_then(|group| group.stored.face.clone());
        if name.is_empty() || face.as_ref().is_some_and(|face| face.name == name) {
            return;
        }
        let face = face.map_or_else(|| Face { name: String::new(), about: None, expires: None }, Face::from);
        self.say_face(gid, Face { name, ..face }, cx);
    }

    /// Tells new members what the group is called.
    pub(super) fn tell_face(&mut self, gid: GroupId, cx: &mut Context<'_>) {
        let face = self.groups.get(gid).and_then(|group| group.stored.face.clone());
        if let Some(face) = face {
            self.say_face(gid, face.into(), cx);
        }
    }

    fn say_face(&mut self, gid: GroupId, face: Face, cx: &mut Context<'_>) {
        let id = MessageId::ulid(cx.wall(), &mut &mut *cx.rng);
        let content = Content { id, sent_at: Some(cx.timestamp()), what: ContentKind::Face(face) };
        self.say(Place::Group(gid), &content, cx);
    }
}
