//! Earlier messages for a browser that was linked here, and those that this browser gets. They travel in parts through the
//! group of the user's devices, the newest first; the next part is made when the one before has reached the server, so an
//! interrupted transfer goes on where it was.

use kez_core::content::{Chat, History, MAX_PART_BYTES, Past, PastReaction, What};
use kez_core::identity::Primary;
use kez_core::mls::GroupId;
use kez_core::sigchain::DeviceId;
use kez_core::time::Timestamp;

use crate::devices::Outgoing;
use crate::kernel::context::Context;
use crate::kernel::place::{Lane, PageKey, Place, Slot};
use crate::messages::{Author, StoredBody, StoredMessage, StoredReaction, page_of};
use crate::session::Session;

/// What to do for a transfer now.
enum Next {
    /// Send a part.
    Part(Vec<Past>),
    /// Load this page first.
    Load(PageKey),
    /// Nothing is left.
    End,
}

impl Session {
    /// A device that was linked here has joined a group: it gets what is in the conversations up to now.
    pub(super) fn add_to_history(&mut self, gid: GroupId, device: DeviceId) {
        if self.devices.outgoing(device).is_none() {
            return;
        }
        let is_own = self.is_own_group(gid);
        let mut ends = Vec::new();
        for (place, conversation) in self.conversations.iter() {
            let is_due = match place {
                Place::Direct(_) => is_own || self.groups.place(gid) == *place,
                Place::Group(other) => *other == gid && !is_own,
            };
            if is_due {
                ends.push((conversation.slot().0, conversation.next_order()));
            }
        }
        if let Some(outgoing) = self.devices.change_outgoing(device) {
            for (slot, end) in ends {
                outgoing.add(slot, end);
            }
        }
        let of = self.devices.outgoing(device).map(|outgoing| outgoing.sent + self.parts_left(outgoing));
        if let (Some(of), Some(outgoing)) = (of, self.devices.change_outgoing(device)) {
            outgoing.of = of;
        }
    }

    /// Sends the next part, if the one before has reached the server.
    pub(in crate::session) fn advance_history(&mut self, cx: &mut Context<'_>) {
        let Some(gid) = self.own_group() else { return };
        // Other contents wait in the same lane. Parts come after them.
        if self.outbox.next_in(Lane::Place(Place::Group(gid))).is_some() {
            return;
        }
        let wanted = self.devices.all_outgoing().iter();
        let wanted: Vec<DeviceId> =
            wanted.filter(|outgoing| outgoing.sent < outgoing.of).map(|outgoing| outgoing.device).collect();
        let others = self.other_devices();
        for device in wanted {
            if !others.contains(&device) {
                // It is not in the devices' group yet, or no longer.
                let known = self.chains.own().chain().device(&device);
                if known.is_none_or(|known| known.is_revoked()) {
                    self.devices.end_history(device);
                }
                continue;
            }
            let messages = match self.next_part(device) {
                Next::Part(messages) => messages,
                Next::Load(page) => return self.paging.want(page),
                // What was left has no texts. An empty part says that this is the end.
                Next::End => Vec::new(),
            };
            let left = match self.devices.outgoing(device) {
                Some(outgoing) if !messages.is_empty() => self.parts_left(outgoing),
                _ => 0,
            };
            let Some(outgoing) = self.devices.change_outgoing(device) else { continue };
            outgoing.sent += 1;
            outgoing.of = outgoing.sent + left;
            let (part, of) = (outgoing.sent, outgoing.of);
            self.say_to_devices(What::History(History { device, part, of, messages }), cx);
            return self.send_in(Place::Group(gid), cx);
        }
    }

    /// Takes the next messages for a device: those of the page with the newest row that is left.
    fn next_part(&mut self, device: DeviceId) -> Next {
        loop {
            let Some((at, place, order)) = self.newest_left(device) else { return Next::End };
            let page = (place, page_of(order));
            if self.lacks(&page) {
                return Next::Load(page);
            }
            let from = self
                .devices
                .outgoing(device)
                .and_then(|outgoing| outgoing.spans.get(at))
                .map(|span| span.from);
            let (mut messages, mut size, mut next) = (Vec::new(), 0, Some(order));
            let mut left = order + 1;
            while let Some(order) = next.filter(|order| page_of(*order) == page.1 && Some(*order) >= from) {
                let mut past = self.past(place, order);
                if let Some(past) = &mut past {
                    past.reactions = self.past_reactions(place, order);
                    let bytes = past.size();
                    if size + bytes > MAX_PART_BYTES && !messages.is_empty() {
                        break;
                    }
                    if bytes > MAX_PART_BYTES {
                        // It has a part of its own, in which the largest text has room, but nothing else.
                        past.reactions.clear();
                    }
                    size += bytes;
                }
                messages.extend(past);
                left = order;
                next = self.conversations.get(&place).and_then(|conversation| conversation.row_before(order));
            }
            if let Some(outgoing) = self.devices.change_outgoing(device)
                && let Some(span) = outgoing.spans.get_mut(at)
            {
                span.left = left;
            }
            if !messages.is_empty() {
                return Next::Part(messages);
            }
        }
    }

