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
            if only.unwrap_or(Some(*place)) == Some(*place) && self.is_searched(*place) {
                let rows = conversation.rows_of_pages().into_iter();
                pages.extend(rows.map(|(page, at, rows)| ToSearch { page: (*place, page), at, rows }));
            }
        }
        let people = self.by_activity().into_iter().map(|(contact, _)| contact.stored.handle.to_string());
        let people = people.map(|handle| (handle.clone(), handle));
        let groups = self.groups.iter().filter(|(gid, _)| self.is_listed(*gid));
        let groups = groups.map(|(gid, group)| (Place::Group(gid), group.stored.name().to_owned()));
        let groups = groups.filter_map(|(place, name)| Some((self.address_of(place)?, name)));
        let names = people.chain(groups).collect();
        self.searches.begin(tab, (text, within), names, pages, cx.now);
        self.search(cx);
    }

    fn is_searched(&self, place: Place) -> bool {
        match place {
            Place::Direct(person) => !self.contacts.is_blocked(person),
            Place::Group(gid) => self.is_listed(gid),
        }
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
            let mut searches = std::mem::take(&mut self.searches);
            searches.proceed(|place| self.address_of(place), cx.now);
            self.searches = searches;
        }
    }
}
