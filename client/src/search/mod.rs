//! Search over names and messages. There is no index: pages are read, newest first, and their texts are kept in memory
//! until the account is locked.

mod fold;

use kez_core::display;
use serde::{Deserialize, Serialize};

use crate::kernel::event::TabId;
use crate::kernel::place::{PageKey, Place};
use crate::kernel::sorted_map::SortedMap;
use crate::messages::{StoredBody, StoredMessage};
use fold::{fold, matches};

/// How many pages are searched before other events are handled.
const PORTION: usize = 32;
/// The most messages that a search finds: the newest.
pub const MOST_HITS: usize = 200;
/// The most bytes of texts that are kept.
const MOST_BYTES: usize = 32 * 1024 * 1024;
/// The length of an excerpt, in characters.
const EXCERPT: usize = 120;
/// How many of them come before the first match.
const BEFORE_MATCH: usize = 30;

/// A search over names and messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchView {
    /// The text that was searched for.
    pub text: String,
    /// The conversation that is searched, as in the URL; `None` for all.
    pub within: Option<String>,
    /// The conversations whose names match, as in the URL, in the order of the list: people by their handles, then groups.
    pub people: Vec<String>,
    /// The messages that match, newest first: at most 200.
    pub hits: Vec<SearchHit>,
    /// The number of messages that were searched.
    pub searched: u64,
    /// The number of messages to search.
    pub total: u64,
    /// Whether everything was searched, or the limit on hits was reached.
    pub done: bool,
}

/// A message that matches a search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchHit {
    /// The conversation, as in the URL.
    pub handle: String,
    /// The id of the message's row in the thread.
    pub row: String,
    /// Whether the user wrote it.
    pub mine: bool,
    /// When it was sent, Unix seconds.
    pub at: u64,
    /// An excerpt in parts, in order; `true` marks the parts that match.
    pub excerpt: Vec<(String, bool)>,
}

/// A page to search.
pub(crate) struct ToSearch {
    pub(crate) page: PageKey,
    /// The time of its last row, Unix seconds.
    pub(crate) at: u64,
    pub(crate) rows: u64,
}

/// A text in a page.
pub(crate) struct Text {
    row: String,
    mine: bool,
    at: u64,
    text: String,
}

/// The search of one tab.
struct Search {
    words: Vec<String>,
    /// The pages that are left, the newest at the end.
    left: Vec<ToSearch>,
    view: SearchView,
}

/// The searches of all tabs.
#[derive(Default)]
pub(crate) struct Searches {
    tabs: SortedMap<TabId, Search>,
    texts: SortedMap<PageKey, Vec<Text>>,
    bytes: usize,
    /// When the next portion is due.
    next: Option<u64>,
}

impl Text {
    /// The text of a message, if it has one.
    pub(crate) fn of((order, message): (u64, &StoredMessage)) -> Option<Self> {
        let StoredBody::Text { text, .. } = &message.body else { return None };
        let (row, mine, at) = (message.row_id(order), message.mine, message.shown_at());
        Some(Self { row, mine, at, text: text.clone() })
    }
}

impl Searches {
    /// Begins a search. `names` are all conversations in the order of the list, as in the URL, each with its name, and
    /// `pages` are the pages to search.
    pub(crate) fn begin(
        &mut self,
        tab: &TabId,
        (text, within): (String, Option<String>),
        names: Vec<(String, String)>,
        mut pages: Vec<ToSearch>,
        now: u64,
    ) {
        let folded = fold(&text);
        let words: Vec<String> = folded.split_whitespace().map(str::to_owned).collect();
        let name = folded.trim().trim_start_matches('@');
        let fits = |of: &str| within.is_none() && !name.is_empty() && fold(of).contains(name);
        let people = names.into_iter().filter(|(_, name)| fits(name)).map(|(at, _)| at).collect();
        pages.sort_by_key(|page| (page.at, page.page));
        if words.is_empty() {
            pages.clear();
        }
        let total = pages.iter().map(|page| page.rows).sum();
        let done = pages.is_empty();
        let view = SearchView { text, within, people, hits: Vec::new(), searched: 0, total, done };
        self.tabs.insert(tab.clone(), Search { words, left: pages, view });
        self.next = Some(now);
    }

    /// Ends the search of a tab.
    pub(crate) fn end(&mut self, tab: &TabId) {
        self.tabs.remove(tab);
    }

    /// When [`Searches::portion`] is due.
    pub(crate) const fn wake(&self) -> Option<u64> {
        self.next
    }

    /// The pages to search next.
    pub(crate) fn portion(&self) -> Vec<PageKey> {
        let search = self.tabs.values().find(|search| !search.view.done);
        let left = search.map_or(&[][..], |search| &search.left);
        left.iter().rev().take(PORTION).map(|page| page.page).collect()
    }

    /// Whether the texts of a page are kept.
    pub(crate) fn has(&self, page: &PageKey) -> bool {
        self.texts.contains_key(page)
    }

    /// Keeps the texts of a page.
    pub(crate) fn keep(&mut self, page: PageKey, texts: Vec<Text>) {
        self.bytes += texts.iter().map(|text| text.text.len()).sum::<usize>();
        self.texts.insert(page, texts);
    }

