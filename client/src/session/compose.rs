//! From "Send" to a stored and queued message; also the drafts in the composer.

use kez_core::content::Content;
use kez_core::envelope;
use kez_core::handle::Handle;
use kez_core::identity::PublicIdentity;
use kez_core::message::plaintext;
use kez_core::sigchain::{Hash, Heads, SeenHead};

use crate::kernel::context::Context;
use crate::kernel::event::TabId;
use crate::kernel::place::{Lane, PersonId, Place};
use crate::kernel::reason::Reason;
use crate::kernel::recipient::parse_recipient;
use crate::kernel::record::Kind;
use crate::kernel::tabs::Window;
use crate::session::Session;
use crate::session::groups::Carrier;

/// How much text is certain to fit into a message, in KiB, when none of it needs escaping in JSON. The sender's own
/// copy has to fit into [`envelope::MAX_BYTES`] after padding and base64.
const TEXT_LIMIT_KIB: usize = 187;
/// The same for a message over MLS, whose item has a smaller limit after base64.
const MLS_TEXT_LIMIT_KIB: usize = 168;

impl Session {
    /// "Send". The page may report the same press twice; the id that the page chose makes it one message.
    pub(crate) fn send_pressed(
        &mut self,
        tab: &TabId,
        handle: &str,
        id: String,
        text: String,
        cx: &mut Context<'_>,
    ) {
        if text.trim().is_empty() {
            return;
        }
        let Some(id) = id.parse().ok().filter(|_| is_ulid(&id)) else {
            return cx.warn(Reason::OddPage);
        };
        let place = match self.destination(handle, cx) {
            Ok(place) => place,
            Err(why) => return cx.refuse(tab, why),
        };
        let Some(conversation) = self.conversations.get(&place) else { return };
        if conversation.order_of(true, &id).is_some() {
            // The tab may have reported this text again before it repeated the press.
            if conversation.draft == text {
                self.set_draft(tab, place, String::new(), cx);
            }
            return;
        }
        let content = Content::text(id, text, cx.timestamp());
        if !self.fits(place, &content, cx) {
            let is_sealed = self.carrier(Lane::Place(place)) == Carrier::Envelopes;
            let limit = if is_sealed { TEXT_LIMIT_KIB } else { MLS_TEXT_LIMIT_KIB };
            return cx.refuse(tab, Reason::TooLong(limit));
        }
        let screen = cx.shared.tabs.entry(tab);
        screen.refused = None;
        screen.window = Window::Latest;
        self.set_draft(tab, place, String::new(), cx);
        self.say(place, &content, cx);
    }

    /// The composer's text changed.
    pub(crate) fn draft_changed(&mut self, tab: &TabId, handle: &str, text: String, cx: &mut Context<'_>) {
        if let Some(place @ Place::Group(_)) = self.place_shown(handle) {
            return self.set_draft(tab, place, text, cx);
        }
        let Some(handle) = self.handle_at(handle) else { return };
        // Viewing a handle does not create a contact; writing to it does.
        let person = match self.contacts.by_handle(&handle) {
            None if text.is_empty() => None,
            _ => self.contact_for(&handle, cx),
        };
        if let Some(person) = person {
            self.set_draft(tab, Place::Direct(person), text, cx);
        }
    }

    /// The conversation that a message is for, if the user may write there.
    fn destination(&mut self, at: &str, cx: &mut Context<'_>) -> Result<Place, Reason> {
        match self.place_shown(at) {
            Some(Place::Group(gid)) => self.group_to_write_to(gid).map(|()| Place::Group(gid)),
            _ => self.recipient_of(at, cx).map(Place::Direct),
        }
    }

    pub(crate) fn recipient_of(&mut self, handle: &str, cx: &mut Context<'_>) -> Result<PersonId, Reason> {
        let handle = self.handle_at(handle).ok_or(Reason::NoSuchHandle)?;
        if handle == self.me.handle {
            return Err(Reason::OwnHandle);
        }
        let person = self.contact_for(&handle, cx).ok_or(Reason::NotFoundYet)?;
        match self.contacts.get(person) {
            _ if self.lacks_words_for(person) => Err(Reason::NoWords),
            Some(contact) if contact.stored.awaits_person() => Err(Reason::KeyChanged),
            Some(contact) if contact.stored.standing.blocked => Err(Reason::Blocked),
            _ => Ok(person),
        }
    }

