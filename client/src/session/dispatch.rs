//! With an open account: dispatches each event, each answer and each content to its part.
//!
//! [`Session::arrived`] and [`Session::say`] separate the transport of contents from their meaning.

use kez_core::content::{Content, What};
use kez_core::envelope::EnvelopeHash;
use kez_core::handle::Handle;
use kez_core::identity::Primary;
use kez_core::message::Chain;

use crate::kernel::answer::Answer;
use crate::kernel::context::Context;
use crate::kernel::event::{TabId, UiEvent};
use crate::kernel::place::{PersonId, Place};
use crate::kernel::reason::Reason;
use crate::kernel::record::Kind;
use crate::kernel::requests::Purpose;
use crate::kernel::tabs::Window;
use crate::kernel::tabs::{NewConversation, NewGroup, ReportView};
use crate::messages::{Author, FormerKey, StoredBody, StoredMessage};
use crate::session::Session;

/// What the name of a group's conversation begins with, before the group's id.
const GROUP: &str = "g/";

/// A content as a transport hands it over.
pub(crate) struct Arrived {
    pub(crate) place: Place,
    /// Whether the user is its author.
    pub(crate) mine: bool,
    /// In a group, the root of another author.
    pub(crate) from: Option<Primary>,
    pub(crate) content: Content,
    /// Names what carried it.
    pub(crate) envelope: EnvelopeHash,
    /// When it was sealed, Unix seconds.
    pub(crate) sealed_at: u64,
    /// When it reached the relay, Unix seconds.
    pub(crate) kept_at: u64,
    /// Its position in its author's sequence, for contents of others.
    pub(crate) chain: Option<Chain>,
    pub(crate) transport: Transport,
}

/// How a content came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// In an envelope, perhaps sealed with or for a replaced key.
    Envelope(Option<FormerKey>),
    /// Over MLS.
    Mls,
}

impl Transport {
    /// The replaced key, if one was used.
    const fn former_key(self) -> Option<FormerKey> {
        match self {
            Self::Envelope(former) => former,
            Self::Mls => None,
        }
    }
}

impl Arrived {
    /// Whether it is shown as a row.
    pub(crate) const fn makes_row(&self) -> bool {
        !matches!(self.content.what, What::Reaction(_) | What::Unknown { quiet: true, .. })
    }
}

