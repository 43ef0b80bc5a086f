//! With an open account: dispatches each event to its part.

use kez_core::handle::Handle;

use crate::contacts::ContactId;
use crate::context::Context;
use crate::event::{TabId, UiEvent};
use crate::requests::{Answer, Purpose};
use crate::session::Session;
use crate::view::{NewConversation, ReportView};
use crate::window::Window;

impl Session {
    /// Handles an action of the user.
    pub(crate) fn ui(&mut self, tab: &TabId, event: UiEvent, cx: &mut Context<'_>) {
        match event {
            UiEvent::PhraseShown => cx.shared.tabs.entry(tab).phrase_shown = true,
            UiEvent::PhraseHidden => cx.shared.tabs.entry(tab).phrase_shown = false,
            UiEvent::PassphraseChanged { current, new } => self.change_passphrase(current, new, cx),
            UiEvent::PhraseKept => {
                self.phrase_confirmed = true;
                self.save_account(cx);
            }
            UiEvent::RotationPhraseShown => cx.shared.tabs.entry(tab).rotation_phrase_shown = true,
            UiEvent::RotationPhraseHidden => cx.shared.tabs.entry(tab).rotation_phrase_shown = false,
            UiEvent::RotationPhraseKept => {
                cx.shared.tabs.entry(tab).rotation_phrase_shown = false;
                self.forget_next_seed(cx);
            }
            UiEvent::KeyChangeSubmitted { phrase } => self.change_key(&phrase, cx),
            UiEvent::OwnChainAlarmDismissed => self.dismiss_own_alarm(cx),
            UiEvent::ChainAlarmDismissed { handle } => {
                if let Some(contact) = self.contact_at(&handle) {
                    self.dismiss_alarm(contact, cx);
                }
            }
            UiEvent::ConversationStarted { to } => self.start_conversation(tab, &to, cx),
            UiEvent::ConversationDialogClosed => {
                let screen = cx.shared.tabs.entry(tab);
                (screen.dialog, screen.wanted) = (NewConversation::default(), None);
            }
            UiEvent::SendPressed { handle, id, text } => self.send_pressed(tab, &handle, id, text, cx),
            UiEvent::DraftChanged { handle, text } => self.draft_changed(tab, &handle, text, cx),
            UiEvent::RetryPressed { handle, .. } => {
                if let Some(contact) = self.contact_at(&handle) {
                    self.retry(contact, cx);
                }
            }
            UiEvent::DeletePressed { handle, id } => {
                if let Some((contact, order)) = self.own_message(&handle, &id) {
                    self.delete(contact, order, cx);
                }
            }
            UiEvent::ExportPressed => self.export(tab, cx),
            UiEvent::DeletionConfirmed => self.delete_account(cx),
            UiEvent::OlderWanted { handle } => self.move_window(tab, &handle, Window::older, cx),
            UiEvent::NewerWanted { handle } => self.move_window(tab, &handle, Window::newer, cx),
            UiEvent::OldestWanted { .. } => cx.shared.tabs.entry(tab).window = Window::OLDEST,
            UiEvent::LatestWanted { .. } => cx.shared.tabs.entry(tab).window = Window::Latest,
            UiEvent::WholeTextWanted { id, .. } => cx.shared.tabs.entry(tab).shown_whole.push(id),
            UiEvent::RequestAccepted { handle } => {
                if let Some(contact) = self.contact_at(&handle) {
                    self.accept_contact(contact, cx);
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
            UiEvent::KeepChosen { days } => self.keep_on_server(days, cx),
            // The other events belong to other states of the account, or were handled earlier.
            _ => {}
        }
    }

    /// Handles the answer to a request, or its absence.
    pub(crate) fn answered(&mut self, purpose: Purpose, answer: &Answer, cx: &mut Context<'_>) {
        match purpose {
            Purpose::Handle(handle) => self.handle_answered(&handle, answer, cx),
            Purpose::Sender(key) => self.sender_answered(&key, answer, cx),
            Purpose::Binding { until } => self.binding_answered(until, answer, cx),
            Purpose::OwnRecord => self.own_record_answered(answer, cx),
            Purpose::OwnChain => self.own_chain_answered(answer, cx),
            Purpose::AppendLink => self.append_answered(answer, cx),
            Purpose::RegisterChangedKey => self.changed_key_answered(answer, cx),
            Purpose::ChangedRecord => self.changed_record_answered(answer, cx),
            Purpose::KeepFormerKey => self.former_key_kept(answer, cx),
            Purpose::Chain(contact) => self.chain_answered(contact, answer, cx),
            Purpose::FormerKey { key, root, found } => {
                self.former_key_answered(&key, root, *found, answer, cx)
            }
            Purpose::Send(key) => self.send_answered(key, answer, cx),
            Purpose::Blocks => self.blocks_answered(answer, cx),
            Purpose::Accepted => self.accepted_answered(answer, cx),
            Purpose::Status => self.status_answered(answer, cx),
            Purpose::Acknowledge => self.acknowledged(answer, cx),
            Purpose::Keep { days } => self.keep_answered(days, answer, cx),
            Purpose::DiscardRequests(key) => self.requests_discarded(&key, answer, cx),
            Purpose::Tell(contact, news) => self.people_told(contact, news, answer, cx),
            Purpose::Unblock(handle) => self.stranger_unblocked(&handle, answer, cx),
            Purpose::Page => self.page_answered(answer, cx),
            Purpose::Report(tab) => Self::report_answered(&tab, answer, cx),
            Purpose::Export(tab) => self.export_answered(tab, answer, cx),
            Purpose::DeleteAccount => self.deletion_answered(answer, cx),
            Purpose::DeletionCheck => self.deletion_checked(answer),
            // Requests from before the account was open.
            Purpose::Config
            | Purpose::Availability(_)
            | Purpose::Register
            | Purpose::OwnAccount
            | Purpose::Restore => {}
        }
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
            self.save_contact(id, cx);
        }
        true
    }

    pub(crate) fn contact_at(&self, handle: &str) -> Option<ContactId> {
        let handle: Handle = self.handle_at(handle)?;
        self.contacts.by_handle(&handle)
    }

    fn own_message(&self, handle: &str, id: &str) -> Option<(ContactId, u64)> {
        let contact = self.contact_at(handle)?;
        Some((contact, self.conversations.get(&contact)?.own(id)?))
    }
}

/// A decision about a key is valid only for the key that was on screen.
fn refuse_unless(known: bool, tab: &TabId, cx: &mut Context<'_>) {
    cx.shared.tabs.entry(tab).refused = (!known)
        .then(|| "Their key has changed once more. Compare the safety number that is shown now.".to_owned());
}