    /// The newest row that a device still has to get: its span, its place and its order.
    fn newest_left(&self, device: DeviceId) -> Option<(usize, Place, u64)> {
        let spans = self.devices.outgoing(device)?.spans.iter().enumerate();
        let newest = spans.filter_map(|(at, span)| {
            let place = self.place_at(Slot(span.slot)).ok()?;
            let conversation = self.conversations.get(&place)?;
            let order = conversation.row_before(span.left).filter(|order| *order >= span.from)?;
            Some((conversation.time_of(order)?, at, place, order))
        });
        newest.max_by_key(|(time, ..)| *time).map(|(_, at, place, order)| (at, place, order))
    }

    /// About how many parts are left.
    fn parts_left(&self, outgoing: &Outgoing) -> u64 {
        let pages = outgoing.spans.iter().map(|span| {
            let conversation =
                self.place_at(Slot(span.slot)).ok().and_then(|place| self.conversations.get(&place));
            let pages = conversation.map(|conversation| conversation.rows_of_pages()).unwrap_or_default();
            let (first, end) = (page_of(span.from), page_of(span.left.saturating_sub(1)));
            let left = |page: u64| span.left > span.from && (first..=end).contains(&page);
            pages.into_iter().filter(|(page, ..)| left(*page)).count() as u64
        });
        pages.sum()
    }

    /// A message as another device gets it, without reactions; `None` for events and for what could not be read.
    pub(super) fn past(&self, place: Place, order: u64) -> Option<Past> {
        let message = self.conversations.get(&place)?.get(order)?;
        let StoredBody::Text { text, re } = &message.body else { return None };
        let chat = match place {
            Place::Group(gid) => Chat::Group(gid),
            Place::Direct(person) => Chat::Person(self.contacts.get(person)?.stored.root()),
        };
        Some(Past {
            chat,
            id: message.id.clone()?,
            from: self.root_of_author(place, message.author())?,
            text: text.clone(),
            re: re.clone(),
            sent_at: Timestamp::from_unix(message.sent_at),
            kept_at: Timestamp::from_unix(message.kept_at),
            reactions: Vec::new(),
        })
    }

    /// The reactions to a message that are set. One that came with a replaced key stays here: without its mark, no other one
    /// could take precedence over it.
    fn past_reactions(&self, place: Place, order: u64) -> Vec<PastReaction> {
        let message = self.conversations.get(&place).and_then(|conversation| conversation.get(order));
        let all = message.into_iter().flat_map(|message| &message.reactions);
        let of = |reaction: &StoredReaction| {
            let by = self.root_of_author(place, reaction.by)?;
            Some(PastReaction { by, emoji: reaction.emoji.clone(), id: reaction.id.clone() })
        };
        all.filter(|reaction| reaction.on && !reaction.former).filter_map(of).collect()
    }

    /// The root of an author in a conversation.
    fn root_of_author(&self, place: Place, author: Author) -> Option<Primary> {
        match (author, place) {
            (Author::Me, _) => Some(self.my_root()),
            (Author::Member(root), _) => Some(root),
            (Author::Them, Place::Direct(person)) => Some(self.contacts.get(person)?.stored.root()),
            (Author::Them, Place::Group(_)) => None,
        }
    }

    /// Earlier messages have come, the newest first. Each goes in front of those that are here.
    pub(super) fn met_history(&mut self, history: History, _cx: &mut Context<'_>) {
        let History { device, part, of, messages } = history;
        if self.this_device() != Some(device) {
            return;
        }
        for past in messages {
            self.take_past(past);
        }
        self.devices.on_part(part, of);
    }

    fn take_past(&mut self, past: Past) {
        let place = self.place_of(past.chat);
        let mut message = self.row_of(past);
        let Some(conversation) = place.and_then(|place| self.conversations.get_mut(&place)) else { return };
        let (author, Some(id)) = (message.author(), message.id.clone()) else { return };
        if conversation.order_of(author, &id).is_none() {
            // Reactions may have come before the message.
            for reaction in conversation.take_waiting(author, &id) {
                message.react(reaction);
            }
            conversation.insert_first(message);
        }
    }

    /// The row of an earlier message.
    pub(super) fn row_of(&self, past: Past) -> StoredMessage {
        let Past { chat, id, from, text, re, sent_at, kept_at, reactions } = past;
        let me = self.my_root();
        let mine = from == me;
        let from = (!mine && matches!(chat, Chat::Group(_))).then_some(from);
        let note = StoredMessage::note(StoredBody::Text { text, re }, kept_at.unix());
        let mut row = StoredMessage { id: Some(id), mine, from, sent_at: sent_at.unix(), ..note };
        for PastReaction { by, emoji, id } in reactions {
            let by = match chat {
                _ if by == me => Author::Me,
                Chat::Group(_) => Author::Member(by),
                Chat::Person(person) if by == person => Author::Them,
                Chat::Person(_) => continue,
            };
            row.react(StoredReaction { by, emoji, former: false, id, on: true });
        }
        row
    }

    /// How many parts of a transfer have gone or come, and how many there are, while one is under way.
    pub(crate) fn history_progress(&self) -> Option<(u64, u64)> {
        let outgoing = self.devices.all_outgoing().iter().map(|outgoing| (outgoing.sent, outgoing.of));
        outgoing.chain(self.devices.incoming()).find(|(done, of)| done < of)
    }
}