    /// Whether messages to a person go in envelopes, which this browser cannot seal: that takes the account's key. Before
    /// the person's chain was seen, it may yet name a device.
    fn lacks_words_for(&self, person: PersonId) -> bool {
        self.me.key.secret().is_none()
            && self.carrier(Lane::Place(Place::Direct(person))) == Carrier::Envelopes
            && self.chains.contacts().chain(person).is_some()
    }

    /// Whether both message and copy stay within the relay's limit. The copy is the larger one: it contains the
    /// message.
    fn fits(&self, place: Place, content: &Content, cx: &mut Context<'_>) -> bool {
        let Place::Direct(person) = place else { return self.fits_in_group(content) };
        if self.carrier(Lane::Place(place)) != Carrier::Envelopes || self.me.key.secret().is_none() {
            return self.fits_in_group(content);
        }
        let Some(contact) = self.contacts.get(person) else { return false };
        let mut chain = self.sync.own_chain.next(&self.sync.installation);
        // The largest possible chain number.
        chain.n = kez_core::canonical_json::MAX_INTEGER;
        chain.prev = chain.prev.or_else(|| "0".repeat(64).parse().ok());
        let key = &contact.stored.key;
        let plaintext = plaintext(&content.own_copy(key.primary()), &chain, &longest_heads(key));
        // Base64 encodes three bytes as four characters.
        const ALWAYS_FITS: usize = envelope::MAX_BYTES / 2;
        if plaintext.len() < ALWAYS_FITS {
            return true;
        }
        let (Some(key), Some(myself)) = (self.me.key.secret(), &self.myself) else { return false };
        envelope::seal(key, myself, &plaintext, cx.timestamp(), &mut &mut *cx.rng).is_ok()
    }

    /// Saves a draft. Other tabs that show the conversation must show it too.
    fn set_draft(&mut self, by: &TabId, place: Place, text: String, cx: &mut Context<'_>) {
        let conversation = self.conversations.get(&place);
        if conversation.is_none_or(|conversation| conversation.draft == text) {
            return;
        }
        for tab in cx.shared.tabs.others_mut(by) {
            if tab.at.as_deref().and_then(|at| self.place_shown(at)) == Some(place) {
                tab.draft_version += 1;
            }
        }
        let Some(conversation) = self.conversations.get_mut(&place) else { return };
        let id = conversation.slot().to_string();
        if text.is_empty() {
            cx.delete(Kind::Draft, id);
        } else {
            cx.put(Kind::Draft, id, &text);
        }
        conversation.draft = text;
    }

    /// The handle that a URL, or the text box "To", names: `bob`, `@bob` or `bob@` and this server.
    pub(crate) fn handle_at(&self, text: &str) -> Option<Handle> {
        parse_recipient(text, self.me.server.as_str()).ok()
    }
}

/// The heads of two chains, at their maximum length.
fn longest_heads(key: &PublicIdentity) -> Heads {
    let longest = SeenHead { length: kez_core::canonical_json::MAX_INTEGER, head: Hash::of_key(key) };
    let mut heads = Heads::from([(key.primary(), longest)]);
    heads.extend(format!("ed25519:{}", "0".repeat(64)).parse().ok().map(|other| (other, longest)));
    heads
}

/// Whether the text is a canonical ULID: 26 characters of Crockford's base 32, 128 bits.
fn is_ulid(text: &str) -> bool {
    let crockford =
        |byte| matches!(byte, b'0'..=b'9' | b'A'..=b'Z') && !matches!(byte, b'I' | b'L' | b'O' | b'U');
    text.len() == 26 && text.bytes().all(crockford) && matches!(text.as_bytes().first(), Some(b'0'..=b'7'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ulids_have_one_spelling() {
        assert!(is_ulid("01JDABCDEFGHJKMNPQRSTVWXYZ"));
        for bad in [
            "",
            "01jdabcdefghjkmnpqrstvwxyz",
            "01JDABCDEFGHJKMNPQRSTVWXY",
            "81JDABCDEFGHJKMNPQRSTVWXYZ",
            "01JDABCDEFGHJKMNPQRSTVWXYU",
        ] {
            assert!(!is_ulid(bad), "{bad}");
        }
    }
}
