//! Pages of messages: which ones an event needs, which ones the screens need, and which ones stay in memory.
//!
//! The client is given a page before any other event, so an event that needs one is only put off, and no other event can
//! come in between.

use kez_core::api::ReportRequest;

use crate::kernel::context::Context;
use crate::kernel::event::{Event, LiveEvent, StorageFault, UiEvent};
use crate::kernel::place::{PageKey, Place, Slot};
use crate::kernel::record::{Kind, Record};
use crate::kernel::requests::Purpose;
use crate::kernel::tabs::Window;
use crate::messages::{Conversation, page_of};
use crate::search::Text;
use crate::session::Session;

/// How many conversations have their first rows in memory once the inbox is read.
const RECENT: usize = 8;

impl Session {
    /// Whether pages have to be loaded before this event can be handled. Then loads them.
    pub(crate) fn lacks_pages_for(&mut self, event: &Event, cx: &mut Context<'_>) -> bool {
        let mut needed = self.pages_for(event, cx);
        needed.retain(|page| self.lacks(page));
        self.load_pages(needed, cx)
    }

    /// The pages that an event changes or reads.
    fn pages_for(&self, event: &Event, cx: &Context<'_>) -> Vec<PageKey> {
        let of = |place, orders: Vec<u64>| orders.into_iter().map(|order| (place, page_of(order))).collect();
        let needed = match event {
            Event::Ui(_, UiEvent::SendPressed { handle, .. }) => {
                let place = self.place_shown(handle);
                place.and_then(|place| Some(vec![(place, self.conversations.get(&place)?.next_page())]))
            }
            Event::Ui(_, UiEvent::ReactionSet { handle, id, .. } | UiEvent::DeletePressed { handle, id }) => {
                self.message_shown(handle, id).map(|(place, order)| of(place, vec![order]))
            }
            Event::Ui(_, UiEvent::ReportSubmitted { handle, .. }) => {
                self.place_shown(handle).and_then(|place| {
                    let newest =
                        self.conversations.get(&place)?.newest_received(ReportRequest::MOST_MESSAGES);
                    Some(of(place, newest.collect()))
                })
            }
            // What comes for a group is added to its last page.
            Event::Live(LiveEvent::Frame(text)) => Some(self.last_pages(text.as_bytes())),
            Event::Http(id, Ok(response)) if cx.shared.requests.purpose(*id) == Some(&Purpose::News) => {
                Some(self.last_pages(&response.body))
            }
            Event::Http(id, Ok(_)) if matches!(cx.shared.requests.purpose(*id), Some(Purpose::Export(_))) => {
                Some(self.all_pages())
            }
            _ => None,
        };
        needed.unwrap_or_default()
    }

    /// The pages of the next rows of all groups that a text of frames names.
    fn last_pages(&self, text: &[u8]) -> Vec<PageKey> {
        const NAME: &[u8] = br#""group":""#;
        let mut pages = Vec::new();
        for at in 0..text.len().saturating_sub(NAME.len() + 32) {
            if !text.get(at..).is_some_and(|rest| rest.starts_with(NAME)) {
                continue;
            }
            let gid = text.get(at + NAME.len()..at + NAME.len() + 32);
            let gid = gid.and_then(|gid| std::str::from_utf8(gid).ok()?.parse().ok());
            if let Some((place, conversation)) = gid
                .map(|gid| self.groups.place(gid))
                .and_then(|place| Some((place, self.conversations.get(&place)?)))
            {
                pages.push((place, conversation.next_page()));
            }
        }
        pages
    }

    /// Every page that has rows.
    fn all_pages(&self) -> Vec<PageKey> {
        let pages = |(place, conversation): (&Place, &Conversation)| {
            conversation.pages_with_rows().into_iter().map(|page| (*place, page)).collect::<Vec<_>>()
        };
        self.conversations.iter().flat_map(pages).collect()
    }

    pub(crate) fn lacks(&self, (place, page): &PageKey) -> bool {
        self.conversations.get(place).is_some_and(|conversation| !conversation.has_page(*page))
    }

    /// The storage has returned pages.
    ///
    /// # Errors
    /// [`StorageFault::Newer`] when a newer version has written one.
    pub(crate) fn on_pages(&mut self, records: &[Record], cx: &mut Context<'_>) -> Result<(), StorageFault> {
        let loading = std::mem::take(&mut self.paging.loading);
        let searching = std::mem::take(&mut self.paging.searching);
        for record in records.iter().filter(|record| record.kind == Kind::Page) {
            let (slot, page) = Slot::parse_key(&record.id)?;
            let Ok(place) = self.place_at(slot) else { continue };
            let Some(conversation) = self.conversations.get_mut(&place) else { continue };
            if searching.contains(&(place, page)) {
                let messages = conversation.read_page(record);
                let texts = messages.filter_map(|(order, message)| Text::of((order, &message))).collect();
                self.searches.keep((place, page), texts);
            }
            if !loading.contains(&(place, page)) {
                continue;
            }
            // Whether a page of a damaged part of the index was ever written is not known.
            let may_be_missing = record.value.is_none() && conversation.damaged_pages().contains(&page);
            match conversation.load_page(page, record, self.paging.now) {
                Err(StorageFault::Damaged) if may_be_missing => {}
                Err(StorageFault::Damaged) if self.paging.damaged.contains(&(place, page)) => {}
                Err(StorageFault::Damaged) => {
                    self.paging.damaged.push((place, page));
                    self.report_damage(1, cx);
                }
                outcome => outcome?,
            }
        }
        for conversation in self.conversations.values_mut() {
            let damaged = conversation.damaged_pages();
            if !damaged.is_empty() && damaged.iter().all(|page| conversation.has_page(*page)) {
                conversation.on_repaired();
                self.seen.extend(conversation.envelopes());
            }
        }
        if !searching.is_empty() {
            self.search(cx);
        }
        Ok(())
    }

