//! Search: which pages a tab searches, in portions between other events.

use crate::kernel::context::Context;
use crate::kernel::event::TabId;
use crate::kernel::place::{PageKey, Place};
use crate::search::{Text, ToSearch};
use crate::session::Session;

impl Session {
    /// The text in "Search" changed. A search begins anew with every change.
    pub(crate) fn search_typed(
        &mut self,
        tab: &TabId,
        text: String,
        within: Option<String>,
        cx: &mut Context<'_>,
    ) {
        if text.trim().is_empty() {
            return self.searches.end(tab);
        }
        let only = within.as_deref().map(|at| self.place_shown(at));
        let mut pages = Vec::new();
        for (place, conversation) in self.conversations.iter() {
            // Groups are not searched yet.
            let Some(person) = place.person() else { continue };
            if only.unwrap_or(Some(*place)) == Some(*place) && !self.contacts.is_blocked(person) {
                let rows = conversation.rows_of_pages().into_iter();
                pages.extend(rows.map(|(page, at, rows)| ToSearch { page: (*place, page), at, rows }));
            }
        }
        let people =
            self.by_activity().into_iter().map(|(contact, _)| contact.stored.handle.clone()).collect();
        self.searches.begin(tab, (text, within), people, pages, cx.now);
        self.search(cx);
    }

    /// Searches the next portion, or has the pages loaded that it needs.
    pub(crate) fn search(&mut self, cx: &mut Context<'_>) {
        let portion = self.searches.portion();
        let lacking: Vec<PageKey> = portion.into_iter().filter(|page| !self.searches.has(page)).collect();
        let mut unread = Vec::new();
        for page in lacking {
            let Some(conversation) = self.conversations.get(&page.0) else {
                self.searches.keep(page, Vec::new());
                continue;
            };
            match conversation.messages_of(page.1) {
                Some(messages) => self.searches.keep(page, messages.filter_map(Text::of).collect()),
                None => unread.push(page),
            }
        }
        if !self.load_for_search(unread, cx) {
            let contacts = &self.contacts;
            let handle = |place| {
                let person = Place::person(place)?;
                contacts.get(person).map(|contact| contact.stored.handle.clone())
            };
            self.searches.proceed(handle, cx.now);
        }
    }
}
