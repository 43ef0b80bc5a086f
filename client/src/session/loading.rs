//! The pages of messages that are being loaded, and the events and items that wait for them.

use crate::kernel::place::PageKey;
use crate::link::Batch;

/// The state of paging.
#[derive(Default)]
pub(crate) struct Paging {
    /// The number of events so far: the time by which the least recently used pages are found.
    pub(crate) now: u64,
    /// The pages to load after this event.
    pub(crate) wanted: Vec<PageKey>,
    /// The pages that are being loaded.
    pub(crate) loading: Vec<PageKey>,
    /// The pages that are being loaded only to be searched.
    pub(crate) searching: Vec<PageKey>,
    /// The pages that could not be read. The user was notified.
    pub(crate) damaged: Vec<PageKey>,
    /// Items of the inbox that wait for a page.
    batch: Option<Batch>,
}

impl Paging {
    /// Has a page loaded after this event.
    pub(crate) fn want(&mut self, page: PageKey) {
        self.wanted.push(page);
    }

    /// Lets items of the inbox wait until the pages are loaded.
    pub(crate) fn put_off(&mut self, batch: Batch) {
        self.batch = Some(batch);
    }

    /// The items of the inbox that waited.
    pub(crate) const fn take_batch(&mut self) -> Option<Batch> {
        self.batch.take()
    }
}