    /// Ends an event: stores what has changed, has the pages loaded that the screens lack, and drops those that were not
    /// used for longest.
    pub(crate) fn end_event(&mut self, cx: &mut Context<'_>) {
        self.tell_devices(cx);
        self.advance_copies(cx);
        self.advance_groups(cx);
        self.advance_history(cx);
        self.advance_backup(cx);
        self.devices.save(cx);
        self.paging.now += 1;
        for (place, conversation) in self.conversations.iter_mut() {
            for page in conversation.save(self.paging.now, cx) {
                self.searches.forget(&(*place, page));
            }
        }
        let shown = self.pages_on_screens(cx);
        let lacking = shown.iter().filter(|page| self.lacks(page)).copied().collect::<Vec<_>>();
        self.paging.wanted.extend(lacking);
        self.drop_pages(&shown, cx.shared.most_pages);
        let wanted = std::mem::take(&mut self.paging.wanted);
        self.load_pages(wanted, cx);
    }

    /// Has the pages loaded that the screens lack, without storing anything.
    pub(crate) fn load_screens(&mut self, cx: &mut Context<'_>) {
        let lacking = self.pages_on_screens(cx).into_iter().filter(|page| self.lacks(page)).collect();
        self.load_pages(lacking, cx);
    }

    /// The pages of the rows that the tabs show, and those from which the list of conversations or an index is rebuilt.
    fn pages_on_screens(&self, cx: &Context<'_>) -> Vec<PageKey> {
        let mut pages = Vec::new();
        for tab in cx.shared.tabs.iter() {
            let Some(place) = tab.at.as_deref().and_then(|at| self.place_shown(at)) else { continue };
            let Some(conversation) = self.conversations.get(&place) else { continue };
            pages.extend(pages_in(tab.window, place, conversation));
        }
        for (place, conversation) in self.conversations.iter() {
            let wanted = conversation.damaged_pages().into_iter().chain(conversation.page_of_unknown_last());
            pages.extend(wanted.map(|page| (*place, page)));
        }
        pages.sort_unstable();
        pages.dedup();
        pages
    }

    /// Has the first rows of the conversations at the top of the list loaded: one of them is likely to be opened next.
    pub(crate) fn load_recent(&mut self) {
        let recent = self.by_activity().into_iter().filter_map(|(contact, conversation)| {
            let place = Place::Direct(self.contacts.by_handle(&contact.stored.handle)?);
            conversation.map(|conversation| (place, conversation))
        });
        let mut lacking = Vec::new();
        for (place, conversation) in recent.take(RECENT) {
            let pages = pages_in(Window::opening(conversation), place, conversation);
            lacking.extend(pages.filter(|page| self.lacks(page)));
        }
        self.paging.wanted.extend(lacking);
    }

    /// Has pages loaded. Returns whether there are any.
    fn load_pages(&mut self, mut wanted: Vec<PageKey>, cx: &mut Context<'_>) -> bool {
        wanted.sort_unstable();
        wanted.dedup();
        let any = self.read(&wanted, cx);
        self.paging.loading.extend(wanted);
        any
    }

    /// Has pages loaded only to be searched. Returns whether there are any.
    pub(crate) fn load_for_search(&mut self, pages: Vec<PageKey>, cx: &mut Context<'_>) -> bool {
        let any = self.read(&pages, cx);
        self.paging.searching = pages;
        any
    }

    fn read(&self, pages: &[PageKey], cx: &mut Context<'_>) -> bool {
        let id = |(place, page): &PageKey| Some(self.conversations.get(place)?.slot().key(*page));
        let keys: Vec<_> = pages.iter().filter_map(id).map(|id| (Kind::Page, id)).collect();
        let any = !keys.is_empty();
        cx.load(keys);
        any
    }

    /// Keeps at most this many pages in memory, besides those on screens. All are stored.
    fn drop_pages(&mut self, shown: &[PageKey], most: usize) {
        let uses = |(place, conversation): (&Place, &Conversation)| {
            conversation.page_uses().map(|(page, used)| (used, *place, page)).collect::<Vec<_>>()
        };
        let mut pages: Vec<_> = self.conversations.iter().flat_map(uses).collect();
        pages.retain(|(_, place, page)| shown.binary_search(&(*place, *page)).is_err());
        pages.sort_unstable();
        let excess = pages.len().saturating_sub(most);
        for (_, place, page) in pages.into_iter().take(excess) {
            if let Some(conversation) = self.conversations.get_mut(&place) {
                conversation.drop_page(page);
            }
        }
    }
}

/// The pages of the rows in a window. A page may occur several times.
fn pages_in(window: Window, place: Place, conversation: &Conversation) -> impl Iterator<Item = PageKey> {
    let extent = window.extent(conversation);
    conversation.orders(extent.older, extent.shown).map(move |order| (place, page_of(order)))
}
