//! The effects of the screen on the state: what counts as read, and the dialog "New conversation".

use std::cmp::Reverse;

use kez_core::handle::Handle;

use crate::kernel::context::Context;
use crate::kernel::event::{Jump, TabId};
use crate::kernel::place::Place;
use crate::kernel::reason::Reason;
use crate::kernel::recipient::parse_recipient;
use crate::kernel::tabs::Window;
use crate::kernel::tabs::{NewConversation, ReportView};
use crate::messages::{Conversation, their_row_id};
use crate::people::Contact;
use crate::session::Session;
use crate::session::directory::HandleState;

impl Session {
    /// A tab shows another conversation, or the same one after the account was opened.
    pub(crate) fn screen_changed(&mut self, tab: &TabId, cx: &mut Context<'_>) {
        let at = cx.shared.tabs.get(tab).and_then(|tab| tab.at.as_deref());
        let handle = at.and_then(|at| self.handle_at(at));
        let unread = at.and_then(|at| self.place_shown(at)).and_then(|place| self.first_unread(place));
        let screen = cx.shared.tabs.entry(tab);
        screen.refused = None;
        screen.report = ReportView::Open;
        screen.jump = None;
        screen.shown_whole.clear();
        (screen.window, screen.first_unread) = match unread {
            Some((window, row)) => (window, Some(row)),
            None => (Window::Latest, None),
        };
        if let Some(handle) = handle {
            self.look_at(&handle, cx);
        }
        self.mark_visible_read(cx);
    }

    /// A tab became visible or hidden, or reported its screen again.
    pub(crate) fn screen_shown(&mut self, tab: &TabId, cx: &mut Context<'_>) {
        let handle =
            cx.shared.tabs.get(tab).and_then(|tab| tab.at.as_deref()).and_then(|at| self.handle_at(at));
        if let Some(handle) = handle {
            self.look_at(&handle, cx);
        }
        self.mark_visible_read(cx);
    }

    /// The contacts who are not blocked with their conversations, newest activity first.
    pub(crate) fn by_activity(&self) -> Vec<(&Contact, Option<&Conversation>)> {
        let wanted = self.contacts.iter().filter(|(_, contact)| !contact.stored.standing.blocked);
        let pairs = wanted.map(|(id, contact)| (contact, self.conversations.get(&Place::Direct(id))));
        let mut pairs: Vec<_> = pairs.collect();
        pairs.sort_by_key(|(contact, conversation)| {
            let last = conversation.and_then(Conversation::last);
            let active = last.map_or((contact.stored.since, 0), |last| (last.kept_at, last.arrival));
            (Reverse(active), contact.stored.handle.as_str())
        });
        pairs
    }

    /// Marks conversations on visible tabs as read.
    pub(crate) fn mark_visible_read(&mut self, cx: &mut Context<'_>) {
        let unread = self.conversations.iter().filter(|(_, conversation)| conversation.unread() > 0);
        let unread: Vec<Place> = unread.map(|(place, _)| *place).collect();
        for place in unread {
            if cx.shared.tabs.any_visible(|at| self.place_shown(at) == Some(place))
                && let Some(conversation) = self.conversations.get_mut(&place)
            {
                conversation.mark_read();
                self.devices.on_read(place, cx.now);
            }
        }
    }

    /// The steps that follow when items have been received.
    pub(crate) fn after_receiving(&mut self, cx: &mut Context<'_>) {
        self.mark_visible_read(cx);
        self.ask_about_senders(cx);
    }

    /// "Start" in the dialog.
    pub(crate) fn start_conversation(&mut self, tab: &TabId, to: &str, cx: &mut Context<'_>) {
        let handle = match parse_recipient(to, self.me.server.as_str()) {
            Ok(handle) if handle == self.me.handle => return fail(tab, Reason::OwnHandle, cx),
            Ok(handle) => handle,
            Err(why) => return fail(tab, why, cx),
        };
        let screen = cx.shared.tabs.entry(tab);
        screen.dialog = NewConversation { busy: true, error: None, started: None };
        screen.wanted = Some(handle.to_string());
        self.ask_about(&handle, cx);
    }

    /// The registry has answered. Continues the dialogs that wait for this handle.
    pub(crate) fn answer_dialogs(&mut self, handle: &Handle, cx: &mut Context<'_>) {
        let waits = |wanted: Option<&str>| wanted == Some(handle.as_str());
        if !cx.shared.tabs.iter_mut().any(|tab| waits(tab.wanted.as_deref())) {
            return;
        }
        let (error, started) = match self.contact_for(handle, cx) {
            Some(contact) => {
                self.lists.on_accepted_here(contact, &mut self.contacts, &self.me, cx);
                (None, Some(handle.to_string()))
            }
            None => (Some(self.why_not_found(handle)), None),
        };
        for tab in cx.shared.tabs.iter_mut().filter(|tab| waits(tab.wanted.as_deref())) {
            tab.wanted = None;
            tab.dialog = NewConversation { busy: false, error: error.clone(), started: started.clone() };
        }
    }

    fn why_not_found(&self, handle: &Handle) -> Reason {
        match self.directory.handles.get(handle) {
            Some(HandleState::NotFound) => {
                Reason::UnknownHandle { handle: handle.to_string(), server: self.me.server.to_string() }
            }
            _ => Reason::Unproven(handle.to_string()),
        }
    }

    /// The first unread message: a window that contains it, and its row.
    fn first_unread(&self, place: Place) -> Option<(Window, String)> {
        let conversation = self.conversations.get(&place)?;
        let order = conversation.first_unread()?;
        Some((Window::opening(conversation), their_row_id(order)))
    }

    /// Shows a message in the middle of the thread.
    pub(crate) fn jump(&self, tab: &TabId, handle: &str, to: &Jump, cx: &mut Context<'_>) {
        let place = self.place_shown(handle);
        let Some(conversation) = place.and_then(|place| self.conversations.get(&place)) else { return };
        let order = match to {
            Jump::Row(row) => conversation.order_of_row(row),
            Jump::Time(time) => conversation.order_at_time(*time),
        };
        let Some(order) = order else { return };
        let screen = cx.shared.tabs.entry(tab);
        screen.window = Window::around(order, conversation);
        // The time keeps numbers apart when another client takes over and knows nothing of the earlier jumps.
        screen.jumps = cx.now.max(screen.jumps + 1);
        screen.jump = Some((order, screen.jumps));
    }

    /// Moves the window of the conversation on screen.
    pub(crate) fn move_window(
        &self,
        tab: &TabId,
        handle: &str,
        moved: impl Fn(Window, &Conversation) -> Window,
        cx: &mut Context<'_>,
    ) {
        let place = self.place_shown(handle);
        if let Some(conversation) = place.and_then(|place| self.conversations.get(&place)) {
            let screen = cx.shared.tabs.entry(tab);
            screen.window = moved(screen.window, conversation);
        }
    }
}

fn fail(tab: &TabId, why: Reason, cx: &mut Context<'_>) {
    let screen = cx.shared.tabs.entry(tab);
    screen.wanted = None;
    screen.dialog = NewConversation { busy: false, error: Some(why), started: None };
}
