//! "Keep history for my recovery words": messages that came over MLS are sealed again, to the account's own key, so that a
//! browser that is restored from the words finds them in the inbox. One browser does it, about once a minute; another
//! one keeps only what the first one has not.

use kez_core::content::{
    Archive, Change, Chat, Content, MAX_PART_BYTES, MOST_ARCHIVED, MessageId, Past, Sync, What,
};
use kez_core::identity::Primary;
use kez_core::mls::GroupId;
use serde_json::value::RawValue;

use crate::groups::{Stage, StoredFace, StoredGroup};
use crate::kernel::context::Context;
use crate::kernel::place::{Key, Lane, PageKey, Place};
use crate::messages::{Author, StoredBody, StoredMessage, page_of};
use crate::session::Session;

const DAY: u64 = 24 * 60 * 60;

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
        let Some(own) = self.own_group().map(Place::Group) else { return };
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
            let waits = self.outbox.entry(*place, order).is_some_and(|entry| entry.refused().is_none());
            (!waits && self.is_kept(*place)).then_some((*place, order))
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
            if self.outbox.entry(place, order).is_some_and(|entry| entry.refused().is_none()) {
                break;
            }
            if let Some(past) = self.past(place, order).filter(|past| self.came_over_mls(place, past)) {
                let bytes = past.size();
                if messages.len() >= MOST_ARCHIVED || (size + bytes > MAX_PART_BYTES && !messages.is_empty())
                {
                    break;
                }
                // A message beside which nothing fits is larger than any that is sent.
                messages.extend(Some(past).filter(|_| bytes <= MAX_PART_BYTES));
                size += bytes;
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

    /// Whether a message is not in an envelope of the inbox anyway.
    fn came_over_mls(&self, place: Place, past: &Past) -> bool {
        let Place::Direct(person) = place else { return true };
        let since = self.contacts.get(person).and_then(|contact| contact.stored.mls.since);
        since.is_some_and(|since| past.kept_at.unix() >= since)
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

    /// Kept messages have come. They are shown in a browser that was restored after they were kept, and where nothing
    /// later is: other browsers have got them from the log.
    pub(in crate::session) fn met_archive(&mut self, archive: Archive, kept_at: u64, cx: &mut Context<'_>) {
        let Archive { messages, registration, name } = archive;
        let Some(chat) = messages.first().map(|past| past.chat) else { return };
        let was_before = kept_at <= self.sync.read_before;
        if was_before && self.devices.backup().keeps_history().is_none() {
            self.devices.backup_mut().keep_history(true);
        }
        let place = match chat {
            Chat::Group(gid) => {
                if was_before && self.groups.get(gid).is_none() {
                    self.meet_kept_group(gid, name, cx);
                }
                Some(Place::Group(gid))
            }
            Chat::Person(root) => {
                let mut person = self.person(&root);
                if person.is_none() && was_before {
                    person = registration.and_then(|signed| self.introduced((root, false), &signed, cx));
                }
                person.map(Place::Direct)
            }
        };
        let Some(place) = place else { return };
        let mut kept = Vec::new();
        for past in messages.into_iter().filter(|past| past.chat == chat) {
            kept.push((past.from, past.id.clone()));
            self.take_kept(place, past, was_before);
        }
        match self.conversations.get(&place) {
            // Everything up to here is in the inbox.
            Some(conversation) if was_before => {
                self.devices.backup_mut().set_kept(conversation.slot(), conversation.next_order());
            }
            _ => self.skip_kept(place, &kept),
        }
    }

    /// The page to which kept messages would be added, if it has to be loaded first.
    pub(in crate::session) fn page_lacking_for_archive(&self, archive: &Archive) -> Option<PageKey> {
        let place = match archive.messages.first()?.chat {
            Chat::Group(gid) => Place::Group(gid),
            Chat::Person(root) => Place::Direct(self.person(&root)?),
        };
        let page = self.conversations.get(&place)?.next_page();
        Some((place, page)).filter(|page| self.lacks(page))
    }

    /// A group of which messages were kept. Whether the user still belongs to it will be seen; its messages are shown.
    fn meet_kept_group(&mut self, gid: GroupId, name: Option<String>, cx: &mut Context<'_>) {
        self.devices.expect_group(gid, name.clone());
        let face = name.map(StoredFace::named);
        self.add_group(StoredGroup { face, ..StoredGroup::new(gid, Stage::Joining, cx.wall() / 1000) }, cx);
    }

    fn take_kept(&mut self, place: Place, past: Past, was_before: bool) {
        let Past { id, from, text, re, sent_at, kept_at, .. } = past;
        let mine = from == self.my_root();
        let author = match place {
            _ if mine => Author::Me,
            Place::Group(_) => Author::Member(from),
            Place::Direct(_) => Author::Them,
        };
        let Some(conversation) = self.conversations.get_mut(&place) else { return };
        let is_latest = conversation.last().is_none_or(|last| last.kept_at <= kept_at.unix());
        if conversation.order_of(author, &id).is_some() || !(was_before || is_latest) {
            return;
        }
        let all_read = conversation.unread() == 0;
        let note = StoredMessage::note(StoredBody::Text { text, re }, kept_at.unix());
        let from = matches!(author, Author::Member(_)).then_some(from);
        let (id, sent_at, arrival) = (Some(id), sent_at.unix(), self.arrivals);
        self.arrivals += 1;
        let order = conversation.take_order();
        conversation.insert(order, StoredMessage { id, mine, from, sent_at, arrival, ..note });
        if was_before && all_read {
            conversation.mark_read();
        }
    }

    /// Another browser has kept these messages: this one need not.
    fn skip_kept(&mut self, place: Place, kept: &[(Primary, MessageId)]) {
        loop {
            let Some(conversation) = self.conversations.get(&place) else { return };
            let slot = conversation.slot();
            let first = conversation.count_before(self.devices.backup().kept_up_to(slot));
            let Some(order) = conversation.order_at(first).filter(|order| conversation.get(*order).is_some())
            else {
                return;
            };
            let past = self.past(place, order).filter(|past| self.came_over_mls(place, past));
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