impl Session {
    /// Handles an action of the user.
    pub(crate) fn ui(&mut self, tab: &TabId, event: UiEvent, cx: &mut Context<'_>) {
        match event {
            UiEvent::PhraseShown => cx.shared.tabs.entry(tab).phrase_shown = true,
            UiEvent::PhraseHidden => cx.shared.tabs.entry(tab).phrase_shown = false,
            UiEvent::PassphraseChanged { current, new } => self.passphrase.on_change(current, new, cx),
            UiEvent::PhraseKept => {
                self.phrase_confirmed = true;
                self.save_account(cx);
            }
            UiEvent::RotationPhraseShown => cx.shared.tabs.entry(tab).rotation_phrase_shown = true,
            UiEvent::RotationPhraseHidden => cx.shared.tabs.entry(tab).rotation_phrase_shown = false,
            UiEvent::RotationPhraseKept => {
                cx.shared.tabs.entry(tab).rotation_phrase_shown = false;
                self.chains.own_mut().forget_next_seed(cx);
            }
            UiEvent::KeyChangeSubmitted { .. } | UiEvent::DeletionConfirmed
                if self.me.key.secret().is_none() =>
            {
                cx.warn(Reason::NoWords);
            }
            UiEvent::KeyChangeSubmitted { phrase } => {
                let (chains, facts) = self.chains_with_facts();
                chains.own_mut().change_key(&phrase, facts, cx);
            }
            UiEvent::DeviceRemoved { device } => self.remove_device(&device, cx),
            UiEvent::OldMessagesRefused { on } => {
                let (chains, facts) = self.chains_with_facts();
                chains.own_mut().refuse_old_messages(on, facts, cx);
            }
            UiEvent::BackupChanged { on } => self.keep_history(on, cx),
            UiEvent::LinkCodeTyped { text } => self.link_code_typed(&text, cx),
            UiEvent::LinkConfirmed => self.link_confirmed(cx),
            UiEvent::LinkCancelled => self.link_cancelled(cx),
            UiEvent::DeviceRenamed { device, name } => self.rename_device(&device, &name, cx),
            UiEvent::OwnChainAlarmDismissed => {
                let (chains, facts) = self.chains_with_facts();
                chains.own_mut().dismiss_alarm(facts, cx);
            }
            UiEvent::TryAgainPressed { handle } => self.try_again(&handle, cx),
            UiEvent::ChainAlarmDismissed { handle } => self.dismiss_alarm(&handle, cx),
            UiEvent::ConversationStarted { to } => self.start_conversation(tab, &to, cx),
            UiEvent::ConversationDialogClosed => {
                let screen = cx.shared.tabs.entry(tab);
                (screen.dialog, screen.wanted) = (NewConversation::default(), None);
            }
            UiEvent::SendPressed { handle, id, text } => self.send_pressed(tab, &handle, id, text, cx),
            UiEvent::DraftChanged { handle, text } => self.draft_changed(tab, &handle, text, cx),
            UiEvent::RetryPressed { handle, .. } => {
                if let Some(place) = self.place_shown(&handle) {
                    self.retry(place, cx);
                }
            }
            UiEvent::DeletePressed { handle, id } => {
                if let Some((place, order)) = self.message_shown(&handle, &id) {
                    self.delete(place, order, cx);
                }
            }
            UiEvent::GroupCreated { name, members } => self.group_created(tab, &name, &members, cx),
            UiEvent::GroupDialogClosed => cx.shared.tabs.entry(tab).group_dialog = NewGroup::default(),
            UiEvent::GroupChanged { gid, change } => self.group_changed(&gid, change, cx),
            UiEvent::JoinAsked { link } => self.ask_to_join(&link, cx),
            UiEvent::ExportPressed => self.exit.on_export_pressed(tab, &self.me, cx),
            UiEvent::DeletionConfirmed => self.exit.on_deletion_confirmed(&self.me, cx),
            UiEvent::OlderWanted { handle } => self.move_window(tab, &handle, Window::older, cx),
            UiEvent::NewerWanted { handle } => self.move_window(tab, &handle, Window::newer, cx),
            UiEvent::SearchTyped { text, within } => self.search_typed(tab, text, within, cx),
            UiEvent::JumpWanted { handle, to } => self.jump(tab, &handle, &to, cx),
            UiEvent::OldestWanted { .. } => cx.shared.tabs.entry(tab).window = Window::OLDEST,
            UiEvent::LatestWanted { .. } => cx.shared.tabs.entry(tab).window = Window::Latest,
            UiEvent::WholeTextWanted { id, .. } => cx.shared.tabs.entry(tab).shown_whole.push(id),
            UiEvent::ReactionSet { handle, id, emoji, on } => {
                let _ = self.set_reaction(&handle, &id, &emoji, on, cx);
            }
            UiEvent::RequestAccepted { handle } => {
                if let Some(contact) = self.contact_at(&handle) {
                    self.lists.on_accepted_here(contact, &mut self.contacts, &self.me, cx);
                }
            }
            UiEvent::RequestDeclined { handle } => {
                if let Some(contact) = self.contact_at(&handle) {
                    self.decline_request(contact, cx);
                }
            }
            UiEvent::BlockPressed { handle } => self.set_blocked(&handle, true, cx),
            UiEvent::UnblockPressed { handle } => self.set_blocked(&handle, false, cx),
            UiEvent::ReportSubmitted { handle, note } => self.report(tab, &handle, note, cx),
            UiEvent::ReportClosed => cx.shared.tabs.entry(tab).report = ReportView::Open,
            UiEvent::VerifiedChanged { handle, primary, verified } => {
                let known = self.set_verified(&handle, &primary, verified, cx);
                refuse_unless(known, tab, cx);
            }
            UiEvent::NewKeyAccepted { handle, primary } => {
                if let Some(contact) = self.contact_at(&handle) {
                    let known = self.accept_new_key(contact, &primary, cx);
                    refuse_unless(known, tab, cx);
                }
            }
            UiEvent::WaitingDiscarded { key } => self.discard_waiting(key.as_deref(), cx),
            UiEvent::KeepChosen { days } => self.keeping.on_keep_chosen(days, &self.me, cx),
            // The other events belong to other states of the account, or were handled earlier.
            _ => {}
        }
    }

