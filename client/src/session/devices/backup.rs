//! "Keep history for my recovery words": messages that came over MLS are sealed again, to the account's own key, so that a
//! browser that is restored from the words finds them in the inbox. One browser does it, about once a minute; another
//! one keeps only what the first one has not.

use kez_core::content::{
    Archive, Change, Chat, Content, MAX_PART_BYTES, MOST_ARCHIVED, MessageId, Past, Sync, What,
};
use kez_core::identity::Primary;
use serde_json::value::RawValue;

use crate::groups::{Stage, StoredFace, StoredGroup};
use crate::kernel::context::Context;
use crate::kernel::place::{Key, Lane, PageKey, Place};
use crate::messages::{FormerKey, StoredMessage, page_of};
use crate::session::Session;

const DAY: u64 = 24 * 60 * 60;
/// How long, in seconds, a message that was sent over MLS may have waited before its conversation moved to MLS here.
const LONGEST_WAIT: u64 = 30 * DAY;

/// What to keep now.
enum Next {
    /// These messages.
    Messages(Vec<Past>),
    /// Load this page first.
    Load(PageKey),
    /// The rest of this conversation has none.
    Nothing,
}

impl Session {
    /// The checkbox "Keep history for my recovery words".
    pub(in crate::session) fn keep_history(&mut self, on: bool, cx: &mut Context<'_>) {
        if self.devices.backup_mut().keep_history(on) && !self.other_devices().is_empty() {
            self.say_to_devices(What::Sync(Sync { changes: vec![Change::KeepHistory { on }] }), cx);
        }
    }

    /// Keeps the next messages, if it is time. The envelope before them has to be at the server.
    pub(in crate::session) fn advance_backup(&mut self, cx: &mut Context<'_>) {
        if self.devices.backup().keeps_history() != Some(true) || self.me.key.secret().is_none() {
            return self.devices.backup_mut().end_keeping();
        }
        let Some(own) = self.own_group().map(Place::Group) else {
            return self.devices.backup_mut().end_keeping();
        };
        if self.outbox.keys_of(own).iter().any(|key| key.lane == Lane::Own) {
            return;
        }
        while let Some((place, order)) = self.first_not_kept() {
            let rank = self.rank_among_devices();
            if !self.devices.backup_mut().is_time_to_keep(rank, cx.now) {
                return;
            }
            match self.take_not_kept(place, order) {
                Next::Load(page) => return self.paging.want(page),
                Next::Messages(messages) => return self.keep(place, messages, own, cx),
                Next::Nothing => {}
            }
        }
        self.devices.backup_mut().end_keeping();
    }

    /// How many of the user's live devices come before this one.
    fn rank_among_devices(&self) -> u64 {
        let here = self.this_device();
        self.other_devices().into_iter().filter(|other| Some(*other) < here).count() as u64
    }

    /// The first row that was not kept, in the first conversation that has one.
    fn first_not_kept(&self) -> Option<(Place, u64)> {
        self.conversations.iter().find_map(|(place, conversation)| {
            let first = conversation.count_before(self.devices.backup().kept_up_to(conversation.slot()));
            let order = conversation.order_at(first)?;
            self.is_kept(*place).then_some((*place, order))
        })
    }

    /// Whether a conversation is one of those that are kept: a group, or a chat of two over MLS, that the user has accepted.
    fn is_kept(&self, place: Place) -> bool {
        match place {
            Place::Group(gid) => {
                let is_request = self.groups.get(gid).is_none_or(|group| group.stored.request);
                self.is_group_of_people(gid) && !is_request
            }
            Place::Direct(person) => self.contacts.get(person).is_some_and(|contact| {
                let standing = &contact.stored.standing;
                contact.stored.mls.since.is_some() && !standing.request && !standing.blocked
            }),
        }
    }

    /// Takes messages from this row on, as many as one page and one envelope have.
    fn take_not_kept(&mut self, place: Place, first: u64) -> Next {
        let page = (place, page_of(first));
        if self.lacks(&page) {
            return Next::Load(page);
        }
        let (mut messages, mut size, mut end) = (Vec::new(), 0, first);
        let mut next = Some(first);
        while let Some(order) = next.filter(|order| page_of(*order) == page.1) {
            if let Some(past) = self.not_kept(place, order) {
                size += past.size();
                if messages.len() >= MOST_ARCHIVED || (size > MAX_PART_BYTES && !messages.is_empty()) {
                    break;
                }
                messages.push(past);
            }
            end = order + 1;
            let conversation = self.conversations.get(&place);
            next = conversation.and_then(|talk| talk.order_at(talk.count_before(end)));
        }
        if let Some(slot) = self.conversations.get(&place).map(|conversation| conversation.slot()) {
            self.devices.backup_mut().set_kept(slot, end);
        }
        if messages.is_empty() { Next::Nothing } else { Next::Messages(messages) }
    }

    /// The message to keep of a row: one that the server has, and that is not in an envelope of the inbox anyway.
    fn not_kept(&self, place: Place, order: u64) -> Option<Past> {
        let past = self.past(place, order).filter(|_| self.outbox.entry(place, order).is_none())?;
        let Place::Direct(person) = place else { return Some(past) };
        let since = self.contacts.get(person)?.stored.mls.since?;
        // A message that was sent over MLS may be older than the move: the user wrote it before, or was away when it came.
        (past.kept_at.unix() >= since.saturating_sub(LONGEST_WAIT)).then_some(past)
    }

