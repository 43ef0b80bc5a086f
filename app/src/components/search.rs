//! The search above the list: the box, its state, and the results.

mod results;

use kez_client::event::UiEvent;
use kez_client::view::{MOST_HITS, SearchView};
use leptos::{ev, html, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use crate::components::catch_up::grouped;
use crate::components::group::use_name;
use crate::components::keyboard::{COMPOSER_ID, focus, is_composing};
use crate::navigation::{Navigation, use_navigation};
use crate::reactive::{effect, memo};
use crate::session::{Session, use_session};

pub(crate) use results::SearchResults;

/// The id of the box "Search".
const BOX_ID: &str = "search";
/// The id of the results.
const RESULTS_ID: &str = "search-results";

/// The search of the list. It ends when the list leaves the page, as it does when the account is locked.
#[derive(Clone, Copy)]
pub(crate) struct Search {
    session: Session,
    navigation: Navigation,
    node: NodeRef<html::Input>,
    text: RwSignal<String>,
    /// The conversation that is searched; `None` for all.
    within: RwSignal<Option<String>>,
    /// The element that had the focus before the box.
    before: StoredValue<Option<HtmlElement>, LocalStorage>,
    /// Whether the box takes the focus once the list is on screen.
    waits: StoredValue<bool>,
    /// Whether the focus moves from the box to the first result once the results of the typed text are there.
    rows_wanted: StoredValue<bool>,
    /// The message that the user chose, as handle and row, until its thread is on screen.
    chosen: RwSignal<Option<(String, String)>>,
    /// Whether the results replace the list.
    shown: Memo<bool>,
}

impl Search {
    /// Provides the search to the components below the calling one, and ends it with that component.
    pub(crate) fn provide() -> Self {
        let session = use_session();
        let text = RwSignal::new(String::new());
        let search = Self {
            session,
            navigation: use_navigation(),
            node: NodeRef::new(),
            text,
            within: RwSignal::new(None),
            before: StoredValue::new_local(None),
            waits: StoredValue::new(false),
            rows_wanted: StoredValue::new(false),
            chosen: RwSignal::new(None),
            shown: memo(move || {
                !text.with(|text| text.trim().is_empty()) && session.search.with(Option::is_some)
            }),
        };
        effect(move || {
            if search.session.search.with(|found| search.is_answered_by(found.as_ref())) {
                request_animation_frame(move || search.focus_awaited_row());
            }
        });
        on_cleanup(move || session.send(UiEvent::SearchTyped { text: String::new(), within: None }));
        provide_context(search);
        search
    }

    /// Whether the results replace the list.
    pub(crate) fn shown(self) -> bool {
        self.shown.get()
    }

    /// Focuses the box. On a small screen it is above the list, which replaces the conversation.
    pub(crate) fn open(self) {
        focus(BOX_ID);
        if !has_focus(BOX_ID) {
            self.waits.set_value(true);
            self.navigation.go("/messages");
        }
    }

    /// Focuses the box, to search one conversation, or all.
    pub(crate) fn open_within(self, handle: Option<String>) {
        self.within.set(handle);
        self.report();
        self.open();
    }

    /// The id of the element that takes the focus now that the list is on screen, if it is the box.
    pub(crate) fn takes_focus(self) -> Option<String> {
        self.waits.try_update_value(std::mem::take)?.then(|| BOX_ID.to_owned())
    }

    /// The row to show in the conversation with `handle`; once for each choice of the user.
    pub(crate) fn take_chosen(self, handle: &str) -> Option<String> {
        let is_here = self.chosen.with(|chosen| chosen.as_ref().is_some_and(|(at, _)| at == handle));
        is_here.then(|| self.chosen.try_update(Option::take)).flatten().flatten().map(|(_, row)| row)
    }

    /// Handles a key in the list: Esc ends the search, Enter and the arrow down move from the box to the results.
    pub(crate) fn on_keydown(self, event: &ev::KeyboardEvent) {
        if event.default_prevented() || is_composing(event) {
            return;
        }
        let in_box = has_focus(BOX_ID);
        match event.key().as_str() {
            "Escape" if in_box || self.shown.get_untracked() => self.end(),
            "ArrowDown" | "Enter" if in_box && !event.alt_key() => self.to_rows(),
            _ => return,
        }
        event.prevent_default();
    }

    /// Moves the focus to the first row. Rows of an earlier text would go away under the focus, so those of the typed text
    /// are awaited.
    fn to_rows(self) {
        self.rows_wanted.set_value(true);
        if self.session.search.with_untracked(|found| self.is_answered_by(found.as_ref())) {
            self.focus_awaited_row();
        }
    }

    /// Whether the rows on screen belong to the text in the box, and the first of them is known.
    fn is_answered_by(self, found: Option<&SearchView>) -> bool {
        let wanted = (self.wanted_text(), self.within.get_untracked());
        has_first_row(found, &wanted.0, wanted.1.as_deref())
    }

    /// Focuses the first row if the user has asked for it and has not left the box since.
    fn focus_awaited_row(self) {
        if self.rows_wanted.try_update_value(std::mem::take) == Some(true) && has_focus(BOX_ID) {
            focus_first_row();
        }
    }

    fn on_focus(self, event: &ev::FocusEvent) {
        let from = event.related_target().and_then(|from| from.dyn_into::<HtmlElement>().ok());
        let from_results =
            |from: &HtmlElement| from.closest(&format!("#{RESULTS_ID}")).is_ok_and(|it| it.is_some());
        if let Some(from) = from.filter(|from| !from_results(from)) {
            self.before.set_value(Some(from));
        }
    }

    fn on_input(self) {
        self.text.set(self.node.get_untracked().map(|input| input.value()).unwrap_or_default());
        self.report();
    }

    /// Clears the box and restores the focus.
    fn end(self) {
        if let Some(input) = self.node.get_untracked() {
            input.set_value("");
        }
        self.within.set(None);
        self.on_input();
        match self.before.try_update_value(Option::take).flatten().filter(|before| before.is_connected()) {
            Some(before) => {
                let _ = before.focus();
            }
            None => focus(COMPOSER_ID),
        }
        if has_focus(BOX_ID)
            && let Some(input) = self.node.get_untracked()
        {
            let _ = input.blur();
        }
    }

    fn report(self) {
        self.rows_wanted.set_value(false);
        let text = self.wanted_text();
        self.session.send(UiEvent::SearchTyped { text, within: self.within.get_untracked() });
    }

    /// The text to search for; empty for no search.
    fn wanted_text(self) -> String {
        self.text.with_untracked(|text| if text.trim().is_empty() { String::new() } else { text.clone() })
    }

    /// Shows the message of a hit.
    fn choose(self, handle: String, row: String) {
        let path = format!("/messages/{handle}");
        if self.navigation.path().get_untracked() != path {
            self.navigation.go(&path);
        }
        self.chosen.set(Some((handle, row)));
    }
}

/// The search of this page, inside the chat.
pub(crate) fn use_search() -> Option<Search> {
    use_context()
}

fn has_focus(id: &str) -> bool {
    document().active_element().is_some_and(|focused| focused.id() == id)
}

/// Focuses the first row below the box.
fn focus_first_row() {
    let row = document().query_selector(".conversations [data-stop]").ok().flatten();
    if let Some(row) = row.and_then(|row| row.dyn_into::<HtmlElement>().ok()) {
        let _ = row.focus();
    }
}

/// Whether these results are those of a search, and their first row is known. Without a search, the list is on screen.
fn has_first_row(found: Option<&SearchView>, text: &str, within: Option<&str>) -> bool {
    match found {
        _ if text.is_empty() => true,
        Some(found) if found.text == text && found.within.as_deref() == within => {
            found.done || !found.people.is_empty() || !found.hits.is_empty()
        }
        _ => false,
    }
}

/// The box "Search", and the conversation that it is limited to.
#[component]
pub(crate) fn SearchBox(search: Search) -> impl IntoView {
    let view_of = search.session.search;
    let says = memo(move || match search.shown.get() {
        true => view_of.with(|view| view.as_ref().map(status).unwrap_or_default()),
        false => String::new(),
    });
    view! {
        <input
            node_ref=search.node
            id=BOX_ID
            type="search"
            aria-label="Search"
            placeholder="Search"
            autocomplete="off"
            spellcheck="false"
            enterkeyhint="search"
            on:input=move |_| search.on_input()
            on:focus=move |event| search.on_focus(&event)
        />
        {move || search.within.get().map(use_name).map(|name| view! {
            <p class="search-within">
                <span translate="no">{move || format!("In {}", name.get())}</span>
                <button type="button" class="button-small" on:click=move |_| search.open_within(None)>
                    "Search everywhere"
                </button>
            </p>
        })}
        <p class="search-status" role="status">{move || says.get()}</p>
    }
}

/// The box before the page reacts to input.
#[component]
pub(crate) fn SearchBoxSkeleton() -> impl IntoView {
    view! { <input type="search" aria-label="Search" placeholder="Search" disabled=true/> }
}

/// How far the search is, or how much it found.
fn status(found: &SearchView) -> String {
    match (found.done, found.hits.len(), found.people.len() + found.hits.len()) {
        (false, ..) => format!("Searched {} of {}", grouped(found.searched), grouped(found.total)),
        (true, _, 0) => "No match".to_owned(),
        (true, _, 1) => "1 match".to_owned(),
        (true, MOST_HITS.., _) => format!("The newest {MOST_HITS} matches"),
        (true, _, matches) => format!("{matches} matches"),
    }
}

#[cfg(test)]
mod tests {
    use kez_client::view::{ConversationRow, Preview, SearchHit, SearchView, View};
    use leptos::prelude::*;
    use leptos_router::components::Router;
    use leptos_router::location::RequestUrl;

    use super::{Search, has_first_row, status};
    use crate::components::conversation_list::ConversationList;
    use crate::session::Session;

    fn hit() -> SearchHit {
        let excerpt = vec![("we had ".to_owned(), false), ("lun".to_owned(), true), ("ch".to_owned(), false)];
        SearchHit { handle: "bob".to_owned(), row: "in-7".to_owned(), mine: false, at: 27 * 86_400, excerpt }
    }

    fn found(hits: usize, people: usize, done: bool) -> SearchView {
        SearchView {
            text: "lun".to_owned(),
            within: None,
            people: vec!["luna".to_owned(); people],
            hits: vec![hit(); hits],
            searched: 12_000,
            total: 100_000,
            done,
        }
    }

    #[test]
    fn the_focus_waits_for_the_results_of_the_typed_text() {
        let lunch = |hits, people, done| SearchView { text: "lunch".to_owned(), ..found(hits, people, done) };
        let ready = |view: Option<SearchView>| has_first_row(view.as_ref(), "lunch", None);
        assert!(
            !ready(None) && !ready(Some(found(1, 0, true))),
            "nothing, or the results of an earlier text"
        );
        assert!(!ready(Some(lunch(0, 0, false))), "the first row may still be found");
        assert!(ready(Some(lunch(1, 0, false))) && ready(Some(lunch(0, 1, false))));
        assert!(ready(Some(lunch(0, 0, true))), "nothing will come");
        let elsewhere = SearchView { within: Some("bob".to_owned()), ..lunch(1, 0, true) };
        assert!(!ready(Some(elsewhere)), "those of one conversation");
        assert!(has_first_row(None, "", None), "the list is on screen");
    }

    #[component]
    fn List(text: &'static str) -> impl IntoView {
        let search = Search::provide();
        search.text.set(text.to_owned());
        view! { <ConversationList search on_new=Callback::new(|()| ()) on_new_group=Callback::new(|()| ())/> }
    }

    /// The list after `text` was typed, with `found` as the answer.
    fn list(text: &'static str, found: SearchView) -> String {
        let owner = Owner::new_root(None);
        owner.with(|| {
            let row = |handle: &str| ConversationRow {
                handle: handle.to_owned(),
                primary: "ed25519:0d".to_owned(),
                group: None,
                preview: Preview::Nothing,
                at: None,
                unread: 0,
                request: false,
                verified: false,
            };
            let session = Session::idle();
            let conversations = vec![row("luna"), row("bob")];
            session.set_view(View { conversations, search: Some(found), ..View::default() });
            provide_context(RequestUrl::new("/messages"));
            provide_context(session);
            view! { <Router><List text/></Router> }.to_html().replace("<!>", "")
        })
    }

    #[test]
    fn the_results_replace_the_list() {
        let html = list("lun", found(1, 1, true));
        let results = html.split("<section").nth(1).unwrap();
        assert!(results.contains("aria-label=\"Search results\""), "{html}");
        for name in ["People", "Messages"] {
            assert!(results.contains(&format!("aria-label=\"{name}\"")), "{html}");
        }
        assert!(
            html.contains("href=\"/messages/luna\"") && !html.contains("href=\"/messages/bob\""),
            "{html}"
        );
        assert!(html.contains("role=\"status\" class=\"search-status\">2 matches</p>"), "{html}");
    }

    #[test]
    fn an_empty_search_shows_the_list() {
        let html = list(" ", found(1, 1, true));
        assert!(!html.contains("Search results") && !html.contains("matches"), "{html}");
        assert!(html.contains("href=\"/messages/bob\""), "{html}");
    }

    #[test]
    fn without_a_match_there_are_no_empty_lists() {
        let html = list("lun", found(0, 0, true));
        assert!(html.contains(">No match</p>") && !html.contains("<ul"), "{html}");
    }

    #[test]
    fn the_status_shows_progress_and_then_the_number_of_matches() {
        assert_eq!(status(&found(3, 1, false)), "Searched 12,000 of 100,000");
        assert_eq!(status(&found(0, 0, true)), "No match");
        assert_eq!(status(&found(0, 1, true)), "1 match");
        assert_eq!(status(&found(3, 1, true)), "4 matches");
        assert_eq!(status(&found(200, 1, true)), "The newest 200 matches");
    }
}