    /// Handles the answer to a request, or its absence.
    pub(crate) fn answered(&mut self, purpose: Purpose, answer: &Answer, cx: &mut Context<'_>) {
        match purpose {
            Purpose::Handle(handle) => self.handle_answered(&handle, answer, cx),
            Purpose::Sender(key) => self.sender_answered(&key, answer, cx),
            Purpose::Binding { until } => self.link.on_binding(until, answer, &self.me, cx),
            Purpose::OwnRecord
            | Purpose::OwnChain
            | Purpose::AppendLink
            | Purpose::RegisterChangedKey
            | Purpose::ChangedRecord
            | Purpose::KeepFormerKey => self.own_chain_answered(&purpose, answer, cx),
            Purpose::Chain(contact) => self.chain_answered(contact, answer, cx),
            Purpose::FormerKey { key, root, found } => {
                self.former_key_answered(&key, root, *found, answer, cx)
            }
            Purpose::Send(key) => self.send_answered(key, answer, cx),
            Purpose::Blocks => self.lists.on_blocks(answer, &mut self.contacts, &self.me, cx),
            Purpose::Accepted => self.lists.on_accepted(answer, &mut self.contacts, &self.me, cx),
            Purpose::Status => self.on_status(answer, cx),
            Purpose::Acknowledge => self.on_acknowledged(answer, cx),
            Purpose::Keep { days } => self.keeping.on_kept(days, answer, &self.me, cx),
            Purpose::DiscardRequests(key) => self.keeping.on_discarded(&key, answer, &self.me, cx),
            Purpose::Tell(person, change) => {
                self.lists.on_told((person, change), answer, &mut self.contacts, &self.me, cx);
            }
            Purpose::Unblock(handle) => {
                self.lists.on_unblocked(&handle, answer, &self.contacts, &self.me, cx);
            }
            Purpose::Page => self.on_link(|link, inbox, cx| link.on_page(answer, inbox, cx), cx),
            Purpose::Report(tab) => Self::report_answered(&tab, answer, cx),
            Purpose::Export(tab) => {
                let mut exit = std::mem::take(&mut self.exit);
                exit.on_export(tab, (answer, |stored: &[u8]| self.export_file(stored)), &self.me, cx);
                self.exit = exit;
            }
            Purpose::DeleteAccount => self.exit.on_deletion(answer, &self.me, cx),
            Purpose::DeletionCheck => self.exit.on_deletion_check(answer),
            Purpose::People(roots) => self.on_people(&roots, answer, cx),
            Purpose::Invitee(handle) => self.invitee_answered(&handle, answer, cx),
            Purpose::KeepPackages => self.on_packages_kept(answer, cx),
            Purpose::Claim(gid) => self.on_claimed(gid, answer, cx),
            Purpose::CreateGroup(gid) => self.group_posted(gid, answer, cx),
            Purpose::ShowGroup(gid) => self.on_shown(gid, answer, cx),
            Purpose::OfferState(gid) => self.offer_answered(gid, answer, cx),
            Purpose::Commit(gid) => self.commit_answered(gid, answer, cx),
            Purpose::Rejoin(gid) => self.rejoin_answered(gid, answer, cx),
            Purpose::LeaveGroup(gid) => self.leave_answered(gid, answer, cx),
            Purpose::PutInvite(gid, hash) => self.invite_stored(gid, hash, answer, cx),
            Purpose::RevokeInvite(gid, hash) => self.invite_revoked(gid, hash, answer, cx),
            Purpose::AskToJoin(gid) => self.ask_answered(gid, answer, cx),
            Purpose::News => self.on_news(answer, cx),
            Purpose::OwnGroups => self.on_own_groups(answer, cx),
            Purpose::Link(request) => self.link_answered(request, answer, cx),
            // Requests from before the account was open.
            Purpose::Config
            | Purpose::Availability(_)
            | Purpose::Register
            | Purpose::OwnAccount
            | Purpose::Restore => {}
        }
    }

    /// A content has arrived. It is stored once, however often it comes.
    pub(crate) fn arrived(&mut self, arrived: Arrived, cx: &mut Context<'_>) {
        let Arrived { place, mine, from, content, envelope, sealed_at, kept_at, chain, transport } = arrived;
        let Some(conversation) = self.conversations.get_mut(&place) else { return };
        let position = chain.map(|chain| match transport {
            Transport::Envelope(_) => conversation.receive(chain, envelope),
            Transport::Mls => conversation.receive_in_group(chain, envelope),
        });
        if mine && let Place::Direct(person) = place {
            // Another browser of the user has written or reacted here.
            self.lists.on_accepted_here(person, &mut self.contacts, &self.me, cx);
        }
        let Some(conversation) = self.conversations.get_mut(&place) else { return };
        let author = from.map_or(Author::from(mine), Author::Member);
        if conversation.order_of(author, &content.id).is_some() {
            return;
        }
        if transport == Transport::Envelope(None) {
            self.copy_arrived((place, mine), &content, (envelope, kept_at), cx);
        }
        let body = match content.what {
            What::Text(text) => StoredBody::Text { text: text.text, re: text.re },
            What::Reaction(reaction) => {
                let by = (author, transport.former_key().is_some());
                return self.react(place, by, content.id, reaction);
            }
            What::Unknown { quiet: true, .. } => return self.count_unreadable(envelope, cx),
            // They count only among the user's own devices.
            What::Sync(_) | What::History(_) | What::Archive(_) | What::Copy(_) => {
                return self.count_unreadable(envelope, cx);
            }
            What::Unknown { .. } | What::Sent(_) | What::FormerKey(_) | What::Face(_) => {
                StoredBody::Unsupported
            }
        };
        let sent_at = content.sent_at.map_or(sealed_at, |at| at.unix());
        let former_key = transport.former_key();
        let old_way = !mine && transport != Transport::Mls && self.had_moved(place, sealed_at.max(kept_at));
        let Some(conversation) = self.conversations.get_mut(&place) else { return };
        let reactions = conversation.take_waiting(author, &content.id);
        let note = StoredMessage::note(body, kept_at);
        let (id, envelope) = (Some(content.id), Some(envelope));
        let message = StoredMessage {
            id,
            mine,
            from,
            sent_at,
            envelope,
            position,
            former_key,
            reactions,
            old_way,
            ..note
        };
        self.add_message(place, message, cx);
    }

