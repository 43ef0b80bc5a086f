//! The search above the list: the box, its state, and the results.

use kez_client::event::UiEvent;
use kez_client::view::{ConversationRow, MOST_HITS, SearchHit, SearchView};
use leptos::{ev, html, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use crate::browser::near_date_label;
use crate::components::catch_up::grouped;
use crate::components::conversation_list::Rows;
use crate::components::keyboard::{COMPOSER_ID, focus, is_composing};
use crate::components::roving::{self, Roving};
use crate::keyed::{Keyed, keyed};
use crate::navigation::{Navigation, use_navigation};
use crate::reactive::{effect, memo};
use crate::session::{Session, use_session};

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
        {move || search.within.get().map(|handle| view! {
            <p class="search-within">
                <span translate="no">{format!("In @{handle}")}</span>
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

/// The region "Search results": people, then messages.
#[component]
pub(crate) fn SearchResults(search: Search, who: Memo<Option<String>>) -> impl IntoView {
    let (found, conversations) = (search.session.search, search.session.conversations);
    let people = keyed(move || {
        let people = found.with(|found| found.as_ref().map(|found| found.people.clone()).unwrap_or_default());
        let is_found = |row: &ConversationRow| people.contains(&row.handle);
        conversations.with(|rows| {
            let rows = rows.iter().filter(|row| is_found(row));
            rows.map(|row| (row.handle.clone(), row.clone())).collect::<Vec<_>>()
        })
    });
    let any_people = memo(move || people.with(|people| !people.is_empty()));
    let hits = hits_of(found);
    let any_hits = memo(move || hits.with(|hits| !hits.is_empty()));
    let contains = move |key: &str| hits.with(|hits| hits.iter().any(|hit| hit.key == key));
    let first = move || hits.with(|hits| hits.first().map(|hit| hit.key.clone()));
    let roving = Roving::new(contains, first);
    let on_choose = Callback::new(move |(handle, row)| search.choose(handle, row));
    view! {
        <section id=RESULTS_ID aria-label="Search results">
            <Show when=move || any_people.get()>
                <h2 class="rows-title">"People"</h2>
                <Rows rows=people who label="People"/>
            </Show>
            <Show when=move || any_hits.get()>
                <h2 class="rows-title">"Messages"</h2>
                <ul
                    class="rows"
                    aria-label="Messages"
                    on:focusin=move |event| roving.on_focusin(&event)
                    on:keydown=move |event| roving::on_keydown(&event)
                >
                    <For each=move || hits.get() key=|hit| hit.key.clone() let:hit>
                        <Hit hit roving on_choose/>
                    </For>
                </ul>
            </Show>
        </section>
    }
}

/// The hits. A message that matches another text, too, keeps its row, which may have the focus; only its excerpt changes.
fn hits_of(found: RwSignal<Option<SearchView>>) -> Memo<Vec<Keyed<SearchHit>>> {
    keyed(move || {
        let key = |hit: &SearchHit| format!("{} {}", hit.handle, hit.row);
        let hits = found.with(|found| found.as_ref().map(|found| found.hits.clone()).unwrap_or_default());
        hits.into_iter().map(|hit| (key(&hit), hit)).collect::<Vec<_>>()
    })
}

/// A message that was found: a link to it.
#[component]
fn Hit(hit: Keyed<SearchHit>, roving: Roving, on_choose: Callback<(String, String)>) -> impl IntoView {
    let Keyed { key, value } = hit;
    let SearchHit { handle, row, mine, at, .. } = value.get_untracked();
    let excerpt = move || value.with(|hit| hit.excerpt.clone());
    let href = format!("/messages/{handle}#m-{row}");
    let about = format!("@{handle}, {}{}: ", near_date_label(at), if mine { ", you" } else { "" });
    let tabindex = roving.tabindex(key.clone());
    let choose = move |event: ev::MouseEvent| {
        // Every other click opens the link elsewhere.
        if !(event.ctrl_key() || event.meta_key() || event.shift_key() || event.alt_key()) {
            event.prevent_default();
            on_choose.run((handle.clone(), row.clone()));
        }
    };
    let part = |(text, marked): (String, bool)| {
        if marked { view! { <mark>{text}</mark> }.into_any() } else { text.into_any() }
    };
    view! {
        <li>
            <a class="row hit" href=href data-stop=key tabindex=move || tabindex.get() on:click=choose>
                <span class="hit-about" translate="no">{about}</span>
                <span class="hit-text" dir="auto" translate="no">{move || excerpt().into_iter().map(part).collect_view()}</span>
            </a>
        </li>
    }
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

    use super::{Hit, HitProps, Search, has_first_row, hits_of, status};
    use crate::components::conversation_list::ConversationList;
    use crate::components::roving::Roving;
    use crate::keyed::Keyed;
    use crate::session::Session;

    fn hit(mine: bool) -> SearchHit {
        let excerpt = vec![("we had ".to_owned(), false), ("lun".to_owned(), true), ("ch".to_owned(), false)];
        SearchHit { handle: "bob".to_owned(), row: "in-7".to_owned(), mine, at: 27 * 86_400, excerpt }
    }

    fn html(hit: SearchHit) -> String {
        let owner = Owner::new();
        owner.set();
        let roving = Roving::new(|_| true, || Some("k".to_owned()));
        let on_choose = Callback::new(|_| ());
        let hit = Keyed { key: "k".to_owned(), value: ArcRwSignal::new(hit) };
        Hit(HitProps { hit, roving, on_choose }).to_html().replace("<!>", "")
    }

    #[test]
    fn a_hit_is_a_link_to_its_message_with_the_matching_part_marked() {
        let html = html(hit(false));
        assert!(html.contains("href=\"/messages/bob#m-in-7\""), "{html}");
        assert!(html.contains(">@bob, 28 January 1970: </span>"), "{html}");
        assert!(html.contains(">we had <mark>lun</mark>ch</span>"), "{html}");
    }

    #[test]
    fn a_hit_marks_the_users_own_messages() {
        assert!(html(hit(true)).contains(">@bob, 28 January 1970, you: </span>"));
    }

    fn found(hits: usize, people: usize, done: bool) -> SearchView {
        SearchView {
            text: "lun".to_owned(),
            within: None,
            people: vec!["luna".to_owned(); people],
            hits: vec![hit(false); hits],
            searched: 12_000,
            total: 100_000,
            done,
        }
    }

    #[test]
    fn a_hit_keeps_its_row_when_another_text_is_searched() {
        let owner = Owner::new();
        owner.set();
        let view = RwSignal::new(Some(found(1, 0, true)));
        let hits = hits_of(view);
        let before = hits.get_untracked();

        let excerpt = vec![("we had ".to_owned(), false), ("lunch".to_owned(), true)];
        let longer = SearchHit { excerpt: excerpt.clone(), ..hit(false) };
        view.set(Some(SearchView { text: "lunch".to_owned(), hits: vec![longer], ..found(0, 0, true) }));
        let after = hits.get_untracked();

        assert!(before == after, "the list has the same rows");
        assert_eq!(
            before[0].value.get_untracked().excerpt,
            excerpt,
            "the row on screen marks what matches now"
        );
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
        view! { <ConversationList search on_new=Callback::new(|()| ())/> }
    }

    /// The list after `text` was typed, with `found` as the answer.
    fn list(text: &'static str, found: SearchView) -> String {
        let owner = Owner::new_root(None);
        owner.with(|| {
            let row = |handle: &str| ConversationRow {
                handle: handle.to_owned(),
                primary: "ed25519:0d".to_owned(),
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
