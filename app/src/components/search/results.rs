//! What a search has found: people, then messages.

use kez_client::view::{ConversationRow, SearchHit, SearchView};
use leptos::{ev, prelude::*};

use super::{RESULTS_ID, Search};
use crate::browser::near_date_label;
use crate::components::conversation_list::Rows;
use crate::components::group::use_name;
use crate::components::roving::{self, Roving};
use crate::keyed::{Keyed, keyed};
use crate::reactive::memo;

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
    let name = use_name(handle.clone());
    let about =
        move || format!("{}, {}{}: ", name.get(), near_date_label(at), if mine { ", you" } else { "" });
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

#[cfg(test)]
mod tests {
    use kez_client::view::{SearchHit, SearchView};
    use leptos::prelude::*;

    use super::{Hit, HitProps, hits_of};
    use crate::components::roving::Roving;
    use crate::keyed::Keyed;

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

    fn found(text: &str, hit: SearchHit) -> SearchView {
        SearchView {
            text: text.to_owned(),
            within: None,
            people: Vec::new(),
            hits: vec![hit],
            searched: 12_000,
            total: 100_000,
            done: true,
        }
    }

    #[test]
    fn a_hit_keeps_its_row_when_another_text_is_searched() {
        let owner = Owner::new();
        owner.set();
        let view = RwSignal::new(Some(found("lun", hit(false))));
        let hits = hits_of(view);
        let before = hits.get_untracked();

        let excerpt = vec![("we had ".to_owned(), false), ("lunch".to_owned(), true)];
        let longer = SearchHit { excerpt: excerpt.clone(), ..hit(false) };
        view.set(Some(found("lunch", longer)));
        let after = hits.get_untracked();

        assert!(before == after, "the list has the same rows");
        assert_eq!(
            before[0].value.get_untracked().excerpt,
            excerpt,
            "the row on screen marks what matches now"
        );
    }
}