    /// Sends a content: it takes the next order in its conversation. Its row, if its kind makes one, and its entry in the
    /// outbox are stored in one transaction.
    pub(crate) fn say(&mut self, place: Place, content: &Content, cx: &mut Context<'_>) {
        self.say_upgraded(place, cx);
        let Some(conversation) = self.conversations.get_mut(&place) else { return };
        let order = conversation.take_order();
        if let What::Text(text) = &content.what {
            let at = content.sent_at.map_or(cx.wall() / 1000, |at| at.unix());
            let body = StoredBody::Text { text: text.text.clone(), re: text.re.clone() };
            let id = Some(content.id.clone());
            self.add_row(place, order, StoredMessage { id, mine: true, ..StoredMessage::note(body, at) }, cx);
        }
        self.enqueue(place, order, content, cx);
    }

    /// "Block", or "Unblock".
    fn set_blocked(&mut self, handle: &str, blocked: bool, cx: &mut Context<'_>) {
        let Some(handle) = self.handle_at(handle) else { return };
        let keys = self.lists.on_block((&handle, blocked), &mut self.contacts, &self.me, cx);
        if !keys.is_empty() {
            // Their unread mail in quarantine, and the mail that uses space on the server.
            self.discard(&keys, cx);
        }
    }

    /// "Decline": deletes the request with all their messages, here and on the server. A later message is a new request.
    pub(crate) fn decline_request(&mut self, id: PersonId, cx: &mut Context<'_>) {
        let Some(contact) = self.contacts.get(id).filter(|contact| contact.stored.standing.request) else {
            return;
        };
        let keys = contact.stored.keys();
        let slot = contact.slot;
        self.part_from(id, cx);
        if let Some(conversation) = self.conversations.remove(&Place::Direct(id)) {
            conversation.erase(cx);
        }
        for key in self.outbox.keys_of(Place::Direct(id)) {
            self.outbox.remove(key, cx);
        }
        cx.delete(Kind::Contact, slot.to_string());
        self.forget_chain(id, cx);
        self.contacts.remove(id);
        self.discard(&keys, cx);
    }

    /// `false` when the compared number belongs to another key.
    fn set_verified(&mut self, handle: &str, shown: &str, verified: bool, cx: &mut Context<'_>) -> bool {
        let Some(id) = self.contact_at(handle) else { return true };
        let Some(contact) = self.contacts.get_mut(id) else { return true };
        if contact.stored.shown_key().to_string() != shown {
            return false;
        }
        // The number on screen is that of the new key, which must be accepted before it can be verified.
        if !contact.stored.awaits_person() && contact.stored.verified != verified {
            contact.stored.verified = verified;
            self.contacts.save(id, cx);
        }
        true
    }

    pub(crate) fn contact_at(&self, handle: &str) -> Option<PersonId> {
        let handle: Handle = self.handle_at(handle)?;
        self.contacts.by_handle(&handle)
    }

    /// The conversation that a URL names.
    pub(crate) fn place_shown(&self, at: &str) -> Option<Place> {
        match at.strip_prefix(GROUP) {
            Some(gid) => gid.parse().ok().filter(|gid| self.is_group_of_people(*gid)).map(Place::Group),
            None => self.contact_at(at).map(Place::Direct),
        }
    }

    /// The name of a conversation in the URL.
    pub(crate) fn address_of(&self, place: Place) -> Option<String> {
        match place {
            Place::Direct(person) => {
                self.contacts.get(person).map(|contact| contact.stored.handle.to_string())
            }
            Place::Group(gid) => Some(format!("{GROUP}{gid}")),
        }
    }

    /// The message in this row of the conversation that a URL names.
    pub(crate) fn message_shown(&self, at: &str, row: &str) -> Option<(Place, u64)> {
        let place = self.place_shown(at)?;
        Some((place, self.conversations.get(&place)?.order_of_row(row)?))
    }
}

/// A decision about a key is valid only for the key that was on screen.
fn refuse_unless(known: bool, tab: &TabId, cx: &mut Context<'_>) {
    cx.shared.tabs.entry(tab).refused = (!known).then_some(Reason::KeyChangedAgain);
}