    /// A message of the user's has reached a log. It may have been passed over while it waited.
    pub(in crate::session) fn keep_from(&mut self, place: Place, order: u64) {
        if let Some(slot) = self.conversations.get(&place).map(|conversation| conversation.slot()) {
            self.devices.backup_mut().keep_from(slot, order);
        }
    }

    /// Queues messages for the account's own inbox.
    fn keep(&mut self, place: Place, messages: Vec<Past>, own: Place, cx: &mut Context<'_>) {
        let contact = place.person().and_then(|person| self.contacts.get(person));
        let registration =
            contact.and_then(|contact| RawValue::from_string(contact.stored.registration.clone()).ok());
        let name = match place {
            Place::Group(gid) => self.groups.get(gid).map(|group| group.stored.name().to_owned()),
            Place::Direct(_) => None,
        };
        let what =
            What::Archive(Archive { messages, registration, name: name.filter(|name| !name.is_empty()) });
        let id = MessageId::ulid(cx.wall(), &mut &mut *cx.rng);
        let content = Content { id, sent_at: Some(cx.timestamp()), what };
        let Some(conversation) = self.conversations.get_mut(&own) else { return };
        let key = Key { lane: Lane::Own, place: own, order: conversation.take_order() };
        self.outbox.add(key, conversation.slot(), &content, cx);
        self.send_queued(cx);
    }

    /// Kept messages have come. A browser that was restored after they were kept shows them, with a mark if they were sealed
    /// with a former key. Others have got them from the log: they take no one's word for what was said, and only learn
    /// what they need not keep.
    pub(in crate::session) fn met_archive(
        &mut self,
        archive: Archive,
        kept_at: u64,
        former_key: Option<FormerKey>,
        cx: &mut Context<'_>,
    ) {
        let Archive { messages, registration, name } = archive;
        let Some(chat) = messages.first().map(|past| past.chat) else { return };
        let is_restored = kept_at <= self.sync.read_before;
        if is_restored {
            self.expect_kept(chat, registration.as_deref(), name, cx);
        }
        let Some(place) = self.place_of(chat) else { return };
        let messages: Vec<Past> = messages.into_iter().filter(|past| past.chat == chat).collect();
        let names: Vec<(Primary, MessageId)> =
            messages.iter().map(|past| (past.from, past.id.clone())).collect();
        if is_restored {
            for past in messages {
                self.take_kept(place, StoredMessage { former_key, ..self.row_of(past) }, cx);
            }
        }
        self.skip_kept(place, &names);
    }

    /// The page to which kept messages would be added, if it has to be loaded first.
    pub(in crate::session) fn page_lacking_for_archive(&self, archive: &Archive) -> Option<PageKey> {
        let place = self.place_of(archive.messages.first()?.chat)?;
        let page = self.conversations.get(&place)?.next_page();
        Some((place, page)).filter(|page| self.lacks(page))
    }

    /// Makes room for the messages of a conversation. Whether the user still belongs to a group will be seen.
    fn expect_kept(
        &mut self,
        chat: Chat,
        registration: Option<&RawValue>,
        name: Option<String>,
        cx: &mut Context<'_>,
    ) {
        if self.devices.backup().keeps_history().is_none() {
            self.devices.backup_mut().keep_history(true);
        }
        match chat {
            Chat::Group(gid) if self.groups.get(gid).is_none() => {
                self.devices.expect_group(gid, name.clone());
                let new = StoredGroup::new(gid, Stage::Joining, cx.wall() / 1000);
                self.add_group(StoredGroup { face: name.map(StoredFace::named), ..new }, cx);
            }
            Chat::Person(root) if self.person(&root).is_none() => {
                let _ = registration.and_then(|signed| self.introduced((root, false), signed, cx));
            }
            Chat::Group(_) | Chat::Person(_) => {}
        }
    }

    /// Adds a kept message, as read.
    fn take_kept(&mut self, place: Place, message: StoredMessage, cx: &mut Context<'_>) {
        let Some(conversation) = self.conversations.get_mut(&place) else { return };
        let is_here = |id| conversation.order_of(message.author(), id).is_some();
        if message.id.as_ref().is_none_or(is_here) {
            return;
        }
        let (slot, order) = (conversation.slot(), conversation.next_order());
        let (all_read, all_kept) =
            (conversation.unread() == 0, self.devices.backup().kept_up_to(slot) == order);
        self.add_message(place, message, cx);
        if let Some(conversation) = self.conversations.get_mut(&place).filter(|_| all_read) {
            conversation.mark_read();
        }
        if all_kept {
            self.devices.backup_mut().set_kept(slot, order + 1);
        }
    }

    /// These messages were kept: this browser need not keep them again.
    fn skip_kept(&mut self, place: Place, kept: &[(Primary, MessageId)]) {
        loop {
            let Some(conversation) = self.conversations.get(&place) else { return };
            let slot = conversation.slot();
            let first = conversation.count_before(self.devices.backup().kept_up_to(slot));
            let Some(order) = conversation.order_at(first).filter(|order| conversation.get(*order).is_some())
            else {
                return;
            };
            let past = self.not_kept(place, order);
            if past.is_some_and(|past| !kept.contains(&(past.from, past.id))) {
                return;
            }
            self.devices.backup_mut().set_kept(slot, order + 1);
        }
    }

    /// Whether a restored browser still reads what was kept. It joins groups after that, so that their messages come in the
    /// right order.
    pub(in crate::session) fn reads_kept_messages(&self, cx: &Context<'_>) -> bool {
        self.me.key.secret().is_some()
            && self.sync.read_before.saturating_add(DAY) > cx.wall() / 1000
            && !self.link.was_read_to_its_end()
    }
}