    /// Drops the texts of a page that has changed.
    pub(crate) fn forget(&mut self, page: &PageKey) {
        if let Some(texts) = self.texts.remove(page) {
            self.bytes -= texts.iter().map(|text| text.text.len()).sum::<usize>();
        }
    }

    /// Searches the next portion, whose texts must have been passed to [`Searches::keep`]. Then drops all texts if
    /// there are too many. `address` gives the name of a conversation in the URL.
    pub(crate) fn proceed(&mut self, address: impl Fn(Place) -> Option<String>, now: u64) {
        self.next = None;
        let Some(search) = self.tabs.values_mut().find(|search| !search.view.done) else { return };
        for _ in 0..PORTION {
            let Some(ToSearch { page, rows, .. }) = search.left.pop() else { break };
            search.view.searched += rows;
            let Some(address) = address(page.0) else { continue };
            for text in self.texts.get(&page).into_iter().flat_map(|texts| texts.iter().rev()) {
                let folded = fold(&text.text);
                if search.words.iter().all(|word| folded.contains(word.as_str())) {
                    search.view.hits.push(SearchHit {
                        handle: address.clone(),
                        row: text.row.clone(),
                        mine: text.mine,
                        at: text.at,
                        excerpt: excerpt(&text.text, &search.words),
                    });
                }
            }
        }
        search.view.hits.sort_by_key(|hit| std::cmp::Reverse(hit.at));
        search.view.hits.truncate(MOST_HITS);
        search.view.done = search.left.is_empty() || search.view.hits.len() == MOST_HITS;
        if self.bytes > MOST_BYTES {
            (self.texts, self.bytes) = (SortedMap::default(), 0);
        }
        if self.tabs.values().any(|search| !search.view.done) {
            self.next = Some(now);
        }
    }

    /// The search of a tab.
    pub(crate) fn view(&self, tab: &TabId) -> Option<SearchView> {
        self.tabs.get(tab).map(|search| search.view.clone())
    }
}

/// The part of a text around the first match, on one line.
fn excerpt(text: &str, words: &[String]) -> Vec<(String, bool)> {
    let on_one_line = |c: char| if c.is_whitespace() { ' ' } else { c };
    let text: Vec<char> = display::limited(text).map(on_one_line).collect();
    let marks = matches(&text, words);
    let first = marks.iter().position(|mark| *mark).unwrap_or_default();
    let start = if text.len() <= EXCERPT { 0 } else { first.saturating_sub(BEFORE_MATCH) };
    let mut parts: Vec<(String, bool)> = Vec::new();
    let mut add = |c: char, mark: bool| match parts.last_mut() {
        Some((part, same)) if *same == mark => part.push(c),
        _ => parts.push((c.to_string(), mark)),
    };
    if start > 0 {
        add('…', false);
    }
    for (c, mark) in text.iter().zip(&marks).skip(start).take(EXCERPT) {
        add(*c, *mark);
    }
    if start + EXCERPT < text.len() {
        add('…', false);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::{EXCERPT, MOST_BYTES, Searches, Text, ToSearch, excerpt};
    use crate::kernel::event::TabId;
    use crate::kernel::place::{PersonId, Place};

    #[test]
    fn a_portion_with_too_many_bytes_is_searched_before_its_texts_are_dropped() {
        let primary = format!("ed25519:{}", "1".repeat(64)).parse().unwrap();
        let (page, tab) = ((Place::Direct(PersonId(primary)), 0), TabId("tab".into()));
        let mut searches = Searches::default();
        let pages = vec![ToSearch { page, at: 1, rows: 1 }];
        searches.begin(&tab, ("needle".into(), None), Vec::new(), pages, 0);
        let text = format!("needle {}", "x".repeat(MOST_BYTES));
        searches.keep(page, vec![Text { row: "in-1".into(), mine: false, at: 1, text }]);
        assert_eq!(searches.portion(), [page]);
        assert!(searches.has(&page), "otherwise it would be loaded over and over");
        searches.proceed(|_| Some("bob".to_owned()), 0);
        let view = searches.view(&tab).unwrap();
        assert!(view.done && view.hits.len() == 1);
        assert!(!searches.has(&page));
    }

    #[test]
    fn an_excerpt_shows_the_first_match() {
        let part = |text: &str, mark| (text.to_owned(), mark);
        let words = ["cafe".to_owned(), "no".to_owned()];
        assert_eq!(
            excerpt("Le Café\nnoir", &words),
            [part("Le ", false), part("Café", true), part(" ", false), part("no", true), part("ir", false)]
        );
        let long = format!("{} cafe {}", "x".repeat(200), "y".repeat(200));
        let parts = excerpt(&long, &words);
        assert_eq!(parts.len(), 3);
        assert!(parts[0].0.starts_with("…x") && parts[2].0.ends_with("y…"), "{parts:?}");
        let characters: usize = parts.iter().map(|(part, _)| part.chars().count()).sum();
        assert_eq!(characters, EXCERPT + 2);
    }
}
