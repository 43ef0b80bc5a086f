//! Reactions to messages: the user's own, and those that have arrived.

use kez_core::content::{Content, Emoji, MessageId, Reaction, Ref, What};

use crate::groups::Stage;
use crate::kernel::context::Context;
use crate::kernel::place::Place;
use crate::messages::{Author, MOST_REACTIONS, StoredReaction};
use crate::session::Session;

impl Session {
    /// Sets or withdraws a reaction of the user. `None` when there is nothing to do: another press was faster, or the
    /// message has as many as are shown.
    pub(in crate::session) fn set_reaction(
        &mut self,
        at: &str,
        row: &str,
        emoji: &str,
        on: bool,
        cx: &mut Context<'_>,
    ) -> Option<()> {
        let (place, order) = self.message_shown(at, row)?;
        self.may_react(place, at, cx)?;
        let emoji: Emoji = emoji.parse().ok()?;
        let target = self.conversations.get(&place)?.get(order)?;
        let id = target.id.clone()?;
        let mut mine = target.reactions.iter().filter(|of| of.by == Author::Me);
        let last = mine.clone().find(|of| of.emoji == emoji).cloned();
        let full = mine.by_ref().filter(|of| of.on).count() >= MOST_REACTIONS;
        if last.as_ref().is_some_and(|last| last.on) == on || (on && full) {
            return None;
        }
        let by = match (target.author(), place) {
            (Author::Me, _) => self.my_root(),
            (Author::Member(root), _) => root,
            (Author::Them, Place::Direct(person)) => self.contacts.get(person)?.stored.root(),
            (Author::Them, Place::Group(_)) => return None,
        };
        let what = What::Reaction(Reaction { of: Ref { by, id }, emoji, on });
        let id = id_after(last.filter(|last| !last.former).map(|last| last.id).as_ref(), cx);
        let content = Content { id, sent_at: Some(cx.timestamp()), what };
        if let What::Reaction(reaction) = content.what.clone() {
            self.react(place, (Author::Me, false), content.id.clone(), reaction);
        }
        self.say(place, &content, cx);
        Some(())
    }

    /// Whether the user may react in a conversation: it is no request, and the user takes part in it.
    fn may_react(&mut self, place: Place, at: &str, cx: &mut Context<'_>) -> Option<()> {
        let may = match place {
            Place::Direct(_) => {
                let person = self.recipient_of(at, cx).ok()?;
                !self.contacts.get(person)?.stored.standing.request
            }
            Place::Group(gid) => {
                let stored = &self.groups.get(gid)?.stored;
                stored.stage == Stage::In && stored.leaving.is_none() && !stored.request
            }
        };
        may.then_some(())
    }

    /// Takes back a reaction that the server has refused.
    pub(in crate::session) fn take_back(
        &mut self,
        place: Place,
        refused: &MessageId,
        reaction: Reaction,
        cx: &mut Context<'_>,
    ) {
        let id = id_after(Some(refused), cx);
        self.react(place, (Author::Me, false), id, Reaction { on: !reaction.on, ..reaction });
    }

    /// The author of a message in a conversation; `None` if it is a person who does not take part in it. Members of a group
    /// come and go, so it may have messages of anyone.
    pub(in crate::session) fn author_of(&self, place: Place, of: &Ref) -> Option<Author> {
        if self.own_key(&of.by).is_some() || self.my_root() == of.by {
            return Some(Author::Me);
        }
        let Place::Direct(person) = place else { return Some(Author::Member(of.by)) };
        let is_theirs = self.contacts.get(person).is_some_and(|contact| {
            person.0 == of.by || contact.stored.root() == of.by || contact.stored.keys().contains(&of.by)
        });
        is_theirs.then_some(Author::Them)
    }

    /// Applies a reaction. One to a message of a person who does not take part is dropped.
    pub(in crate::session) fn react(
        &mut self,
        place: Place,
        (by, former): (Author, bool),
        id: MessageId,
        new: Reaction,
    ) {
        let Reaction { of, emoji, on } = new;
        let Some(author) = self.author_of(place, &of) else { return };
        let reaction = StoredReaction { by, emoji, former, id, on };
        let conversation = self.conversations.get_mut(&place);
        if let Some(page) = conversation.and_then(|talk| talk.react((author, of.id), reaction)) {
            self.paging.want((place, page));
        }
    }
}

/// An id that is greater than another: the user's later reaction wins, whatever the clock of the browser that set the
/// earlier one.
fn id_after(last: Option<&MessageId>, cx: &mut Context<'_>) -> MessageId {
    let mut ahead = 0_u64;
    loop {
        let id = MessageId::ulid(cx.wall().saturating_add(ahead), &mut &mut *cx.rng);
        if last.is_none_or(|last| *last < id) || ahead > 1 << 48 {
            return id;
        }
        ahead = 2 * ahead + 1;
    }
}
