//! What the screens show of groups.

use kez_core::identity::Primary;
use kez_core::mls::GroupId;
use kez_core::mls::policy::Role;

use super::thread::{ThreadState, ThreadView, rows_of};
use super::{
    AskedRow, AskingRow, ConversationRow, GroupLine, GroupRow, GroupStage, GroupView, MemberRow, PersonAlarm,
    Preview,
};
use crate::groups::{AskState, Group, GroupInvites, Stage};
use crate::kernel::context::Shared;
use crate::kernel::place::{PersonId, Place};
use crate::kernel::requests::Purpose;
use crate::kernel::tabs::Tab;
use crate::messages::{Conversation, StoredLine, one_line};
use crate::session::Session;

/// How a group is shown whose name is not known yet.
const UNNAMED: &str = "…";

/// The handle of a person by the root of their chain; `None` for the user.
pub(super) fn handle_of(session: &Session, root: &Primary) -> Option<String> {
    if *root == session.my_root() {
        return None;
    }
    let contact = session.contacts.iter().find(|(_, contact)| contact.stored.root() == *root);
    let contact = contact.map(|(_, contact)| &contact.stored.handle);
    let handle = session.chains.members().handle(root).or(contact);
    // The look-up is under way.
    Some(handle.map_or_else(|| root.hex().chars().take(8).collect(), ToString::to_string))
}

/// An event of a group.
pub(super) fn line(session: &Session, line: &StoredLine) -> GroupLine {
    let name = |root: &Primary| handle_of(session, root);
    match line {
        StoredLine::Created { by } => GroupLine::Created { by: name(by) },
        StoredLine::Added { by, who } => GroupLine::Added { by: name(by), who: name(who) },
        StoredLine::Removed { by, who } => GroupLine::Removed { by: name(by), who: name(who) },
        StoredLine::Left { who } => GroupLine::Left { who: name(who) },
        StoredLine::Renamed { by, name: new } => GroupLine::Renamed { by: name(by), name: new.clone() },
        StoredLine::Role { by, who, admin } => {
            GroupLine::Role { by: name(by), who: name(who), admin: *admin }
        }
        StoredLine::Device { who } => GroupLine::Device { who: name(who) },
        StoredLine::Rejoined => GroupLine::Rejoined,
        StoredLine::Upgraded => GroupLine::Upgraded,
    }
}

/// The name that is shown.
fn name(group: &Group) -> String {
    let name = kez_core::display::limit_marks(group.stored.name());
    if name.trim().is_empty() { UNNAMED.to_owned() } else { name }
}

/// The row of the list.
pub(super) fn row(
    session: &Session,
    (gid, group): (GroupId, &Group),
    conversation: &Conversation,
    preview: Preview,
) -> ConversationRow {
    let request = group.stored.request;
    let draft = conversation.draft.as_str();
    let added_by = group.stored.added_by.filter(|_| request);
    ConversationRow {
        handle: format!("g/{gid}"),
        primary: String::new(),
        group: Some(GroupRow {
            name: name(group),
            added_by: added_by.and_then(|by| handle_of(session, &by)),
            inside: group.stored.stage == Stage::In,
        }),
        preview: if draft.trim().is_empty() { preview } else { Preview::Draft(one_line(draft)) },
        at: conversation.last().map(|last| last.at),
        unread: if request { 0 } else { conversation.unread() },
        request,
        verified: false,
    }
}

/// The groups that the user has asked to join.
pub(crate) fn asked(session: &Session) -> Vec<AskedRow> {
    let row = |(gid, invites): (GroupId, &GroupInvites)| {
        let ask = invites.asked.as_ref()?;
        let refused = match &ask.state {
            AskState::Refused(why) => Some(why.clone()),
            AskState::Sending | AskState::Waiting => None,
        };
        let sent = ask.state == AskState::Waiting;
        Some(AskedRow { link: link_text(&ask.code, gid), sent, refused })
    };
    session.invites.iter().filter_map(row).collect()
}

/// What follows `/g#` in a link to a group.
fn link_text(code: &str, gid: GroupId) -> String {
    format!("{code}.{gid}")
}

/// The thread of a group.
pub(super) fn thread(session: &Session, tab: &Tab, shared: &Shared, gid: GroupId) -> Option<ThreadView> {
    let at = tab.at.as_ref()?;
    let group = session.groups.get(gid)?;
    let place = Place::Group(gid);
    let conversation = session.conversations.get(&place)?;
    let extent = tab.window.extent(conversation);
    Some(ThreadView {
        handle: at.clone(),
        group: Some(view(session, gid, group, shared)),
        state: ThreadState::Ready,
        messages: rows_of(session, shared, tab, place, conversation),
        has_older: extent.older > 0,
        has_newer: extent.newer > 0,
        total: conversation.len() as u64,
        jump: tab.jump.map(|(order, number)| (conversation.row_id(order), number)),
        first_unread: tab.first_unread.clone(),
        draft: conversation.draft.clone(),
        draft_version: tab.draft_version,
        primary: None,
        safety_number: None,
        verified: false,
        key_changed: false,
        key_change_proven: false,
        chain_alarm: alarm(session, group),
        request: group.stored.request,
        block: super::Block::default(),
        stopped: None,
        refused: tab.refused.clone(),
    })
}

/// The first alarm about the key history of another member.
fn alarm(session: &Session, group: &Group) -> Option<PersonAlarm> {
    let (members, contacts) = (session.chains.members(), session.chains.contacts());
    let about = |root: &Primary| members.alarm(root).or_else(|| contacts.alarm(PersonId(*root)));
    let accounts = group.stored.known.as_ref().filter(|_| group.is_in())?.policy.accounts();
    let others = accounts.iter().map(|account| account.root).filter(|root| *root != session.my_root());
    others
        .filter_map(|root| about(&root).zip(members.handle(&root)))
        .next()
        .map(|(alarm, handle)| PersonAlarm { handle: handle.to_string(), alarm })
}

fn view(session: &Session, gid: GroupId, group: &Group, shared: &Shared) -> GroupView {
    let (stored, me) = (&group.stored, session.my_root());
    let known = stored.known.as_ref();
    let stage = match &stored.stage {
        Stage::Creating | Stage::Joining => GroupStage::Joining,
        Stage::In => GroupStage::In,
        Stage::Left => GroupStage::Left,
        Stage::Removed => GroupStage::Removed,
        Stage::Broken(why) => GroupStage::Broken(why.clone()),
    };
    let devices = |root: &Primary| {
        known.map_or(0, |known| known.leaves.iter().filter(|leaf| leaf.root == *root).count() as u64)
    };
    let accounts = known.map(|known| known.policy.accounts()).unwrap_or_default();
    let verified = |root: &Primary| {
        session.contacts.iter().any(|(_, contact)| contact.stored.root() == *root && contact.stored.verified)
    };
    let mut members: Vec<MemberRow> = accounts
        .iter()
        .map(|account| MemberRow {
            handle: handle_of(session, &account.root).unwrap_or_else(|| session.me.handle.to_string()),
            me: account.root == me,
            admin: account.role == Role::Admin,
            verified: verified(&account.root),
            devices: devices(&account.root),
        })
        .collect();
    members.sort_by(|a, b| a.handle.cmp(&b.handle));
    let admin = stored.is_admin(&me);
    let invites = session.invites.get(gid).filter(|_| admin && stored.stage == Stage::In);
    let asking = invites.map(|invites| invites.asking.as_slice()).unwrap_or_default();
    let is_open = [Purpose::Commit(gid), Purpose::Claim(gid), Purpose::CreateGroup(gid)];
    GroupView {
        gid: gid.to_string(),
        name: name(group),
        stage,
        admin,
        incomplete: members.iter().any(|member| member.devices == 0),
        members,
        number: known.map(crate::groups::Known::number),
        busy: stored.commit.is_some()
            || !stored.intents.is_empty()
            || stored.leaving.is_some()
            || is_open.iter().any(|purpose| shared.requests.awaits(purpose)),
        error: stored.error.clone(),
        link: invites
            .and_then(|invites| invites.link.as_ref())
            .filter(|link| link.live)
            .map(|link| link_text(&link.code, gid)),
        asking: asking
            .iter()
            .filter(|one| one.verified && stored.role(&one.root).is_none())
            .filter_map(|one| {
                Some(AskingRow { handle: handle_of(session, &one.root)?, verified: verified(&one.root) })
            })
            .collect(),
    }
}
